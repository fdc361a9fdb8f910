"""Which destination serves which `run`, and which Run surrounds us. Imports no SDK: looks at what
is loaded already.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from ..exceptions import DestinationError
from .any_log_file import LogFileDestination
from .base import Destination
from .boto_run import BotoRun, surrounding_boto_run
from .boto_run_destination import BotoRunDestination
from .offline_run import OfflineDestination, OfflineRun, surrounding_offline_run
from .run_kinds import is_mlflow_run, is_own_mlflow_run, surrounding_mlflow_run
from .sagemaker_run import SageMakerRunDestination, is_sagemaker_run

_CONTEXTS: Final = ("sagemaker.core.experiments._run_context", "sagemaker.experiments._run_context")


def destination_for(run: Any, extra_args: Mapping[str, Any] | None = None) -> Destination:
    """Return the destination that writes to `run`.

    Raises:
        DestinationError: `run` is neither a `Run`, nor a `BotoRun`, nor an `OfflineRun`, nor an
            object with a `log_file` method.
    """
    if isinstance(run, OfflineRun):
        return OfflineDestination(run)
    if isinstance(run, BotoRun):
        return BotoRunDestination(run, extra_args)
    if is_own_mlflow_run(run) or is_mlflow_run(run):
        from .mlflow_run import MlflowDestination  # with it comes the conversion to OpenTelemetry

        return MlflowDestination(run)
    if is_sagemaker_run(run):
        return SageMakerRunDestination(run, extra_args)
    if not isinstance(run, type) and callable(getattr(run, "log_file", None)):
        return LogFileDestination(run, extra_args)
    given = (
        f"the class {run.__name__}"
        if isinstance(run, type)
        else f"{type(run).__name__} {run!r:.80}"
    )
    raise DestinationError(
        f"SageMakerCallbackHandler was given {given} as its run, which can't take records: it has "
        f"no log_file method. "
        "Give it a Run (from sagemaker.experiments.run in sagemaker 2, "
        "sagemaker.core.experiments.run in sagemaker 3), an "
        "BotoRun, an OfflineRun, or nothing at all inside a `with Run(...)`."
    )


def closes(run: Any) -> bool:
    """Return True if `run` has a `close` that ends its `with`: the SDK's, a `BotoRun`, an
    `OfflineRun`.
    """
    return isinstance(run, (OfflineRun, BotoRun)) or is_sagemaker_run(run)


def surrounding_run() -> Any | None:
    """Return the Run whose `with` surrounds us: the SDK's (either version), a `BotoRun` or an
    `OfflineRun`; None if there is none.
    """
    own = surrounding_offline_run() or surrounding_boto_run() or surrounding_mlflow_run()
    if own is not None:
        return own
    for name in _CONTEXTS:
        module = sys.modules.get(name)
        if module is not None:
            run = module._RunContext.get_current_run()
            if run is not None:
                return run
    return None
