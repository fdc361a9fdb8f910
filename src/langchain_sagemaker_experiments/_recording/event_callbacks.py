"""LangChain's callbacks that tell of something within a run: agent steps, texts, retries, custom
events, pauses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from .attributes import agent_attributes
from .span_capture import Capture

if TYPE_CHECKING:
    from langchain_core.agents import AgentAction, AgentFinish


class EventCallbacks(Capture):
    """Each becomes a time-stamped event on the run's open span."""

    def on_agent_action(
        self, action: AgentAction, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Note an agent's step: tool, tool input and the text that led to it."""
        try:
            self._event("agent_action", action, run_id)
            self._mark_agent(run_id)
        except Exception as error:
            self._fault("on_agent_action", error)

    def on_agent_finish(
        self, finish: AgentFinish, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Note an agent's final answer."""
        try:
            self._event("agent_finish", finish, run_id)
            self._mark_agent(run_id)
        except Exception as error:
            self._fault("on_agent_finish", error)

    def _mark_agent(self, run_id: UUID | None) -> None:
        """Whatever takes an agent's steps is an agent, by whatever name it goes."""
        span = self._recorder.current(run_id)
        if span is not None and span.kind == "chain":
            span.kind = "agent"
            span.derive = agent_attributes

    def on_text(self, text: str, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Note a text a classic chain shows."""
        try:
            self._event("text", {"text": text}, run_id)
        except Exception as error:
            self._fault("on_text", error)

    def on_retry(self, retry_state: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Note a retry: attempt number, seconds waited, and the exception that led to it."""
        try:
            outcome = getattr(retry_state, "outcome", None)
            failure = outcome.exception() if outcome is not None and outcome.failed else None
            data = {
                "attempt": getattr(retry_state, "attempt_number", None),
                "waited_s": getattr(retry_state, "idle_for", None),
                "error": None
                if failure is None
                else {"type": type(failure).__name__, "message": str(failure)},
            }
            self._event("retry", data, run_id)
        except Exception as error:
            self._fault("on_retry", error)

    def on_custom_event(
        self, name: str, data: Any, *, run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Note an event the application dispatched itself."""
        try:
            self._event("custom_event", {"name": name, "data": data}, run_id)
        except Exception as error:
            self._fault("on_custom_event", error)

    def on_interrupt(self, event: Any, **kwargs: Any) -> None:
        """Note that LangGraph paused for a human; the base class does not know this callback,
        LangGraph calls it.
        """
        self._note_lifecycle("interrupt", event)

    def on_resume(self, event: Any, **kwargs: Any) -> None:
        """Note that LangGraph went on from a checkpoint."""
        self._note_lifecycle("resume", event)

    def _note_lifecycle(self, name: str, event: Any) -> None:
        try:
            span = self._recorder.current(getattr(event, "run_id", None))
            if span is not None and span.sampled:
                self._recorder.add_event(span, name, self._encode(event))
        except Exception as error:
            self._fault(f"on_{name}", error)
