"""Every LLM, chat model, chain, tool, agent and retriever call of a LangChain application, in your
own SageMaker Experiments.

from langchain_sagemaker_experiments import SageMakerCallbackHandler

with Run(experiment_name="my-experiment", run_name="my-run") as run:
    handler = SageMakerCallbackHandler(run)
    chain.invoke({"topic": "fish"}, config={"callbacks": [handler]})
    handler.flush_tracker()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .exceptions import (
    CompactionError,
    DestinationError,
    FlushError,
    MissingExtraError,
    SpanReadError,
    SpanReadWarning,
    TrackerError,
)
from .handler import SageMakerCallbackHandler
from .spans import Span

if TYPE_CHECKING:
    from ._analysis.figures import (
        cost,
        repeated_prompts,
        slowest_traces,
        summarize,
        summarize_spans,
    )
    from ._analysis.runs import compare_runs
    from ._analysis.traces import trace_table
    from ._calls import record_calls
    from ._delivery.flush_result import FlushResult
    from ._destinations.boto_run import BotoRun
    from ._destinations.offline_run import OfflineRun
    from ._evaluation.score_log import log_score
    from ._export import export_spans
    from ._reading import load_scores, load_spans
    from ._recording.current_trace import current_trace_id
    from ._scale import Compacted, athena_ddl, compact, compact_runs, scan_spans
    from ._sync.upload import SyncResult, sync, sync_offline_runs
    from ._views.report import Report, render_report
    from ._views.server import Window, view

__all__ = [
    "BotoRun",
    "Compacted",
    "CompactionError",
    "DestinationError",
    "FlushError",
    "FlushResult",
    "MissingExtraError",
    "OfflineRun",
    "Report",
    "SageMakerCallbackHandler",
    "Span",
    "SpanReadError",
    "SpanReadWarning",
    "SyncResult",
    "TrackerError",
    "Window",
    "__version__",
    "athena_ddl",
    "compact",
    "compact_runs",
    "compare_runs",
    "cost",
    "current_trace_id",
    "export_spans",
    "load_scores",
    "load_spans",
    "log_score",
    "record_calls",
    "render_report",
    "repeated_prompts",
    "scan_spans",
    "slowest_traces",
    "summarize",
    "summarize_spans",
    "sync",
    "sync_offline_runs",
    "trace_table",
    "view",
]

# Names whose modules load more than the handler needs; they are imported when they are first used.
_LAZY = {
    **dict.fromkeys(
        ("Compacted", "athena_ddl", "compact", "compact_runs", "scan_spans"), "._scale"
    ),
    **dict.fromkeys(
        ("cost", "repeated_prompts", "slowest_traces", "summarize", "summarize_spans"),
        "._analysis.figures",
    ),
    "FlushResult": "._delivery.flush_result",
    "BotoRun": "._destinations.boto_run",
    "OfflineRun": "._destinations.offline_run",
    "Report": "._views.report",
    "SyncResult": "._sync",
    "Window": "._views.server",
    "compare_runs": "._analysis.runs",
    "export_spans": "._export",
    "current_trace_id": "._recording.current_trace",
    "load_scores": "._reading",
    "load_spans": "._reading",
    "log_score": "._evaluation.score_log",
    "record_calls": "._calls",
    "render_report": "._views.report",
    "sync": "._sync",
    "sync_offline_runs": "._sync",
    "trace_table": "._analysis.traces",
    "view": "._views.server",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
