"""Spans by hand: `span`, `trace`, `log_trace`. They nest with LangChain's runs in either
direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ..spans import Span, checked_kind
from .active_span import ActiveSpan
from .ids import new_id
from .live_span import LiveSpan
from .nesting import parent_here
from .span_capture import SpanCapture
from .traced_functions import traced_function


class ManualSpans:
    """Records what is not LangChain."""

    def __init__(self, capture: SpanCapture) -> None:
        self._capture = capture

    def span(
        self,
        name: str,
        kind: str = "custom",
        inputs: Any = None,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ActiveSpan:
        """Return a span for a `with` block."""
        return ActiveSpan(self._capture, name, checked_kind(kind), inputs, tags, metadata)

    def traced(self, function: Any, name: str | None, kind: str) -> Any:
        """Return a function each call of which is a span."""
        return traced_function(self.span, function, name, checked_kind(kind))

    def log_trace(self, span: Span) -> str:
        """Record a tree of spans; return the id of its trace.

        Raises:
            TypeError: it is not a `Span`.
        """
        if not isinstance(span, Span):
            raise TypeError(f"log_trace takes a Span of this package, not {type(span).__name__}.")
        return str(self._log_tree(span, parent_here(self._capture.open_spans.by_run)))

    def _log_tree(self, root: Span, parent: UUID | None) -> UUID:
        ends = _end_times(root)
        waiting: list[tuple[Span, UUID | None]] = [(root, parent)]
        opened: list[tuple[Span, LiveSpan]] = []
        while waiting:
            span, parent = waiting.pop()
            live = self._open(span, parent)
            opened.append((span, live))
            waiting.extend((child, live.run_id) for child in reversed(span.children))
        for span, live in reversed(opened):
            self._end(span, live, ends[id(span)])
        return opened[0][1].trace_id

    def _open(self, span: Span, parent: UUID | None) -> LiveSpan:
        details = {
            "run_id": new_id(),
            "parent_run_id": parent,
            "tags": span.tags,
            "metadata": span.metadata,
        }
        live = self._capture.start(span.kind, span.name, None, span.inputs, details)
        live.start_wall_ns = span.start_ns
        detached = self._capture.detached
        attributes = {str(name): detached(value) for name, value in span.attributes.items()}
        live.attributes = attributes or None
        return live

    def _end(self, span: Span, live: LiveSpan, end_ns: int) -> None:
        capture = self._capture
        details = {"run_id": live.run_id}
        if isinstance(span.error, BaseException):
            capture.fail((live.kind,), span.error, details, span.outputs)
        else:
            capture.end((live.kind,), span.outputs, details, span.status)
            if span.error is not None:
                message = str(span.error) if capture.record_content else ""
                live.error = {"type": "Error", "message": message, "stacktrace": ""}
        live.end_ns = live.start_ns + max(end_ns - span.start_ns, 0)
        capture.open_spans.close(live)


def _end_times(root: Span) -> dict[int, int]:
    """Return the end of each span: as set, else the end of its last child, else its own start."""
    ends: dict[int, int] = {}
    for span in reversed(list(root.walk())):
        children = [ends[id(child)] for child in span.children]
        ends[id(span)] = span.end_ns or max([span.start_ns, *children])
    return ends
