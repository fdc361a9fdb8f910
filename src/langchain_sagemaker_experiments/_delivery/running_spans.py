"""Spans that are still open, as they are at a flush.

A record of an open span is a copy that nothing changes any more: the span itself goes on, ends in
another thread, and is written once more then, finished.
"""

from __future__ import annotations

import copy

from .._record.value import NO_VALUE
from .._recording.live_span import LiveSpan
from .._recording.open_spans import OpenSpans


def add_running(open_spans: OpenSpans, spans: list[LiveSpan | None]) -> None:
    """Append a copy of each open span that no flush has written yet."""
    for span in list(open_spans.by_run.values()):
        if not span.tentative and not span.written_running:
            spans.append(_as_running(span))
            span.written_running = True


def _as_running(span: LiveSpan) -> LiveSpan:
    running = copy.copy(span)
    # It may be ending at this moment, in another thread.
    running.end_ns = None
    running.status = "running"
    running.outputs = NO_VALUE
    running.error = None
    running.attributes = dict(span.attributes) if span.attributes else None
    running.events = list(span.events) if span.events else None
    running.raw = dict(span.raw) if span.raw else None
    return running
