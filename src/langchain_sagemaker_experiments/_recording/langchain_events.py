"""LangChain's callback signatures, and nothing but their adaptation.

Each method takes what LangChain sends, lets the encoder take it as it is at this moment, and tells
the recorder. Nothing that goes wrong in here reaches the user's program: it is counted and reported
at the flush.

What LangChain sends at most events is named even where it is not used: left to `**kwargs` it would
be put into a dictionary first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from .._langchain_values import chain_kind, name_of, raw_response
from .architecture_log import ArchitectureLog
from .attributes import agent_attributes, model_attributes, retriever_attributes, tool_attributes
from .event_callbacks import EventCallbacks
from .live_span import NO_VALUE, LiveSpan, bytes_of, same_value
from .manual_spans import ManualSpans
from .open_spans import attribute

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

    from .._encoding.encoder import Encoded
    from .._record.kept import Kept

_clock = time.perf_counter_ns

_CHAINS: Final = (
    "chain",
    "agent",
    "prompt",
    "parser",
    "retriever",
    "tool",
    "llm",
    "embedding",
    "custom",
)
_MODELS: Final = ("llm", "chat_model")
_TOOLS: Final = ("tool",)
_RETRIEVERS: Final = ("retriever",)

STREAM_PLACEHOLDER: Final = {"input": ""}
"""What LangChain gives as inputs at the start of a stream; the true ones come with the end."""


class Callbacks(EventCallbacks, ManualSpans, ArchitectureLog, BaseCallbackHandler):
    """Every callback of langchain-core, and LangGraph's two more."""

    run_inline = True
    """Async calls handle our events in place: handing one to a thread costs more than recording
    it.
    """
    raise_error = False

    # Plain attributes in place of the base's properties: LangChain asks for one at every event.
    ignore_llm = False
    ignore_retry = False
    ignore_chain = False
    ignore_agent = False
    ignore_retriever = False
    ignore_chat_model = False
    ignore_custom_event = False

    _record_tokens: bool
    _open: dict[int, LiveSpan]
    _encode_settings: Callable[[Any], bytes]
    _encode_invocation: Callable[[Any], bytes]
    _taken_placeholder: bytes | Encoded | Kept
    """`STREAM_PLACEHOLDER` as it is taken."""

    # --- chains -----------------------------------------------------------------------------------
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        run_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a span for a chain, a graph or its node, a prompt, a parser, a function."""
        try:
            name = name_of(serialized, name, "chain")
            kind = chain_kind(name, run_type, metadata)
            span = self._start(
                run_id, parent_run_id, kind, name, serialized, inputs, tags, metadata
            )
            if kind == "chain":
                self._recorder.enter(span)
            elif kind == "agent":
                self._recorder.enter(span)
                span.derive = agent_attributes
        except Exception as error:
            self._fault("on_chain_start", error)

    def on_chain_end(
        self,
        outputs: Any,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        inputs: Any = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a chain's span; a stream's true inputs come only now."""
        try:
            span = self._end(run_id, parent_run_id, _CHAINS, outputs)
            if (
                outputs is None
                and same_value(span.inputs, self._taken_placeholder)
                and self._recorder.out_of_order(span)
            ):
                # LangChain swallows the GeneratorExit of a stream whose reader has gone: it ends
                # without outputs, before its own steps do, and they after it.
                span.status = "cancelled"
                attribute(span, "langchain.cancelled_by", "closed stream")
            if inputs is not None:
                self._take_late_inputs(span, inputs)
            self._recorder.close(span)
        except Exception as error:
            self._fault("on_chain_end", error)

    def _take_late_inputs(self, span: LiveSpan, inputs: Any) -> None:
        if span.sampled and (
            same_value(span.inputs, NO_VALUE) or same_value(span.inputs, self._taken_placeholder)
        ):
            span.inputs = self._take(inputs)
            span.size += bytes_of(span.inputs)

    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        inputs: Any = None,
        **kwargs: Any,
    ) -> None:
        """Close a chain's span as failed, interrupted or cancelled."""
        try:
            span = self._fail(run_id, parent_run_id, _CHAINS, error)
            if inputs is not None:
                self._take_late_inputs(span, inputs)
            self._recorder.close(span)
        except Exception as fault:
            self._fault("on_chain_error", fault)

    # --- models -----------------------------------------------------------------------------------
    def _start_model(
        self,
        kind: str,
        serialized: dict[str, Any] | None,
        inputs: Any,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        name: str | None,
        invocation_params: Any,
    ) -> None:
        span = self._start(
            run_id,
            parent_run_id,
            kind,
            name_of(serialized, name, kind),
            serialized,
            inputs,
            tags,
            metadata,
        )
        span.derive = model_attributes
        if invocation_params and span.sampled:
            settings = self._encode_invocation(invocation_params)
            span.raw = {"invocation": settings}
            span.size += len(settings)

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        invocation_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a span for a completion model; `inputs` holds the prompts exactly as the model gets
        them.
        """
        try:
            inputs = {"prompts": prompts}
            self._start_model(
                "llm",
                serialized,
                inputs,
                run_id,
                parent_run_id,
                tags,
                metadata,
                name,
                invocation_params,
            )
        except Exception as error:
            self._fault("on_llm_start", error)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        invocation_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a span for a chat model; `inputs` holds the messages exactly as the model gets
        them.
        """
        try:
            inputs = {"messages": messages}
            self._start_model(
                "chat_model",
                serialized,
                inputs,
                run_id,
                parent_run_id,
                tags,
                metadata,
                name,
                invocation_params,
            )
        except Exception as error:
            self._fault("on_chat_model_start", error)

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: Any = None,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a streamed token and note the time of the first; its text is in the result."""
        try:
            # The common case without a call; ids given by hand may be text, or none.
            span = (
                self._open.get(run_id.int)
                if type(run_id) is UUID
                else self._recorder.current(run_id, _MODELS)
            )
            if span is None:
                return
            if span.token_count == 0:
                self._note_first(span)
            span.token_count += 1
            if self._record_tokens and span.sampled:
                self._recorder.add_event(span, "token", self._encode({"token": token}))
        except Exception as error:
            self._fault("on_llm_new_token", error)

    def _note_first(self, span: LiveSpan) -> None:
        span.first_token_ns = _clock()
        self._recorder.add_event(span, "first_token", None, span.first_token_ns)

    def on_stream_event(self, event: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Count the content deltas of a stream of typed events, as tokens are counted."""
        try:
            span = self._recorder.current(run_id, _MODELS)
            if (
                span is None
                or not isinstance(event, Mapping)
                or event.get("event") != "content-block-delta"
            ):
                return
            if span.token_count == 0:
                self._note_first(span)
            span.token_count += 1
            if self._record_tokens and span.sampled:
                self._recorder.add_event(span, "token", self._encode(event))
        except Exception as error:
            self._fault("on_stream_event", error)

    def on_llm_end(
        self,
        response: LLMResult,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a model's span with every generation as the model returned it."""
        try:
            span = self._end(run_id, parent_run_id, _MODELS, response)
            self._take_response(span, response)
            self._recorder.close(span)
        except Exception as error:
            self._fault("on_llm_end", error)

    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        response: LLMResult | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a model's span as failed or cancelled, with what it had generated so far."""
        try:
            partial = response if response is not None and any(response.generations) else None
            span = self._fail(run_id, parent_run_id, _MODELS, error, partial)
            if partial is not None:
                self._take_response(span, partial)
            self._recorder.close(span)
        except Exception as fault:
            self._fault("on_llm_error", fault)

    def _take_response(self, span: LiveSpan, response: LLMResult) -> None:
        if span.derive is None:
            span.derive = model_attributes
        # What was kept holds nothing but texts, so no usage and no reason why it ended.
        if span.sampled and type(span.outputs) is not str:
            raw = raw_response(response)
            if raw:
                if span.raw is None:
                    span.raw = {}
                span.raw["response"] = data = self._encode_settings(raw)
                span.size += len(data)

    # --- tools ------------------------------------------------------------------------------------
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        name: str | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a span for a tool; `inputs` are its arguments where LangChain gives them, else its
        input text.
        """
        try:
            taken = inputs if inputs is not None else input_str
            span = self._start(
                run_id,
                parent_run_id,
                "tool",
                name_of(serialized, name, "tool"),
                serialized,
                taken,
                tags,
                metadata,
            )
            self._recorder.enter(span)
            span.derive = tool_attributes
            if tool_call_id:
                attribute(span, "gen_ai.tool.call.id", tool_call_id)
        except Exception as error:
            self._fault("on_tool_start", error)

    def on_tool_end(
        self,
        output: Any,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a tool's span with what it returned."""
        try:
            self._recorder.close(self._end(run_id, parent_run_id, _TOOLS, output))
        except Exception as error:
            self._fault("on_tool_end", error)

    def on_tool_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a tool's span as failed, interrupted or cancelled."""
        try:
            self._recorder.close(self._fail(run_id, parent_run_id, _TOOLS, error))
        except Exception as fault:
            self._fault("on_tool_error", fault)

    # --- retrievers -------------------------------------------------------------------------------
    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a span for a retriever with its query."""
        try:
            name = name_of(serialized, name, "retriever")
            inputs = {"query": query}
            span = self._start(
                run_id, parent_run_id, "retriever", name, serialized, inputs, tags, metadata
            )
            self._recorder.enter(span)
            span.derive = retriever_attributes
        except Exception as error:
            self._fault("on_retriever_start", error)

    def on_retriever_end(
        self,
        documents: Sequence[Document],
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a retriever's span with its documents, their metadata and scores."""
        try:
            outputs = {"documents": documents}
            self._recorder.close(self._end(run_id, parent_run_id, _RETRIEVERS, outputs))
        except Exception as error:
            self._fault("on_retriever_end", error)

    def on_retriever_error(
        self,
        error: BaseException,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Close a retriever's span as failed, interrupted or cancelled."""
        try:
            self._recorder.close(self._fail(run_id, parent_run_id, _RETRIEVERS, error))
        except Exception as fault:
            self._fault("on_retriever_error", fault)


def _accept_new_callbacks() -> None:
    """Let callbacks that a later langchain-core defines and this handler does not name become
    events on their spans.

    They are made methods here and not caught by `__getattr__`, which would slow down every access
    to an attribute.
    """
    for name in dir(BaseCallbackHandler):
        if name.startswith("on_") and getattr(Callbacks, name) is getattr(
            BaseCallbackHandler, name
        ):
            setattr(Callbacks, name, _unknown_callback(name))


def _unknown_callback(name: str) -> Callable[..., None]:
    def unknown(self: Callbacks, *args: Any, run_id: UUID | None = None, **kwargs: Any) -> None:
        try:
            span = self._recorder.current(run_id)
            if span is not None and span.sampled:
                self._recorder.add_event(span, name, self._encode(args))
        except Exception as error:
            self._fault(name, error)

    return unknown


_accept_new_callbacks()
