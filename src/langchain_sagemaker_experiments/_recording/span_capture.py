"""The start, the end and the failure of a span, its values encoded at that moment: what LangChain's
events and spans by hand share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._record.schema import ERROR_ORIGIN, Status
from .faults import Faults
from .joined_traces import traceparent_of
from .live_span import LiveSpan
from .nesting import innermost, parent_here
from .open_spans import OpenSpans
from .outcome import chain_of, describe_error, status_of

if TYPE_CHECKING:
    from .._encoding.encoder import Encoder
    from .._langchain_values import ComponentCache

Details = Mapping[str, Any]
"""What comes with an event: `run_id`, `parent_run_id`, `tags`, `metadata`, `name` and so on, under
LangChain's names.
"""

_MAX_FAILURES: Final = 8
"""Failures of its children that an open span remembers."""
_MAX_PARENTS: Final = 1_000
"""Spans whose children failed, from which those that have ended are forgotten."""


class SpanCapture:
    """Opens, fills in and closes spans.

    Args:
        open_spans: keeps them while they are open.
        encoder: encodes values at their event.
        components: encodes LangChain's serialized objects.
        faults: counts what goes wrong.
        record_content: False leaves inputs, outputs, arguments and messages of errors out.
    """

    def __init__(
        self,
        open_spans: OpenSpans,
        encoder: Encoder,
        components: ComponentCache,
        faults: Faults,
        *,
        record_content: bool = True,
    ) -> None:
        self.open_spans = open_spans
        self.encoder = encoder
        self.faults = faults
        self.record_content = record_content
        self._components = components
        self._encode_for = encoder.encode_for
        self._encode_json = encoder.encode_json
        self._failures: dict[int, dict[tuple[int, str], str]] = {}

    def start(
        self,
        kind: str,
        name: str,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        details: Details,
    ) -> LiveSpan:
        """Open a span and return it."""
        run_id, parent_run_id = details.get("run_id"), details.get("parent_run_id")
        open_spans = self.open_spans
        # Fast path: with a parent and no manual span active, use LangChain's parent.
        if (parent_run_id is None or innermost.get() is not None) and (
            run_id is not None or open_spans.unnamed.innermost() is None
        ):
            parent_run_id = parent_here(open_spans.by_run, parent_run_id)
        span = open_spans.start(run_id, parent_run_id, kind, name)
        if self.record_content:
            span.inputs = self._encode_for(span, inputs)
        tags, metadata = details.get("tags"), details.get("metadata")
        if tags:
            span.tags = list(tags)
        if metadata:
            data = span.metadata = self._encode_json(metadata)
            span.size += len(data)
        if span.parent_span_id is None:
            span.traceparent = traceparent_of(metadata)
        if serialized:
            span.component = self._components.encode(serialized)
        return span

    def end(
        self, kinds: tuple[str, ...], outputs: Any, details: Details, status: Status = "ok"
    ) -> LiveSpan:
        """Note that a span has ended and return it; `close` must follow.

        Args:
            kinds: what the span may be of, where the run has no id; the first is taken where its
                start was not seen.
            outputs: what came out.
            details: what came with the event.
            status: how it ended.
        """
        run_id, parent_run_id = details.get("run_id"), details.get("parent_run_id")
        span = self.open_spans.end(run_id, parent_run_id, status, kinds)
        if outputs is not None and self.record_content:
            span.outputs = self._encode_for(span, outputs)
        return span

    def fail(
        self,
        kinds: tuple[str, ...],
        error: BaseException,
        details: Details,
        outputs: Any = None,
    ) -> LiveSpan:
        """Note that a span has ended by an exception and return it; `close` must follow."""
        status = status_of(error)
        if status == "ok" and outputs is None:
            outputs = error.args[0] if error.args else None
        span = self.end(kinds, outputs, details, status)
        if status == "error":
            described = span.error = describe_error(error, content=self.record_content)
            span.size += len(described["stacktrace"])
            self._trace_back(span, error)
        else:
            how = "handoff" if status == "ok" else f"{status}_by"
            span.set_attribute(f"langchain.{how}", type(error).__name__)
            if status == "interrupted" and self.record_content:
                data = self._encode_json(error.args)
                self.open_spans.add_event(span, "interrupt", data, span.end_ns)
        return span

    def _trace_back(self, span: LiveSpan, error: BaseException) -> None:
        """Mark a span that an exception of a span within it only passed through."""
        failures = self._failures.pop(span.span_id.int, {})
        origin = next(
            (failures[key] for key in map(_identity, chain_of(error)) if key in failures), None
        )
        if origin is not None:
            span.set_attribute(ERROR_ORIGIN, origin)
        parent = span.parent_span_id
        if parent is not None and parent.int in self.open_spans.by_run:
            if (
                len(self._failures) > _MAX_PARENTS
            ):  # parents that were given up never collect theirs
                self._failures.clear()
            siblings = self._failures.setdefault(parent.int, {})
            if len(siblings) < _MAX_FAILURES:
                siblings[_identity(error)] = origin or str(span.span_id)

    def _forget_ended(self) -> None:
        """Forget failures within spans that have ended: those that went well never asked."""
        by_run = self.open_spans.by_run
        self._failures = {key: value for key, value in self._failures.items() if key in by_run}

    def set_late_inputs(self, span: LiveSpan, inputs: Any) -> None:
        """Record inputs that came only with the end."""
        if self.record_content:
            span.inputs = self._encode_for(span, inputs)

    def detached(self, value: Any) -> Any:
        """Return a plain value that no later change of `value` reaches, for an attribute."""
        if value is None or type(value) in (str, bool, float):
            return value
        import orjson

        return orjson.loads(self._encode_json(value))

    def prompts(self) -> list[tuple[str, str]]:
        """Return name and text of the prompt templates that LangChain's events have named."""
        return self._components.prompts()

    def event(
        self, name: str, data: Any, run_id: UUID | None, kinds: tuple[str, ...] = ()
    ) -> LiveSpan | None:
        """Add an event to a run's open span and return the span; None where there is none."""
        span = self.open_spans.current(run_id, kinds)
        if span is None:
            self.faults.count(f"{name} of an unknown run")
        else:
            encoded = self._encode_json(data) if self.record_content and data is not None else None
            self.open_spans.add_event(span, name, encoded)
        return span


def _identity(error: BaseException) -> tuple[int, str]:
    """An exception's own address may be used again, so its type is compared too."""
    return id(error), type(error).__qualname__
