"""The sagemaker SDK, whichever version is installed: the names of 3.x (sagemaker-core 2) or of
2.x.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from ..exceptions import MissingExtraError

_PLACES: Final = (
    (
        3,
        "sagemaker.core.experiments.run",
        "sagemaker.core.helper.session_helper",
        "sagemaker.core.analytics",
    ),
    (2, "sagemaker.experiments.run", "sagemaker.session", "sagemaker.analytics"),
)


@dataclass(frozen=True)
class Sdk:
    """The names this package uses of the SDK.

    Attributes:
        major: 2 or 3.
        Run: the class of runs.
        load_run: opens an existing run.
        list_runs: lists the runs of an experiment.
        Session: the SDK's session.
        ExperimentAnalytics: reads an experiment as a table.
    """

    major: int
    Run: Any
    load_run: Any
    list_runs: Any
    Session: Any
    ExperimentAnalytics: Any


def load_sdk(purpose: str) -> Sdk:
    """Import the SDK.

    Args:
        purpose: what needs it, for the error.

    Raises:
        MissingExtraError: neither version is installed.
    """
    for major, runs, sessions, analytics in _PLACES:
        try:
            run_module = import_module(runs)
        except ImportError:
            continue
        return Sdk(
            major,
            run_module.Run,
            run_module.load_run,
            run_module.list_runs,
            import_module(sessions).Session,
            import_module(analytics).ExperimentAnalytics,
        )
    raise MissingExtraError("sagemaker", "sagemaker", purpose)
