"""LangChain's callbacks: each hands over what LangChain sends, to the file of its kind.

Nothing that goes wrong in here reaches the user's program: it is counted and reported at the flush.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from .chain_events import ChainEvents
from .faults import Faults
from .lifecycle_events import LifecycleEvents
from .model_events import ModelEvents
from .span_capture import SpanCapture
from .tool_events import ToolEvents

if TYPE_CHECKING:
    from langchain_core.agents import AgentAction, AgentFinish
    from langchain_core.outputs import LLMResult

_LANGGRAPH_CALLBACKS = "langgraph.callbacks"


class LangChainEvents(BaseCallbackHandler):
    """Every callback of langchain-core, and LangGraph's two more."""

    raise_error = False
    run_inline = True
    """Async calls handle our events in place: handing one to a thread costs more than recording
    it.
    """

    # Plain attributes in place of the base's properties: LangChain asks for one at every event.
    ignore_llm = False
    ignore_retry = False
    ignore_chain = False
    ignore_agent = False
    ignore_retriever = False
    ignore_chat_model = False
    ignore_custom_event = False

    def __init__(self, capture: SpanCapture, *, record_tokens: bool, run_inline: bool) -> None:
        self._faults: Faults = capture.faults
        self._chains = ChainEvents(capture)
        self._models = ModelEvents(capture, record_tokens=record_tokens)
        self._tools = ToolEvents(capture)
        self._lifecycle = LifecycleEvents(capture)
        if not run_inline:
            self.run_inline = False

    # --- chains -----------------------------------------------------------------------------------
    def on_chain_start(self, serialized: Any, inputs: Any, **details: Any) -> None:
        """Open a span for a chain, a graph or its node, a prompt, a parser, a function."""
        try:
            if not _has_joined:
                _join_graph_callbacks()
            self._chains.started(serialized, inputs, details)
        except BaseException as error:
            self._faults.note("on_chain_start", error)

    def on_chain_end(self, outputs: Any, **details: Any) -> None:
        """Close a chain's span; a stream's true inputs come only now."""
        try:
            self._chains.ended(outputs, details)
        except BaseException as error:
            self._faults.note("on_chain_end", error)

    def on_chain_error(self, error: BaseException, **details: Any) -> None:
        """Close a chain's span as failed, interrupted or cancelled."""
        try:
            self._chains.failed(error, details)
        except BaseException as fault:
            self._faults.note("on_chain_error", fault)

    # --- models -----------------------------------------------------------------------------------
    def on_llm_start(self, serialized: Any, prompts: list[str], **details: Any) -> None:
        """Open a span for a completion model; `inputs` holds its prompts."""
        try:
            self._models.started("llm", serialized, {"prompts": prompts}, details)
        except BaseException as error:
            self._faults.note("on_llm_start", error)

    def on_chat_model_start(self, serialized: Any, messages: Any, **details: Any) -> None:
        """Open a span for a chat model; `inputs` holds its messages."""
        try:
            self._models.started("chat_model", serialized, {"messages": messages}, details)
        except BaseException as error:
            self._faults.note("on_chat_model_start", error)

    # Named arguments: LangChain sends this event most, and `**details` would make a dictionary of
    # them.
    def on_llm_new_token(
        self,
        token: Any,
        *,
        chunk: Any = None,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **details: Any,
    ) -> None:
        """Count a streamed token and note the time of the first; its text is in the result."""
        try:
            self._models.token(token, chunk, run_id)
        except BaseException as error:
            self._faults.note("on_llm_new_token", error)

    def on_stream_event(self, event: Any, *, run_id: UUID | None = None, **details: Any) -> None:
        """Count the content deltas of a stream of typed events, as tokens are counted."""
        try:
            self._models.stream_event(event, run_id)
        except BaseException as error:
            self._faults.note("on_stream_event", error)

    def on_llm_end(self, response: LLMResult, **details: Any) -> None:
        """Close a model's span with every generation as the model returned it."""
        try:
            self._models.ended(response, details)
        except BaseException as error:
            self._faults.note("on_llm_end", error)

    def on_llm_error(self, error: BaseException, **details: Any) -> None:
        """Close a model's span as failed or cancelled, with what it had generated so far."""
        try:
            self._models.failed(error, details)
        except BaseException as fault:
            self._faults.note("on_llm_error", fault)

    # --- tools and retrievers ---------------------------------------------------------------------
    def on_tool_start(self, serialized: Any, input_str: str, **details: Any) -> None:
        """Open a span for a tool with its arguments."""
        try:
            self._tools.tool_started(serialized, input_str, details)
        except BaseException as error:
            self._faults.note("on_tool_start", error)

    def on_tool_end(self, output: Any, **details: Any) -> None:
        """Close a tool's span with what it returned."""
        try:
            self._tools.tool_ended(output, details)
        except BaseException as error:
            self._faults.note("on_tool_end", error)

    def on_tool_error(self, error: BaseException, **details: Any) -> None:
        """Close a tool's span as failed, interrupted or cancelled."""
        try:
            self._tools.tool_failed(error, details)
        except BaseException as fault:
            self._faults.note("on_tool_error", fault)

    def on_retriever_start(self, serialized: Any, query: str, **details: Any) -> None:
        """Open a span for a retriever with its query."""
        try:
            self._tools.retriever_started(serialized, query, details)
        except BaseException as error:
            self._faults.note("on_retriever_start", error)

    def on_retriever_end(self, documents: Any, **details: Any) -> None:
        """Close a retriever's span with its documents, their metadata and scores."""
        try:
            self._tools.retriever_ended(documents, details)
        except BaseException as error:
            self._faults.note("on_retriever_end", error)

    def on_retriever_error(self, error: BaseException, **details: Any) -> None:
        """Close a retriever's span as failed, interrupted or cancelled."""
        try:
            self._tools.retriever_failed(error, details)
        except BaseException as fault:
            self._faults.note("on_retriever_error", fault)

    # --- within a run -----------------------------------------------------------------------------
    def on_agent_action(
        self, action: AgentAction, *, run_id: UUID | None = None, **details: Any
    ) -> None:
        """Note an agent's step: tool, tool input and the text that led to it."""
        try:
            self._lifecycle.agent_step("agent_action", action, run_id)
        except BaseException as error:
            self._faults.note("on_agent_action", error)

    def on_agent_finish(
        self, finish: AgentFinish, *, run_id: UUID | None = None, **details: Any
    ) -> None:
        """Note an agent's final answer."""
        try:
            self._lifecycle.agent_step("agent_finish", finish, run_id)
        except BaseException as error:
            self._faults.note("on_agent_finish", error)

    def on_text(self, text: str, *, run_id: UUID | None = None, **details: Any) -> None:
        """Note a text a classic chain shows."""
        try:
            self._lifecycle.note("text", {"text": text}, run_id)
        except BaseException as error:
            self._faults.note("on_text", error)

    def on_retry(self, retry_state: Any, *, run_id: UUID | None = None, **details: Any) -> None:
        """Note a retry: attempt number, seconds waited, and the exception that led to it."""
        try:
            self._lifecycle.retry(retry_state, run_id)
        except BaseException as error:
            self._faults.note("on_retry", error)

    def on_custom_event(
        self, name: str, data: Any, *, run_id: UUID | None = None, **details: Any
    ) -> None:
        """Note an event the application dispatched itself."""
        try:
            self._lifecycle.note("custom_event", {"name": name, "data": data}, run_id)
        except BaseException as error:
            self._faults.note("on_custom_event", error)

    def on_interrupt(self, event: Any, **details: Any) -> None:
        """Note that LangGraph paused; the base class does not know this callback."""
        try:
            self._lifecycle.interrupted(event)
        except BaseException as error:
            self._faults.note("on_interrupt", error)

    def on_resume(self, event: Any, **details: Any) -> None:
        """Note that LangGraph went on from a checkpoint."""
        try:
            self._lifecycle.resumed(event)
        except BaseException as error:
            self._faults.note("on_resume", error)


