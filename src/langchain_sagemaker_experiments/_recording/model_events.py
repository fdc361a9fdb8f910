"""Calls of completion models and chat models, and their streams."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._langchain_values import has_content, name_of, raw_response
from .live_span import LiveSpan
from .span_capture import Details, SpanCapture

if TYPE_CHECKING:
    from langchain_core.outputs import LLMResult

_clock = time.perf_counter_ns

_KINDS: Final = ("llm", "chat_model")
_DELTA: Final = "content-block-delta"
"""The typed event of a stream that holds a piece of content."""


class ModelEvents:
    """Records models.

    Args:
        capture: opens, fills in and closes spans.
        record_tokens: record every streamed piece as an event.
    """

    def __init__(self, capture: SpanCapture, *, record_tokens: bool) -> None:
        self._capture = capture
        self._open_spans = capture.open_spans
        self._by_run = capture.open_spans.by_run
        self._record_tokens = record_tokens and capture.record_content
        self._close = capture.open_spans.close

    def started(
        self, kind: str, serialized: Mapping[str, Any] | None, inputs: Any, details: Details
    ) -> None:
        """Open a span; `inputs` holds prompts or messages exactly as the model gets them."""
        name = details.get("name") or name_of(serialized, kind)
        span = self._capture.start(kind, name, serialized, inputs, details)
        span.facts = "model"
        settings = details.get("invocation_params")
        if settings:
            data = self._capture.encoder.encode_settings(settings)
            span.raw = {"invocation": data}
            span.size += len(data)

    def token(self, token: Any, chunk: Any, run_id: UUID | None) -> None:
        """Count a streamed piece and note the time of the first that has content."""
        # The common case without a call; ids given by hand may be text, or none.
        span = (
            self._by_run.get(run_id.int)
            if type(run_id) is UUID
            else self._open_spans.current(run_id, _KINDS)
        )
        if span is None or span.streams_events:
            return
        if span.first_token_ns == 0 and (token or has_content(chunk)):
            self._note_first(span)
        span.token_count += 1
        if self._record_tokens:
            self._add_token(span, {"token": token})

    def stream_event(self, event: Any, run_id: UUID | None) -> None:
        """Count a piece of a stream of typed events.

        LangChain gives such a piece as a token too; the first of the two that comes is counted.
        """
        if not isinstance(event, Mapping) or event.get("event") != _DELTA:
            return
        span = self._open_spans.current(run_id, _KINDS)
        if span is None or (span.token_count and not span.streams_events):
            return
        span.streams_events = True
        if span.first_token_ns == 0:
            self._note_first(span)
        span.token_count += 1
        if self._record_tokens:
            self._add_token(span, event)

    def _note_first(self, span: LiveSpan) -> None:
        span.first_token_ns = _clock()
        self._open_spans.add_event(span, "first_token", None, span.first_token_ns)

    def _add_token(self, span: LiveSpan, data: Any) -> None:
        self._open_spans.add_event(span, "token", self._capture.encoder.encode_json(data))

    def ended(self, response: LLMResult, details: Details) -> None:
        """Close a span with every generation as the model returned it."""
        span = self._capture.end(_KINDS, response, details)
        self._add_response(span, response)
        self._close(span)

    def failed(self, error: BaseException, details: Details) -> None:
        """Close a span as failed or cancelled, with what the model had generated so far."""
        response = details.get("response")
        partial = response if response is not None and any(response.generations) else None
        span = self._capture.fail(_KINDS, error, details, partial)
        if partial is not None:
            self._add_response(span, partial)
        self._close(span)

    def _add_response(self, span: LiveSpan, response: LLMResult) -> None:
        span.facts = span.facts or "model"
        raw = raw_response(response)
        if raw:
            if span.raw is None:
                span.raw = {}
            data = span.raw["response"] = self._capture.encoder.encode_settings(raw)
            span.size += len(data)
