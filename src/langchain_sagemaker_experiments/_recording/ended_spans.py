"""Where ended spans belong, so that what comes after them still finds its trace."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from .live_span import LiveSpan

_GENERATION: Final = 20_000
"""Spans of one generation; two generations bound the memory."""


class EndedSpans:
    """Trace id and span id by the run id's integer, as far back as is remembered."""

    def __init__(self) -> None:
        self._newer: dict[int, UUID | tuple[UUID, UUID]] = {}
        self._older: dict[int, UUID | tuple[UUID, UUID]] = {}

    def __contains__(self, key: int) -> bool:
        return key in self._newer or key in self._older

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def add(self, span: LiveSpan) -> None:
        """Remember an ended span."""
        newer = self._newer
        # Most spans have their run's own id: then the trace's id, which is there already, is enough.
        newer[span.run_id.int] = (
            span.trace_id if span.span_id is span.run_id else (span.trace_id, span.span_id)
        )
        if len(newer) > _GENERATION:
            self._older = newer
            self._newer = {}

    def find(self, key: int) -> tuple[UUID, UUID] | None:
        """Return trace id and span id of a run that has ended; None where it is not remembered."""
        ids = self._newer.get(key) or self._older.get(key)
        return (ids, UUID(int=key)) if isinstance(ids, UUID) else ids
