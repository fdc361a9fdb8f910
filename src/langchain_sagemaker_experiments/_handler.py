"""`SageMakerCallbackHandler`: LangChain's callback signatures, and nothing but their adaptation to the recorder.

Each method takes what LangChain sends, lets the values room make JSON bytes of it, and tells the recorder. Nothing that goes
wrong in here reaches the user's program: it is counted and reported at the flush.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import orjson
from langchain_core.callbacks import BaseCallbackHandler

from . import _exit
from ._background import BackgroundFlush
from ._encoder import Encoder
from ._limits import (
    DEFAULT_ABANDONED_AFTER,
    DEFAULT_BUFFER_BYTES,
    DEFAULT_MAX_FIELD_BYTES,
    DEFAULT_MAX_OPEN_SPANS,
    MAX_STACKTRACE_CHARS,
)
from ._manual import ManualSpans, connect
from ._plain import clean_text, type_name
from ._record import RecordWriter
from ._recorder import Recorder, attribute
from ._span import LiveSpan, Status
from ._spool import Spool
from ._summary import Summary
from ._values import (
    ComponentCache,
    chain_kind,
    make_convert,
    name_of,
    raw_response,
    request_attributes,
    response_attributes,
    run_parameters,
)
from .exceptions import DestinationError

if TYPE_CHECKING:
    from langchain_core.agents import AgentAction, AgentFinish
    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

    from ._destinations import Destination
    from ._pipeline import FlushResult
    from ._redaction import Redact

logger = logging.getLogger(__name__)
_clock = time.perf_counter_ns

_CHAINS: Final = ("chain", "agent", "prompt", "parser", "retriever", "tool", "llm", "embedding", "custom")
_MODELS: Final = ("llm", "chat_model")
_TOOLS: Final = ("tool",)
_RETRIEVERS: Final = ("retriever",)

_STREAM_PLACEHOLDER: Final = b'{"input":""}'
"""What LangChain gives as inputs at the start of a stream; the true ones come with the end."""

_MAX_LOGGED_FAULTS: Final = 20


class SageMakerCallbackHandler(ManualSpans, BaseCallbackHandler):
    """Records every LLM, chat model, chain, tool, agent and retriever call as a span, and uploads them to a SageMaker Run.

    Pass it wherever LangChain takes callbacks; call `flush_tracker()` inside the `with Run(...)`, or use the handler as a
    context manager, which flushes when it is left. One handler serves any number of threads and tasks at a time, sync and
    async, and goes on working after a flush.

    Args:
        run: a `Run` of sagemaker 2.x or 3.x, an `OfflineRun`, or any object with `log_file` (and, where it has them,
            `log_parameters` and `log_metric`). None takes the Run of the `with Run(...)` that surrounds the flush.
        durable: write each span to disk as it ends, so that it survives even a killed process.
        spool_dir: folder for what does not fit into memory or could not be uploaded; the platform's own place by default.
        redact: `"secrets"` masks what looks like a secret or bears a telling name. A function additionally sees each string
            that is recorded, first, and returns what may be recorded in its place; a field for which it raises is withheld.
            None records everything as it is.
        extra_args: passed to every S3 upload, as boto3's `ExtraArgs`: `ServerSideEncryption`, `SSEKMSKeyId`,
            `StorageClass`, `Tagging`, `ExpectedBucketOwner`, …
        max_field_bytes: bound of one span's `inputs` or `outputs` in bytes of JSON; longer ones are truncated with marks
            that tell true size and SHA-256. None keeps them whole.
        keep_media: keep base64 images, sound and files in messages instead of their media type, size and SHA-256.
        buffer_bytes: bytes of finished spans held in memory before they go over into the spool.
        sample_rate: share of traces to record, 0 to 1. A trace is recorded whole or not at all.
        record_tokens: record every streamed token as an event; by default only their count and the time of the first.
        max_open_spans: spans open at a time; beyond it the oldest is closed as cancelled.
        flush_interval: seconds between flushes from a background thread; None, the default, for flushes by hand only.
        flush_bytes: with `flush_interval`, also flush once this many bytes wait.
        abandoned_after: seconds after which, at a flush, an open span is closed as cancelled when its root has ended
            (24 times as long while the root is open, or for a root).

    Raises:
        DestinationError: `run` can't take records.
        ValueError: a number is out of its range.
    """

    run_inline = True
    """Async calls handle our events in place: handing one to a thread costs more than recording it."""
    raise_error = False

    # Plain attributes in place of the base's properties: LangChain asks for one at every event.
    ignore_llm = False
    ignore_retry = False
    ignore_chain = False
    ignore_agent = False
    ignore_retriever = False
    ignore_chat_model = False
    ignore_custom_event = False

    def __init__(
        self,
        run: Any = None,
        *,
        durable: bool = False,
        spool_dir: str | Path | None = None,
        redact: Redact | Literal["secrets"] | None = "secrets",
        extra_args: Mapping[str, Any] | None = None,
        max_field_bytes: int | None = DEFAULT_MAX_FIELD_BYTES,
        keep_media: bool = False,
        buffer_bytes: int = DEFAULT_BUFFER_BYTES,
        sample_rate: float = 1.0,
        record_tokens: bool = False,
        max_open_spans: int = DEFAULT_MAX_OPEN_SPANS,
        abandoned_after: float = DEFAULT_ABANDONED_AFTER,
        flush_interval: float | None = None,
        flush_bytes: int | None = None,
    ) -> None:
        super().__init__()
        connect()
        _check_settings(redact, max_field_bytes, buffer_bytes, sample_rate, max_open_spans, flush_interval, flush_bytes)
        self._extra_args = dict(extra_args or {})
        self._record_tokens = record_tokens
        self._faults: dict[str, int] = {}
        encoder = Encoder(make_convert(keep_media=keep_media), max_bytes=max_field_bytes, keep_media=keep_media)
        self._encode, self._take, self._encode_settings = encoder.encode, encoder.take, encoder.encode_settings
        self._components = ComponentCache(self._encode)
        writer = RecordWriter(
            Summary(run_parameters),
            redact=redact if callable(redact) else None,
            mask=redact is not None,
            keep_media=keep_media,
        )
        # Imported here: it loads botocore, which nobody needs who only imports the name of this class.
        from ._pipeline import Pipeline

        self._pipeline = Pipeline(writer, budget=buffer_bytes, spool=Spool(spool_dir), durable=durable)
        self._recorder = Recorder(
            self._pipeline.sink,
            max_open_spans=max_open_spans,
            abandoned_after=abandoned_after,
            sample_rate=sample_rate,
        )
        self._open = self._recorder.open
        self._destination: Destination | None = None
        self._run: Any = None
        self.run = run
        self._background: BackgroundFlush | None = None
        if flush_interval is not None:
            self._background = BackgroundFlush(self._flush_if_needed, flush_interval)
            if flush_bytes is not None:
                self._recorder.sink = self._pipeline.wake_at(flush_bytes, self._background.wake)
        _exit.watch(self)

    # --- the run ----------------------------------------------------------------------------------------------------
    @property
    def run(self) -> Any:
        """The run given to this handler; None takes the one that surrounds the flush. Setting another one is allowed."""
        return self._run

    @run.setter
    def run(self, run: Any) -> None:
        if run is None:
            self._destination = None
        else:
            from ._destinations import destination_for

            self._destination = destination_for(run, self._extra_args)
        self._run = run

    def _find_destination(self) -> Destination:
        if self._destination is not None:
            return self._destination
        from ._destinations import destination_for, surrounding_run

        run = surrounding_run()
        if run is None:
            raise DestinationError(
                "This handler was given no run, and no `with Run(...)` surrounds this flush. "
                "Flush inside the `with`, or set handler.run."
            )
        return destination_for(run, self._extra_args)

    # --- flushing ---------------------------------------------------------------------------------------------------
    def flush_tracker(self) -> FlushResult:
        """Upload all that is recorded to the Run, log parameters and metrics, and reset the counters.

        Spans still open are written with status `running`; their final record replaces them when they are read. The handler
        goes on working afterwards.

        Returns:
            What was written: `.spans` (a count), `.uris`, `.bytes`, `.parameters`, `.metrics`, `.faults`.

        Raises:
            FlushError: the upload failed. Nothing is lost: what has not arrived is kept, and the next flush sends it.
        """
        return self._pipeline.flush(self._find_destination, self._recorder, self._faults)

    async def aflush_tracker(self) -> FlushResult:
        """Do what `flush_tracker` does without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(self.flush_tracker)

    def _flush_if_needed(self) -> None:
        if self._pipeline.pending_spans:
            self.flush_tracker()

    def close(self) -> None:
        """Stop the background flush, if there is one, and flush what waits.

        Raises:
            FlushError: the flush failed; what waits is kept.
        """
        if self._background is not None:
            self._background.stop()
        self._flush_if_needed()

    @property
    def open_spans(self) -> int:
        """How many spans are open now."""
        return len(self._open)

    @property
    def pending_spans(self) -> int:
        """How many finished spans no flush has written yet, in memory and on disk."""
        return self._pipeline.pending_spans

    def __enter__(self) -> SageMakerCallbackHandler:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._background is not None:
            self._background.stop()
        if error is None:
            self.flush_tracker()
            return
        try:
            self.flush_tracker()
        except Exception as failure:
            # The user's own exception is the one that must be seen.
            logger.warning("While %s was on its way: %s", type(error).__name__, failure)

    def __copy__(self) -> SageMakerCallbackHandler:
        """Copies of a model or chain go on recording here."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SageMakerCallbackHandler:
        return self

    def __repr__(self) -> str:
        return f"SageMakerCallbackHandler(run={self._run!r}, pending_spans={self.pending_spans}, open_spans={self.open_spans})"

    # --- faults -----------------------------------------------------------------------------------------------------
    def _fault(self, where: str, error: Exception) -> None:
        what = f"{where}: {type(error).__name__}: {error}"[:300]
        if what not in self._faults and len(self._faults) < _MAX_LOGGED_FAULTS:
            logger.warning("SageMakerCallbackHandler could not record all of an event: %s", what, exc_info=error)
        elif what not in self._faults:
            what = "other faults"
        self._faults[what] = self._faults.get(what, 0) + 1

    # --- starts and ends, the common part ---------------------------------------------------------------------------
    def _start(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        kind: str,
        name: str,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> LiveSpan:
        if run_id is not None or self._recorder.current(None) is None:
            parent_run_id = self._parent_here(parent_run_id)
        span = self._recorder.start(run_id, parent_run_id, kind, name)
        if span.sampled:
            span.inputs = self._take(inputs)
            if tags:
                span.tags = list(tags)
            if metadata:
                span.metadata = self._encode(metadata)
            if serialized:
                span.component = self._components.encode(serialized)
        return span

    def _end(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        kinds: tuple[str, ...],
        outputs: Any,
        status: Status = "ok",
    ) -> LiveSpan:
        span = self._recorder.end(run_id, parent_run_id, status, kinds, kinds[0])
        if span.sampled and outputs is not None:
            span.outputs = self._take(outputs)
        return span

    def _fail(
        self, run_id: UUID | None, parent_run_id: UUID | None, kinds: tuple[str, ...], error: BaseException, outputs: Any = None
    ) -> LiveSpan:
        status = status_of(error)
        span = self._end(run_id, parent_run_id, kinds, outputs, status)
        if status == "error":
            span.error = describe_error(error)
        else:
            span.attributes = {**(span.attributes or {}), f"langchain.{status}_by": type(error).__name__}
            if status == "interrupted":
                self._recorder.add_event(span, "interrupt", self._encode(error.args), span.end_ns)
        return span

    def _event(self, name: str, data: Any, run_id: UUID | None, kinds: tuple[str, ...] = ()) -> None:
        span = self._recorder.current(run_id, kinds)
        if span is None:
            self._faults[f"{name} of an unknown run"] = self._faults.get(f"{name} of an unknown run", 0) + 1
        elif span.sampled:
            self._recorder.add_event(span, name, self._encode(data))

    # --- chains -----------------------------------------------------------------------------------------------------
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
            span = self._start(run_id, parent_run_id, kind, name, serialized, inputs, tags, metadata)
            if kind == "chain":
                self._recorder.enter(span)
            elif kind == "agent":
                self._recorder.enter(span)
                span.derive = _agent_attributes
        except Exception as error:
            self._fault("on_chain_start", error)

    def on_chain_end(
        self,
        outputs: Any,
        *,
        run_id: UUID | None = None,
        parent_run_id: UUID | None = None,
        inputs: Any = None,
        **kwargs: Any,
    ) -> None:
        """Close a chain's span; a stream's true inputs come only now."""
        try:
            span = self._end(run_id, parent_run_id, _CHAINS, outputs)
            if outputs is None and span.inputs == _STREAM_PLACEHOLDER and self._recorder.out_of_order(span):
                # LangChain swallows the GeneratorExit of a stream whose reader has gone: it ends without outputs, before its
                # own steps do, and they after it.
                span.status = "cancelled"
                attribute(span, "langchain.cancelled_by", "closed stream")
            if inputs is not None:
                self._take_late_inputs(span, inputs)
            self._recorder.close(span)
        except Exception as error:
            self._fault("on_chain_end", error)

    def _take_late_inputs(self, span: LiveSpan, inputs: Any) -> None:
        if inputs is not None and span.sampled and (span.inputs is None or span.inputs == _STREAM_PLACEHOLDER):
            span.inputs = self._take(inputs)

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
            self._take_late_inputs(span, inputs)
            self._recorder.close(span)
        except Exception as fault:
            self._fault("on_chain_error", fault)

    # --- models -----------------------------------------------------------------------------------------------------
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
        span = self._start(run_id, parent_run_id, kind, name_of(serialized, name, kind), serialized, inputs, tags, metadata)
        span.derive = _model_attributes
        if invocation_params and span.sampled:
            span.raw = {"invocation": self._encode_settings(invocation_params)}

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
        """Open a span for a completion model; `inputs` holds the prompts exactly as the model gets them."""
        try:
            inputs = {"prompts": prompts}
            self._start_model("llm", serialized, inputs, run_id, parent_run_id, tags, metadata, name, invocation_params)
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
        """Open a span for a chat model; `inputs` holds the messages exactly as the model gets them."""
        try:
            inputs = {"messages": messages}
            self._start_model("chat_model", serialized, inputs, run_id, parent_run_id, tags, metadata, name, invocation_params)
        except Exception as error:
            self._fault("on_chat_model_start", error)

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: Any = None,
        run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a streamed token and note the time of the first; its text is in the result."""
        try:
            span = self._open.get(run_id.int) if run_id is not None else self._recorder.current(None, _MODELS)
            if span is None:
                return
            if span.token_count == 0:
                span.first_token_ns = _clock()
                self._recorder.add_event(span, "first_token", None, span.first_token_ns)
            span.token_count += 1
            if self._record_tokens and span.sampled:
                self._recorder.add_event(span, "token", self._encode({"token": token}))
        except Exception as error:
            self._fault("on_llm_new_token", error)

    def on_stream_event(self, event: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Count the content deltas of a stream of typed events, as tokens are counted."""
        try:
            span = self._recorder.current(run_id, _MODELS)
            if span is None or not isinstance(event, Mapping) or event.get("event") != "content-block-delta":
                return
            if span.token_count == 0:
                span.first_token_ns = _clock()
                self._recorder.add_event(span, "first_token", None, span.first_token_ns)
            span.token_count += 1
            if self._record_tokens and span.sampled:
                self._recorder.add_event(span, "token", self._encode(event))
        except Exception as error:
            self._fault("on_stream_event", error)

    def on_llm_end(
        self, response: LLMResult, *, run_id: UUID | None = None, parent_run_id: UUID | None = None, **kwargs: Any
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
            span.derive = _model_attributes
        if span.sampled:
            raw = raw_response(response)
            if raw:
                if span.raw is None:
                    span.raw = {}
                span.raw["response"] = self._encode_settings(raw)

    # --- tools ------------------------------------------------------------------------------------------------------
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
        """Open a span for a tool; `inputs` are its arguments where LangChain gives them, else its input text."""
        try:
            taken = inputs if inputs is not None else input_str
            span = self._start(run_id, parent_run_id, "tool", name_of(serialized, name, "tool"), serialized, taken, tags, metadata)
            self._recorder.enter(span)
            span.derive = _tool_attributes
            if tool_call_id:
                attribute(span, "gen_ai.tool.call.id", tool_call_id)
        except Exception as error:
            self._fault("on_tool_start", error)

    def on_tool_end(self, output: Any, *, run_id: UUID | None = None, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """Close a tool's span with what it returned."""
        try:
            self._recorder.close(self._end(run_id, parent_run_id, _TOOLS, output))
        except Exception as error:
            self._fault("on_tool_end", error)

    def on_tool_error(
        self, error: BaseException, *, run_id: UUID | None = None, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Close a tool's span as failed, interrupted or cancelled."""
        try:
            self._recorder.close(self._fail(run_id, parent_run_id, _TOOLS, error))
        except Exception as fault:
            self._fault("on_tool_error", fault)

    # --- retrievers -------------------------------------------------------------------------------------------------
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
            span = self._start(run_id, parent_run_id, "retriever", name, serialized, inputs, tags, metadata)
            self._recorder.enter(span)
            span.derive = _retriever_attributes
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
        self, error: BaseException, *, run_id: UUID | None = None, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Close a retriever's span as failed, interrupted or cancelled."""
        try:
            self._recorder.close(self._fail(run_id, parent_run_id, _RETRIEVERS, error))
        except Exception as fault:
            self._fault("on_retriever_error", fault)

    # --- events on open spans ---------------------------------------------------------------------------------------
    def on_agent_action(self, action: AgentAction, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Note an agent's step: tool, tool input and the text that led to it."""
        try:
            self._event("agent_action", action, run_id)
            self._mark_agent(run_id)
        except Exception as error:
            self._fault("on_agent_action", error)

    def on_agent_finish(self, finish: AgentFinish, *, run_id: UUID | None = None, **kwargs: Any) -> None:
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
            span.derive = _agent_attributes

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
                "error": None if failure is None else {"type": type(failure).__name__, "message": str(failure)},
            }
            self._event("retry", data, run_id)
        except Exception as error:
            self._fault("on_retry", error)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Note an event the application dispatched itself."""
        try:
            self._event("custom_event", {"name": name, "data": data}, run_id)
        except Exception as error:
            self._fault("on_custom_event", error)

    def on_interrupt(self, event: Any, **kwargs: Any) -> None:
        """Note that LangGraph paused for a human; the base class does not know this callback, LangGraph calls it."""
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


def _accept_new_callbacks() -> None:
    """Let callbacks that a later langchain-core defines and this handler does not name become events on their spans.

    They are made methods here and not caught by `__getattr__`, which would slow down every access to an attribute.
    """
    for name in dir(BaseCallbackHandler):
        if name.startswith("on_") and name not in vars(SageMakerCallbackHandler):
            setattr(SageMakerCallbackHandler, name, _unknown_callback(name))


def _unknown_callback(name: str) -> Callable[..., None]:
    def unknown(self: SageMakerCallbackHandler, *args: Any, run_id: UUID | None = None, **kwargs: Any) -> None:
        try:
            span = self._recorder.current(run_id)
            if span is not None and span.sampled:
                self._recorder.add_event(span, name, self._encode(args))
        except Exception as error:
            self._fault(name, error)

    return unknown


_accept_new_callbacks()


# --- attributes, computed at the flush ------------------------------------------------------------------------------
def _loads(data: bytes | None) -> dict[str, Any]:
    value = orjson.loads(data) if data else None
    return value if isinstance(value, dict) else {}


def _model_attributes(span: LiveSpan) -> Mapping[str, Any]:
    raw = span.raw or {}
    request = _request_attributes(span.kind, raw.get("invocation"), span.metadata, span.component)
    response = raw.get("response")
    return {**request, **response_attributes(_loads(response))} if response else dict(request)


@lru_cache(maxsize=512)
def _request_attributes(kind: str, invocation: bytes | None, metadata: bytes | None, component: bytes | None) -> Mapping[str, Any]:
    """Request attributes of a model call; calls with the same settings, which most are, compute them once."""
    return request_attributes(kind, _loads(invocation), _loads(metadata), _loads(component))


def _tool_attributes(span: LiveSpan) -> Mapping[str, Any]:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": span.name}
    description = _loads(span.component).get("description")
    if isinstance(description, str) and description:
        attributes["gen_ai.tool.description"] = description
    return attributes


def _agent_attributes(span: LiveSpan) -> Mapping[str, Any]:
    return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": span.name}


def _retriever_attributes(span: LiveSpan) -> Mapping[str, Any]:
    return {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": span.name}


# --- errors ---------------------------------------------------------------------------------------------------------
def status_of(error: BaseException) -> Status:
    """Return what an exception means: LangGraph's control flow interrupts, a cancelled or closed task is no error."""
    if isinstance(error, (GeneratorExit, KeyboardInterrupt, SystemExit)):
        return "cancelled"
    for cls in type(error).__mro__:
        # By name, so that LangGraph need not be installed: GraphBubbleUp is the base of all its control flow.
        if cls.__name__ == "GraphBubbleUp" and cls.__module__.startswith("langgraph"):
            return "interrupted"
        if cls.__name__ == "CancelledError":
            return "cancelled"
    return "error"


def describe_error(error: BaseException) -> dict[str, str]:
    """Return type, message and stack trace of an exception; nothing in it can make this raise."""
    try:
        message = clean_text(str(error))
    except Exception as failure:
        message = f"<{type_name(error)}: str failed: {type(failure).__name__}>"
    try:
        trace = clean_text("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except Exception as failure:
        trace = f"<no stack trace: {type(failure).__name__}>"
    return {"type": type(error).__name__, "message": message, "stacktrace": trace[-MAX_STACKTRACE_CHARS:]}


def _check_settings(
    redact: object,
    max_field_bytes: int | None,
    buffer_bytes: int,
    sample_rate: float,
    max_open_spans: int,
    flush_interval: float | None,
    flush_bytes: int | None,
) -> None:
    if not (redact is None or redact == "secrets" or callable(redact)):
        raise ValueError(f'redact must be "secrets", a function or None, not {redact!r}.')
    if max_field_bytes is not None and max_field_bytes < 1_024:
        raise ValueError(f"max_field_bytes must be at least 1,024 bytes or None, not {max_field_bytes!r}.")
    if buffer_bytes < 1_024:
        raise ValueError(f"buffer_bytes must be at least 1,024, not {buffer_bytes!r}.")
    if not 0.0 <= sample_rate <= 1.0:
        raise ValueError(f"sample_rate must lie between 0 and 1, not {sample_rate!r}.")
    if max_open_spans < 1:
        raise ValueError(f"max_open_spans must be at least 1, not {max_open_spans!r}.")
    if flush_interval is not None and flush_interval <= 0:
        raise ValueError(f"flush_interval must be a number of seconds greater than 0, not {flush_interval!r}.")
    if flush_bytes is not None and (flush_interval is None or flush_bytes < 1):
        raise ValueError("flush_bytes must be at least 1 and goes with flush_interval, which starts the background flush.")
