"""A span by hand that is open."""

from __future__ import annotations

import contextlib
from contextvars import Token
from types import TracebackType
from typing import Any
from uuid import UUID

from .ids import new_id
from .live_span import LiveSpan
from .nesting import innermost, langchain_run, parent_here
from .span_capture import SpanCapture


class ActiveSpan:
    """A span that is open: what `with handler.span(...) as span` gives. Its methods say what else
    is to be recorded.
    """

    def __init__(
        self, capture: SpanCapture, name: str, kind: str, inputs: Any, tags: Any, metadata: Any
    ) -> None:
        self._capture = capture
        self._name = name
        self._kind = kind
        self._inputs = inputs
        self._tags = tags
        self._metadata = metadata
        self._id = new_id()
        self._outputs: Any = None
        self._live: LiveSpan | None = None
        self._token: Token[tuple[UUID, UUID | None] | None] | None = None

    @property
    def span_id(self) -> str:
        """The id of the span record."""
        return str(self._id)

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that the span belongs to; None before it is entered."""
        return str(self._live.trace_id) if self._live is not None else None

    def set_outputs(self, outputs: Any) -> None:
        """Record what came out: any value, usually a dictionary of named outputs."""
        self._outputs = outputs

    def set_attribute(self, name: str, value: Any) -> None:
        """Record a fact about this span, by preference under a name of the OpenTelemetry GenAI
        conventions.
        """
        if self._live is not None:
            self._live.set_attribute(str(name), self._capture.detached(value))

    def add_event(self, name: str, data: Any = None) -> None:
        """Record that something happened now."""
        if self._live is not None:
            capture = self._capture
            keep = data is not None and capture.record_content
            encoded = capture.encoder.encode_json(data) if keep else None
            capture.open_spans.add_event(self._live, name, encoded)

    def open(self) -> None:
        """Begin the span."""
        try:
            parent = parent_here(self._capture.open_spans.by_run)
            details = {
                "run_id": self._id,
                "parent_run_id": parent,
                "tags": self._tags,
                "metadata": self._metadata,
            }
            self._live = self._capture.start(self._kind, self._name, None, self._inputs, details)
        except BaseException as error:
            self._capture.faults.note("span", error)

    def activate(self) -> None:
        """Make the span the innermost one of this context."""
        # A run that this handler does not see is no parent, here as in parent_here.
        running = langchain_run()
        seen = running is not None and running.int in self._capture.open_spans.by_run
        self._token = innermost.set((self._id, running if seen else None))

    def deactivate(self) -> None:
        """Undo `activate`."""
        if self._token is not None:
            # An abandoned async generator is closed in another context than it was opened in.
            with contextlib.suppress(ValueError):
                innermost.reset(self._token)
            self._token = None

    def close(self, error: BaseException | None) -> None:
        """End the span, failed where there is an error."""
        capture = self._capture
        try:
            if error is None:
                live = capture.end((self._kind,), self._outputs, {"run_id": self._id})
            else:
                details = {"run_id": self._id}
                live = capture.fail((self._kind,), error, details, self._outputs)
            capture.open_spans.close(live)
        except BaseException as fault:
            capture.faults.note("span", fault)

    def __enter__(self) -> ActiveSpan:
        self.open()
        self.activate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.deactivate()
        self.close(error)

    async def __aenter__(self) -> ActiveSpan:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)
