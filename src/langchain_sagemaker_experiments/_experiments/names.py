"""Names of experiments, runs, trials and trial components, as the sagemaker SDK builds them."""

from __future__ import annotations

import re
import secrets
import time
from typing import Final

RUN_TAG: Final = {"Key": "sagemaker:trial-component-source", "Value": "run"}
"""The SDK's `list_runs` lists trial components with this tag (`RUN_TC_TAG` of its `run.py`)."""
MAX_NAME: Final = 59
"""Characters of a run's or experiment's name: together, with a hyphen, they must fit SageMaker's
120.
"""

_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


def checked_name(what: str, name: object) -> str:
    """Return a name in lower case, since SageMaker does not tell upper from lower case.

    Args:
        what: the argument's name, for the error.
        name: 1 to 59 letters, digits and hyphens that begin and end with a letter or digit.

    Raises:
        ValueError: SageMaker would refuse the name.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} is not a name that SageMaker accepts: it must be 1 to {MAX_NAME} "
            f"letters, "
            "digits and hyphens, and begin and end with a letter or digit."
        )
    return name.lower()


def new_run_name() -> str:
    """Return a name for a run that was given none, such as `sagemaker-run-1764000000-3fa9`."""
    return f"sagemaker-run-{int(time.time())}-{secrets.token_hex(2)}"


def trial_name(experiment_name: str) -> str:
    """Return the trial that holds all runs of an experiment (`Run._generate_trial_name`)."""
    return f"Default-Run-Group-{experiment_name}"


def run_name_of(component: str, experiment_name: str) -> str:
    """Return the run's name in the name of a trial component of an experiment."""
    return component.removeprefix(f"{experiment_name.lower()}-")
