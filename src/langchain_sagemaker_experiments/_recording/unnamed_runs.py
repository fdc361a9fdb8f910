"""Runs of callbacks that were called by hand, without ids: they nest in the order they are called,
in each context on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from .ids import new_id
from .live_span import LiveSpan

_DEEPEST: Final = 100
"""Runs of one context that are remembered."""


class UnnamedRuns:
    """A stack of run ids for each context.

    Args:
        open_spans: the open spans by the run id's integer.
    """

    def __init__(self, open_spans: Mapping[int, LiveSpan]) -> None:
        self._open = open_spans
        self._stack: ContextVar[tuple[UUID, ...]] = ContextVar("unnamed_spans", default=())

    def start(self) -> tuple[UUID, UUID | None]:
        """Return an id for a new run, and the innermost open run of this context as its parent."""
        run_id = new_id()
        stack = self._stack.get()
        parent = next((earlier for earlier in reversed(stack) if earlier.int in self._open), None)
        self._stack.set((*stack[-_DEEPEST:], run_id))
        return run_id, parent

    def innermost(self, kinds: tuple[str, ...] = ()) -> LiveSpan | None:
        """Return the innermost open span of this context, or the innermost of some kinds."""
        for run_id in reversed(self._stack.get()):
            span = self._open.get(run_id.int)
            if span is not None and (not kinds or span.kind in kinds):
                return span
        return None
