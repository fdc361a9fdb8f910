"""The span while it is being recorded: ids, times, status, and values that no longer change.

A `LiveSpan` travels from the open spans to the buffer. It holds no LangChain object: `inputs`,
`outputs` and the others are encoded at their event, so no later change of an object reaches them.
What can be computed later (names of the OpenTelemetry conventions, text of the times, the JSON
line) is left to the record writer, at the flush.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from .._record.schema import Status
from .._record.value import NO_VALUE, Reference

_BYTES_PER_SPAN: Final = 1_150

Facts = Literal["model", "tool", "agent", "retriever"]
"""Which attributes are computed for a span at the flush; see `attributes`."""


class LiveSpan:
    """One unit of work. Mutable while open; handed to the buffer once, when it ends."""

    # Defaults of the class: an instance holds only what it was given, and making one costs half as
    # much.
    end_ns: int | None = None
    status: Status = "running"
    inputs = NO_VALUE
    """JSON with a mark for each long text and known list; `outputs` likewise."""
    outputs = NO_VALUE
    references: dict[int, Reference] | None = None
    """What the marks in inputs and outputs stand for."""
    tags: list[str] | None = None
    metadata: bytes | None = None
    component: bytes | None = None
    attributes: dict[str, Any] | None = None
    facts: Facts | None = None
    token_count = 0
    first_token_ns = 0
    written_running = False
    streams_events = False
    """True once a stream of typed events was counted, which gives each piece as a token too."""
    paused = False
    """True once a static breakpoint stopped the graph."""
    above: LiveSpan | None = None
    is_our_record = False
    """True for what the recorder tells of itself (a graph, a provenance): all attributes are
    ours.
    """

    def __init__(
        self,
        run_id: UUID,
        span_id: UUID,
        trace_id: UUID,
        parent_span_id: UUID | None,
        kind: str,
        name: str,
        start_wall_ns: int,
        start_ns: int,
    ) -> None:
        self.run_id = run_id
        self.span_id = span_id
        self.trace_id = trace_id
        self.parent_span_id = parent_span_id
        self.kind = kind
        self.name = name
        self.start_wall_ns = start_wall_ns
        self.start_ns = start_ns
        # Asked for of every span: reading the default of a class costs several times what setting
        # these does.
        self.tentative = False
        """Whether the span is recorded depends on what becomes of its trace; see `sampling`."""
        self.traceparent: str | None = None
        """The span outside LangChain that the trace belongs to; see `joined_traces`."""
        self.raw: dict[str, bytes] | None = None
        self.error: dict[str, Any] | None = None
        self.events: list[tuple[int, str, bytes | None]] | None = None
        self.size = _BYTES_PER_SPAN
        """Approximate bytes this holds: a flat charge, and what is added for values and events."""

    def set_attribute(self, name: str, value: Any) -> None:
        """Set one attribute of the record."""
        if self.attributes is None:
            self.attributes = {}
        self.attributes[name] = value
