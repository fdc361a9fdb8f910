"""MLflow's own view of traces, compared with what `load_spans` says."""

from __future__ import annotations

from typing import Any

import pandas as pd

TYPES = {
    "chain": "CHAIN",
    "prompt": "CHAIN",
    "chat_model": "CHAT_MODEL",
    "llm": "LLM",
    "parser": "PARSER",
    "tool": "TOOL",
    "agent": "AGENT",
    "retriever": "RETRIEVER",
    "embedding": "EMBEDDING",
}


def traces_of(run: Any) -> list[Any]:
    """Return the traces of a run's experiment, oldest first."""
    found = run.client.search_traces(locations=[run.experiment_id])
    return sorted(found, key=lambda trace: trace.info.request_time)


def assert_same(traces: list[Any], spans: pd.DataFrame) -> None:
    """Compare the traces, read with MLflow's client, with the spans that we read."""
    assert len(traces) == spans["trace_id"].nunique()
    theirs = [span for trace in traces for span in trace.data.spans]
    assert len(theirs) == len(spans)
    by_id = {span.span_id: span for span in theirs}
    named = {span.attributes["langchain.span_id"]: span for span in theirs}
    for row in spans.to_dict("records"):
        span = named[row["span_id"]]
        assert span.name == row["name"]
        assert span.span_type == TYPES.get(row["kind"], "UNKNOWN"), row["kind"]
        assert span.inputs == row["inputs"]
        assert span.outputs == row["outputs"]
        assert span.start_time_ns // 1_000 == row["start_time"].value // 1_000
        assert (span.status.status_code.value == "ERROR") == (row["status"] == "error")
        parent = by_id[span.parent_id].attributes["langchain.span_id"] if span.parent_id else None
        assert parent == row["parent_span_id"]
        told = span.attributes.get("mlflow.chat.tokenUsage") or {}
        for name in ("input_tokens", "output_tokens"):
            assert told.get(name) == row["attributes"].get(f"gen_ai.usage.{name}")
