"""Which runs are MLflow's, and which of them surrounds us: found out without importing MLflow, nor
the module that serves its runs, whose import takes time that a cold start can spare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .mlflow_run import MlflowRun

_OWN: Final = f"{__package__}.mlflow_run"

open_mlflow_runs: list[MlflowRun] = []
"""The runs whose `with` we are in, the innermost last."""


def is_mlflow_run(run: object) -> bool:
    """Return True for what `mlflow.start_run()` gives."""
    return any(
        cls.__module__.startswith("mlflow.entities.") and cls.__name__ == "Run"
        for cls in type(run).__mro__
    )


def is_own_mlflow_run(run: object) -> bool:
    """Return True for a `MlflowRun` of this package."""
    return any(cls.__module__ == _OWN and cls.__name__ == "MlflowRun" for cls in type(run).__mro__)


def surrounding_mlflow_run() -> MlflowRun | None:
    """Return the `MlflowRun` whose `with` surrounds us, the innermost one."""
    return open_mlflow_runs[-1] if open_mlflow_runs else None