_has_joined = False


def _join_graph_callbacks() -> None:
    """Make the handler one of LangGraph's own kind of callback handlers, once LangGraph is loaded.

    LangGraph calls `on_interrupt` and `on_resume` only on instances of its `GraphCallbackHandler`,
    and looks for them after the root's `on_chain_start`. The base class adds nothing else.
    """
    global _has_joined
    base = getattr(sys.modules.get(_LANGGRAPH_CALLBACKS), "GraphCallbackHandler", None)
    if base is None:
        return  # it is not loaded, or being imported
    _has_joined = True
    LangChainEvents.__bases__ = (base,)


def _accept_new_callbacks() -> None:
    """Let callbacks that a later langchain-core defines, and this class does not name, become
    events on their spans.

    They are made methods here and not caught by `__getattr__`, which would slow down every access
    to an attribute.
    """
    for name in dir(BaseCallbackHandler):
        if name.startswith("on_") and (
            getattr(LangChainEvents, name) is getattr(BaseCallbackHandler, name)
        ):
            setattr(LangChainEvents, name, _unknown_callback(name))


def _unknown_callback(name: str) -> Callable[..., None]:
    def unknown(
        self: LangChainEvents, *arguments: Any, run_id: UUID | None = None, **details: Any
    ) -> None:
        try:
            self._lifecycle.unknown(name, arguments, run_id)
        except BaseException as error:
            self._faults.note(name, error)

    return unknown


_accept_new_callbacks()
