"""`wait_for_search`: SageMaker's Search learns of a run later than SageMaker itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from .._storage.failure_advice import explain
from .._storage.keys import trial_component_name
from ..exceptions import SpanReadError
from .clients import sagemaker_client
from .components import is_missing

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two requests: they become longer, since Search has a low rate for an account."""


def wait_for_search(
    experiment_name: str, run_name: str, *, timeout: float = 120.0, sagemaker_session: Any = None
) -> None:
    """Wait until SageMaker's Search shows a run with all parameters and metrics it has now.

    `ExperimentAnalytics` and `list_runs` of the sagemaker SDK ask Search. Right after a run they
    may not find it, or find it without its columns. `load_spans` needs no wait.

    Args:
        experiment_name: the run's experiment.
        run_name: the run.
        timeout: seconds to wait at most.
        sagemaker_session: whose credentials and region to use; boto3's default ones otherwise.

    Raises:
        TimeoutError: Search did not show it in time. The run itself is whole.
        SpanReadError: there is no such run, or AWS refused.

    Example:
        >>> from langchain_sagemaker_experiments import BotoRun, wait_for_search
        >>> with BotoRun("jokes", "first") as run:
        ...     run.log_parameter("prompt_version", 3)
        >>> wait_for_search("jokes", "first")
    """
    name = trial_component_name(experiment_name, run_name)
    end = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    try:
        client = sagemaker_client(sagemaker_session)
        wanted = client.describe_trial_component(TrialComponentName=name)
        while not _is_shown(client, name, wanted):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"SageMaker's Search did not show the run {run_name!r} of {experiment_name!r} "
                    f"within {timeout:g} s. The run itself is whole: load_spans reads it. Wait "
                    "again, or longer."
                )
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
    except ClientError as error:
        if is_missing(error):
            raise SpanReadError(
                f"There is no run {run_name!r} in the experiment {experiment_name!r}."
            ) from error
        raise SpanReadError(f"Search can't be asked. {explain(error, 'try again')}") from error
    except BotoCoreError as error:
        raise SpanReadError(f"Search can't be asked. {explain(error, 'try again')}") from error


def _is_shown(client: Any, name: str, wanted: Mapping[str, Any]) -> bool:
    """Return True if Search gives what a description of the trial component gave."""
    condition = {"Name": "TrialComponentName", "Operator": "Equals", "Value": name}
    answer = client.search(
        Resource="ExperimentTrialComponent", SearchExpression={"Filters": [condition]}
    )
    for result in answer["Results"]:
        shown = result["TrialComponent"]
        metrics = {metric["MetricName"] for metric in shown.get("Metrics", ())}
        return (
            _holds(shown.get("Parameters", {}), wanted.get("Parameters", {}))
            and _holds(shown.get("OutputArtifacts", {}), wanted.get("OutputArtifacts", {}))
            and metrics.issuperset(metric["MetricName"] for metric in wanted.get("Metrics", ()))
        )
    return False


def _holds(shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(shown.get(key) == value for key, value in wanted.items())
