"""LangChain's own graph of a runnable, recorded beside the spans."""

from __future__ import annotations

from typing import Any

from .._record.schema import ARCHITECTURE
from .ids import new_id
from .span_capture import SpanCapture


def log_architecture(capture: SpanCapture, runnable: Any, name: str | None) -> str:
    """Record the graph of a runnable; return the id of the record.

    Raises:
        TypeError: it is not a runnable.
    """
    from .._langchain_values import graph_of

    graph = graph_of(runnable)
    shown = name or str(graph["name"])
    span = capture.open_spans.start(new_id(), None, "custom", shown)
    # Not one of the traces that a sample is taken of: it was asked for by name.
    span.tentative = False
    drawn = {key: graph[key] for key in ("nodes", "edges")}
    span.component = capture.encoder.encode_json({"type": "graph", "name": shown, "graph": drawn})
    span.attributes = {ARCHITECTURE: True}
    span.is_our_record = True
    capture.open_spans.close(capture.open_spans.end(span.run_id, None, "ok", ("custom",)))
    return str(span.span_id)
