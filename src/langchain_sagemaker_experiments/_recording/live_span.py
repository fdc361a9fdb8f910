"""The span while it is being recorded: ids, times, status and values that no longer change.

A `LiveSpan` is what travels from the recorder to the buffer. It holds no LangChain object and no
open value: `inputs`, `outputs` and the like are taken at the moment of the event, as JSON bytes or
    as texts, and no later change of a value reaches them. What
can be computed later (names of the OpenTelemetry conventions, text of the times, the JSON line) is
left to `_record.py`, at the flush.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._record.schema import Status

if TYPE_CHECKING:
    from .._encoding.encoder import Encoded
    from .._record.kept import Kept

_BYTES_PER_SPAN: Final = 1_000
_BYTES_PER_TEXT: Final = 80
"""What a text takes in memory beside its characters, about."""

NO_VALUE: Final = b"null"
"""JSON of inputs or outputs that there are none of."""

Derive = Callable[["LiveSpan"], Mapping[str, Any]]
"""Computes the `attributes` of a finished span from `LiveSpan.raw`; runs at the flush, not at the
event.
"""


class LiveSpan:
    """One unit of work. Mutable while open; handed to the buffer once, when it ends."""

    # Defaults of the class: an instance holds only what it was given, and making one costs half as
    # much.
    end_ns: int | None = None
    status: Status = "running"
    inputs: bytes | Encoded | Kept = NO_VALUE
    outputs: bytes | Encoded | Kept = NO_VALUE
    tags: list[str] | None = None
    metadata: bytes | None = None
    component: bytes | None = None
    attributes: dict[str, Any] | None = None
    derive: Derive | None = None
    token_count = 0
    first_token_ns = 0
    written_running = False
    above: LiveSpan | None = None

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
        self.sampled = True
        self.raw: dict[str, bytes] | None = None
        self.error: dict[str, Any] | None = None
        self.events: list[tuple[int, str, bytes | None]] | None = None
        self.size = _BYTES_PER_SPAN
        """Bytes this holds, about: a flat charge, and what whoever fills it in adds for values,
        events and the like.
        """


def same_value(one: bytes | Encoded | Kept, other: bytes | Encoded | Kept) -> bool:
    """Tell whether two values were taken in the same form and are equal."""
    # Python may be told to complain where bytes are compared with a text (-bb).
    return type(one) is type(other) and one == other


def bytes_of(value: bytes | Encoded | Kept) -> int:
    """Return the bytes that a value takes in memory, about."""
    return (
        sum(map(len, value)) + _BYTES_PER_TEXT * len(value)
        if isinstance(value, tuple)
        else len(value)
    )
