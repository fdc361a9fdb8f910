"""Span trees built by hand, for programs without LangChain: `SageMakerCallbackHandler.log_trace`
records them.
"""

from __future__ import annotations

import datetime
import enum
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ._record.schema import FINAL_STATUSES, KINDS, Kind, Status

__all__ = ["Span", "SpanKind"]

Time = datetime.datetime | float


class SpanKind(str, enum.Enum):
    """The kinds of a `Span`, for code that names them: `Span("search", kind=SpanKind.TOOL)`.

    Each member is a string: `SpanKind.TOOL == "tool"`.
    """

    AGENT = "agent"
    CHAIN = "chain"
    CHAT_MODEL = "chat_model"
    CUSTOM = "custom"
    EMBEDDING = "embedding"
    EVALUATOR = "evaluator"
    LLM = "llm"
    PARSER = "parser"
    PROMPT = "prompt"
    RETRIEVER = "retriever"
    TOOL = "tool"


class Span:
    """One unit of work with its inputs, outputs and children, put together by hand.

    Args:
        name: what is shown for it.
        kind: `chain`, `llm`, `chat_model`, `tool`, `agent`, `retriever`, `prompt`, `parser`,
            `embedding` or `custom`, in upper or lower case.
        inputs: any value, usually a dictionary of named inputs.
        outputs: the same for what came out.
        start_time: a datetime (without a time zone: local time) or seconds since the epoch; by
            default now.
        end_time: the same; by default the end of its last child, else the moment it is logged.
        status: `ok`, `error`, `interrupted` or `cancelled`.
        error: an exception or a message; sets the status to `error`.
        attributes: further facts, by preference under the names of the OpenTelemetry GenAI
            conventions.
        metadata: as LangChain's; `session_id` in it names the session.
        tags: as LangChain's.
        children: spans within this one.
        span_kind: the name that W&B's trace tree gives to `kind`; it wins if both are given.

    Raises:
        ValueError: an unknown kind or status.
        TypeError: a child is no `Span`.

    Example:
        >>> from langchain_sagemaker_experiments import Span
        >>> root = Span("answer", kind="agent", inputs={"user": "2023 - 1998?"})
        >>> root.add_child(Span("subtract", kind="tool", outputs=25))
        Span('subtract', kind='tool', children=0)
        >>> root
        Span('answer', kind='agent', children=1)
    """

    def __init__(
        self,
        name: str,
        kind: Kind | str = "chain",
        *,
        inputs: Any = None,
        outputs: Any = None,
        start_time: Time | None = None,
        end_time: Time | None = None,
        status: Status = "ok",
        error: BaseException | str | None = None,
        attributes: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        children: Sequence[Span] = (),
        span_kind: Kind | str | None = None,
    ) -> None:
        if status not in FINAL_STATUSES:
            raise ValueError(f"status must be one of {', '.join(FINAL_STATUSES)}, not {status!r}.")
        self.name = name
        self.kind = checked_kind(kind if span_kind is None else span_kind)
        self.inputs = inputs
        self.outputs = outputs
        self.start_ns = _epoch_ns(start_time) if start_time is not None else time.time_ns()
        self.end_ns = _epoch_ns(end_time) if end_time is not None else None
        self.status: Status = "error" if error is not None else status
        self.error = error
        self.attributes = dict(attributes or {})
        self.metadata = dict(metadata or {})
        self.tags = list(tags)
        self.children: list[Span] = []
        for child in children:
            self.add_child(child)

    def add_child(self, span: Span) -> Span:
        """Put `span` within this one and return it.

        Raises:
            TypeError: it is not a `Span`.
            ValueError: it contains this very span.
        """
        if not isinstance(span, Span):
            raise TypeError(f"A child must be a Span, not {type(span).__name__}.")
        if any(found is self for found in span.walk()):
            raise ValueError(
                f"{span.name!r} contains {self.name!r} already; a span can't lie within itself."
            )
        self.children.append(span)
        return span

    def add_child_span(self, span: Span) -> Span:
        """Do the same as `add_child`, under the name that W&B's trace tree gives it."""
        return self.add_child(span)

    def add_named_result(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Span:
        """Add named inputs and outputs to those there are, and return this span."""
        self.inputs = {**_named(self.inputs, "input"), **inputs}
        self.outputs = {**_named(self.outputs, "output"), **outputs}
        return self

    def end(self, end_time: Time | None = None) -> Span:
        """Set the end of this span, now by default, and return it."""
        self.end_ns = _epoch_ns(end_time) if end_time is not None else time.time_ns()
        return self

    def walk(self) -> Iterator[Span]:
        """Yield this span and all below it, parents first."""
        waiting = [self]
        while waiting:
            span = waiting.pop()
            yield span
            waiting.extend(reversed(span.children))

    def __repr__(self) -> str:
        return f"Span({self.name!r}, kind={self.kind!r}, children={len(self.children)})"

    def _repr_html_(self) -> str:
        from ._views.notebook import tree_html

        return tree_html(self)


def checked_kind(kind: str) -> str:
    """Return a kind in lower case, or say which kinds there are."""
    lowered = str(getattr(kind, "value", kind)).lower()
    if lowered not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}, not {kind!r}.")
    return lowered


def _named(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _epoch_ns(value: Time) -> int:
    if isinstance(value, datetime.datetime):
        seconds = int(value.replace(microsecond=0).timestamp())
        return seconds * 1_000_000_000 + value.microsecond * 1_000
    return int(value * 1e9)
