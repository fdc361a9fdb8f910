"""One handler, as a pipeline sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .._recording.faults import Faults
from .._recording.open_spans import OpenSpans
from .._recording.span_capture import SpanCapture


@dataclass(eq=False)
class Source:
    """One handler's side: its open spans, and the faults inside its callbacks."""

    open_spans: OpenSpans
    faults: Faults
    on_flush: Callable[[], None] = lambda: None
    """Called at the beginning of a flush."""
    run_closes: Callable[[], None] = lambda: None
    """Called when the run is left."""
    capture: SpanCapture | None = None
    """What a pipeline records spans of its own through."""
