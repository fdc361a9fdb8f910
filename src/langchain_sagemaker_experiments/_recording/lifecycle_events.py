"""What happens within a run: agent steps, texts, retries, custom events, pauses. Each becomes a
time-stamped event on the run's open span.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from .span_capture import SpanCapture

_BREAKPOINTS: Final = ("interrupt_before", "interrupt_after")


class LifecycleEvents:
    """Adds events to open spans."""

    def __init__(self, capture: SpanCapture) -> None:
        self._capture = capture

    def agent_step(self, name: str, step: Any, run_id: UUID | None) -> None:
        """Note an agent's action or its final answer. What takes such steps is an agent, whatever
        its name.
        """
        span = self._capture.event(name, step, run_id)
        if span is not None and span.kind == "chain":
            span.kind = "agent"
            span.facts = "agent"

    def note(self, name: str, data: Any, run_id: UUID | None) -> None:
        """Note an event with its data."""
        self._capture.event(name, data, run_id)

    def retry(self, retry_state: Any, run_id: UUID | None) -> None:
        """Note a retry: attempt number, seconds waited, and the exception that led to it."""
        outcome = getattr(retry_state, "outcome", None)
        failure = outcome.exception() if outcome is not None and outcome.failed else None
        error = None
        if failure is not None:
            error = {"type": type(failure).__name__, "message": str(failure)}
        data = {
            "attempt": getattr(retry_state, "attempt_number", None),
            "waited_s": getattr(retry_state, "idle_for", None),
            "error": error,
        }
        self._capture.event("retry", data, run_id)

    def interrupted(self, event: Any) -> None:
        """Note that LangGraph paused. At a static breakpoint the graph itself is interrupted; else
        the node that asked for a human is.
        """
        span = self._graph_event("interrupt", event)
        if span is not None and getattr(event, "status", None) in _BREAKPOINTS:
            span.paused = True

    def resumed(self, event: Any) -> None:
        """Note that LangGraph went on from a checkpoint."""
        span = self._capture.open_spans.current(getattr(event, "run_id", None))
        if span is not None and span.events:
            # The inputs told so already, without the details.
            span.events = [entry for entry in span.events if entry[1] != "resume" or entry[2]]
        self._graph_event("resume", event)

    def _graph_event(self, name: str, event: Any) -> Any:
        run_id = getattr(event, "run_id", None)
        span = self._capture.open_spans.current(run_id)
        return self._capture.event(name, event, run_id) if span is not None else None

    def unknown(self, name: str, arguments: Any, run_id: UUID | None) -> None:
        """Note a callback that a later langchain-core defines and this package does not know."""
        if self._capture.open_spans.current(run_id) is not None:
            self._capture.event(name, arguments, run_id)
