"""Finished spans of chosen traces, held until the trace is done and then written to disk at once.

An evaluation works so. An interrupted trace leaves nothing behind. A finished one is on disk whole
before the next begins, and its root may name the example that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson

from .._recording.live_span import LiveSpan
from .run_summary import Summary


class HeldTraces:
    """A sink between the recorder and the pipeline.

    Args:
        inner: takes the spans of all other traces.
        to_lines: makes lines of spans that are stored together, and their sums.
        append: puts lines on disk, to go with the next flush.
    """

    def __init__(
        self,
        inner: Callable[[LiveSpan], None],
        to_lines: Callable[[list[LiveSpan]], tuple[list[bytes], Summary]],
        append: Callable[[list[bytes], Summary], None],
    ) -> None:
        self._inner = inner
        self._to_lines = to_lines
        self._append = append
        self._spans: dict[int, list[LiveSpan]] = {}
        self._marks: dict[int, Mapping[str, Any]] = {}
        self._lines: dict[int, tuple[list[bytes], Summary]] = {}

    def hold(self, trace_id: UUID, marks: Mapping[str, Any]) -> None:
        """Hold the spans of a trace that is about to begin.

        Args:
            trace_id: the trace.
            marks: metadata of its root, beside what it has.
        """
        self._spans[trace_id.int] = []
        self._marks[trace_id.int] = marks

    def add(self, span: LiveSpan) -> None:
        """Take a finished span."""
        held = self._spans.get(span.trace_id.int)
        if held is None:
            self._inner(span)
            return
        if span.parent_span_id is None:
            own = orjson.loads(span.metadata) if span.metadata else None
            known = own if isinstance(own, dict) else {}
            span.metadata = orjson.dumps({**known, **self._marks[span.trace_id.int]})
        held.append(span)

    def lines(self, trace_id: UUID) -> list[bytes]:
        """Return the lines of a trace that is done, each without its line end."""
        return self._written(trace_id.int)[0]

    def _written(self, key: int) -> tuple[list[bytes], Summary]:
        if key not in self._lines:
            self._lines[key] = self._to_lines(self._spans.get(key, []))
        return self._lines[key]

    def write(self, trace_id: UUID) -> None:
        """Put a trace that is done on disk, in one write. What of it ends later goes its own
        way.
        """
        lines, figures = self._written(trace_id.int)
        self._drop(trace_id.int)
        if lines:
            self._append(lines, figures)

    def give_up(self) -> None:
        """Hand the spans of traces that are not done to the inner sink."""
        for key in list(self._spans):
            spans = self._spans[key]
            self._drop(key)
            for span in spans:
                self._inner(span)

    def _drop(self, key: int) -> None:
        self._spans.pop(key, None)
        self._marks.pop(key, None)
        self._lines.pop(key, None)
