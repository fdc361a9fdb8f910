"""Chains, graphs and their nodes, prompts, parsers and functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .._langchain_values import chain_kind, name_of
from .._record.value import NO_VALUE
from .live_span import LiveSpan
from .span_capture import Details, SpanCapture

_KINDS: Final = (
    "chain", "agent", "prompt", "parser", "retriever", "tool", "llm", "embedding", "custom",
)  # fmt: skip
_STREAM_PLACEHOLDER: Final = {"input": ""}
"""LangChain gives this as inputs at the start of a stream; the true ones come with the end."""


class ChainEvents:
    """Records what LangChain calls chains."""

    def __init__(self, capture: SpanCapture) -> None:
        self._capture = capture
        self._open_spans = capture.open_spans
        self._placeholder = capture.encoder.encode_json(_STREAM_PLACEHOLDER)
        self._close = capture.open_spans.close

    def started(self, serialized: Mapping[str, Any] | None, inputs: Any, details: Details) -> None:
        """Open a span."""
        metadata = details.get("metadata")
        name = details.get("name") or name_of(serialized, "chain")
        kind = chain_kind(name, details.get("run_type"), metadata)
        span = self._capture.start(kind, name, serialized, inputs, details)
        if kind == "chain":
            self._open_spans.enter(span)
        elif kind == "agent":
            self._open_spans.enter(span)
            span.facts = "agent"
        if span.parent_span_id is None and _is_resumption(inputs, metadata):
            self._open_spans.add_event(span, "resume")

    def ended(self, outputs: Any, details: Details) -> None:
        """Close a span; a stream's true inputs come only now."""
        span = self._capture.end(_KINDS, outputs, details)
        if span.paused:
            span.status = "interrupted"
        if outputs is None and self._is_of_closed_stream(span):
            span.status = "cancelled"
            span.set_attribute("langchain.cancelled_by", "closed stream")
        if "inputs" in details:
            self._set_late_inputs(span, details["inputs"])
        self._close(span)

    def _is_of_closed_stream(self, span: LiveSpan) -> bool:
        """Return True for a stream whose reader has gone.

        LangChain swallows its GeneratorExit: it ends without outputs, before its own steps do, and
        they after it.
        """
        return span.inputs == self._placeholder and self._open_spans.is_out_of_order(span)

    def failed(self, error: BaseException, details: Details) -> None:
        """Close a span as failed, interrupted or cancelled."""
        span = self._capture.fail(_KINDS, error, details)
        if "inputs" in details:
            self._set_late_inputs(span, details["inputs"])
        self._close(span)

    def _set_late_inputs(self, span: LiveSpan, inputs: Any) -> None:
        if inputs is not None and (span.inputs == NO_VALUE or span.inputs == self._placeholder):
            self._capture.set_late_inputs(span, inputs)


def _is_resumption(inputs: Any, metadata: Mapping[str, Any] | None) -> bool:
    """Return True if a graph goes on from a checkpoint: with LangGraph's `Command(resume=…)`, or
    with no inputs on a thread.

    LangGraph's own `on_resume` says more, but only to handlers that were passed to the graph.
    """
    if inputs is None:
        return bool(metadata and "thread_id" in metadata)
    return type(inputs).__name__ == "Command" and getattr(inputs, "resume", None) is not None
