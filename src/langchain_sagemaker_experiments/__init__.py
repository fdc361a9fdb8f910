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
    EvaluationError,
    FlushError,
    ForgetError,
    MissingExtraError,
    SpanReadError,
    SpanReadWarning,
    TrackerError,
)
from .handler import SageMakerCallbackHandler
from .spans import Span, SpanKind

if TYPE_CHECKING:
    from ._analysis.examples import load_examples, save_examples
    from ._analysis.figures import (
        cost,
        repeated_prompts,
        slowest_traces,
        summarize,
        summarize_spans,
    )
    from ._analysis.runs import compare_runs
    from ._analysis.score_assertions import assert_improved, assert_no_worse
    from ._analysis.scores import compare_scores
    from ._analysis.trace_examples import examples_from_spans
    from ._analysis.traces import trace_table
    from ._calls import record_calls
    from ._delivery.flush_result import FlushResult
    from ._destinations.boto_run import BotoRun
    from ._destinations.mlflow_run import MlflowRun
    from ._destinations.offline_run import OfflineRun
    from ._destinations.otlp import CloudWatch, Otlp
    from ._evaluation.built_in import (
        contains,
        cost_within,
        exact_match,
        json_match,
        latency_within,
        tool_calls_match,
    )
    from ._evaluation.model_judges import model_judge
    from ._evaluation.results import EvaluationResults
    from ._evaluation.runner import aevaluate, evaluate
    from ._evaluation.score_log import log_score
    from ._experiments.search_wait import wait_for_search
    from ._export import export_spans
    from ._reading import load_scores, load_spans
    from ._recording.current_trace import current_trace_id
    from ._scale import (
        Compacted,
        Forgotten,
        athena_ddl,
        compact,
        compact_runs,
        forget,
        scan_spans,
    )
    from ._sync.upload import SyncResult, sync, sync_offline_runs
    from ._views.report import Report, render_report
    from ._views.server import Window, view

__all__ = [
    "BotoRun",
    "CloudWatch",
    "Compacted",
    "CompactionError",
    "DestinationError",
    "EvaluationError",
    "EvaluationResults",
    "FlushError",
    "FlushResult",
    "ForgetError",
    "Forgotten",
    "MissingExtraError",
    "MlflowRun",
    "OfflineRun",
    "Otlp",
    "Report",
    "SageMakerCallbackHandler",
    "Span",
    "SpanKind",
    "SpanReadError",
    "SpanReadWarning",
    "SyncResult",
    "TrackerError",
    "Window",
    "__version__",
    "aevaluate",
    "assert_improved",
    "assert_no_worse",
    "athena_ddl",
    "compact",
    "compact_runs",
    "compare_runs",
    "compare_scores",
    "contains",
    "cost",
    "cost_within",
    "current_trace_id",
    "evaluate",
    "exact_match",
    "examples_from_spans",
    "export_spans",
    "forget",
    "json_match",
    "latency_within",
    "load_examples",
    "load_scores",
    "load_spans",
    "log_score",
    "model_judge",
    "record_calls",
    "render_report",
    "repeated_prompts",
    "save_examples",
    "scan_spans",
    "slowest_traces",
    "summarize",
    "summarize_spans",
    "sync",
    "sync_offline_runs",
    "tool_calls_match",
    "trace_table",
    "view",
    "wait_for_search",
]

# Names whose modules load more than the handler needs; they are imported when they are first used.
_LAZY = {
    **dict.fromkeys(
        (
            "Compacted",
            "Forgotten",
            "athena_ddl",
            "compact",
            "compact_runs",
            "forget",
            "scan_spans",
        ),
        "._scale",
    ),
    **dict.fromkeys(
        ("cost", "repeated_prompts", "slowest_traces", "summarize", "summarize_spans"),
        "._analysis.figures",
    ),
    "FlushResult": "._delivery.flush_result",
    "BotoRun": "._destinations.boto_run",
    "CloudWatch": "._destinations.otlp",
    "MlflowRun": "._destinations.mlflow_run",
    "OfflineRun": "._destinations.offline_run",
    "Otlp": "._destinations.otlp",
    "Report": "._views.report",
    "SyncResult": "._sync",
    "Window": "._views.server",
    "compare_runs": "._analysis.runs",
    "export_spans": "._export",
    "current_trace_id": "._recording.current_trace",
    **dict.fromkeys(
        (
            "contains",
            "cost_within",
            "exact_match",
            "json_match",
            "latency_within",
            "tool_calls_match",
        ),
        "._evaluation.built_in",
    ),
    **dict.fromkeys(("load_examples", "save_examples"), "._analysis.examples"),
    "examples_from_spans": "._analysis.trace_examples",
    **dict.fromkeys(("assert_improved", "assert_no_worse"), "._analysis.score_assertions"),
    "compare_scores": "._analysis.scores",
    **dict.fromkeys(("aevaluate", "evaluate"), "._evaluation.runner"),
    "EvaluationResults": "._evaluation.results",
    "model_judge": "._evaluation.model_judges",
    "load_scores": "._reading",
    "load_spans": "._reading",
    "log_score": "._evaluation.score_log",
    "record_calls": "._calls",
    "render_report": "._views.report",
    "sync": "._sync",
    "sync_offline_runs": "._sync",
    "trace_table": "._analysis.traces",
    "view": "._views.server",
    "wait_for_search": "._experiments.search_wait",
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
