"""Where ended spans belong, so that what comes after them still finds its trace."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from .live_span import LiveSpan

_GENERATION: Final = 20_000
"""Spans of one generation; two generations bound the memory."""


class EndedSpans:
    """Trace id and span id by the run id's integer, as far back as is remembered.

    Attributes:
        newer: the ids of the latest spans; a span with its run's own id holds the trace's id alone.
        older: those of the generation before.
    """

    def __init__(self) -> None:
        self.newer: dict[int, UUID | tuple[UUID, UUID]] = {}
        self.older: dict[int, UUID | tuple[UUID, UUID]] = {}

    def __len__(self) -> int:
        return len(self.newer) + len(self.older)

    def add(self, span: LiveSpan) -> None:
        """Remember an ended span."""
        newer = self.newer
        newer[span.run_id.int] = (
            span.trace_id if span.span_id is span.run_id else (span.trace_id, span.span_id)
        )
        if len(newer) > _GENERATION:
            self.older = newer
            self.newer = {}

    def find(self, key: int) -> tuple[UUID, UUID] | None:
        """Return trace id and span id of a run that has ended; None where it is not remembered."""
        ids = self.newer.get(key) or self.older.get(key)
        return (ids, UUID(int=key)) if isinstance(ids, UUID) else ids
