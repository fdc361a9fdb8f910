"""Which traces are recorded: a share of them, and every one that failed, took long, or was scored.

A trace that is not among the share is held until its root ends, since only then is it known whether
it matters. What is held is bounded: the oldest trace goes when it is too much.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final
from uuid import UUID

from .live_span import LiveSpan

MAX_HELD_BYTES: Final = 32 * 1024 * 1024
"""Approximate bytes of spans that are held for traces that have not ended."""
_REMEMBERED: Final = 20_000
"""Traces whose fate is remembered, for spans that end after their root."""


class _HeldTrace:
    """The spans of a trace that has not ended."""

    def __init__(self) -> None:
        self.spans: list[LiveSpan] = []
        self.size = 0
        self.matters = False


class Sampling:
    """Decides about traces, by their ids at first and by what became of them at last.

    Args:
        sample_rate: share of traces that is recorded whatever becomes of them, from 0 to 1.
        keep_slower_than: seconds from which a trace is recorded all the same; None for no bound.
        count_fault: takes a note that a trace had to go before it ended.
    """

    def __init__(
        self,
        sample_rate: float,
        keep_slower_than: float | None,
        count_fault: Callable[[str], None],
    ) -> None:
        self._threshold = int(sample_rate * 2**32)
        self._slow_ns = None if keep_slower_than is None else int(keep_slower_than * 1e9)
        self._count_fault = count_fault
        self._lock = threading.Lock()
        self._held: dict[int, _HeldTrace] = {}
        self._size = 0
        self._decided: dict[int, bool] = {}

    def is_chosen(self, trace_id: UUID) -> bool:
        """Return True if a trace is recorded whatever becomes of it."""
        return (trace_id.int & 0xFFFFFFFF) < self._threshold

    def keep(self, trace_id: UUID) -> None:
        """Record a trace that has not ended: it was scored."""
        with self._lock:
            if trace_id.int not in self._decided:
                self._held.setdefault(trace_id.int, _HeldTrace()).matters = True

    def ended(self, span: LiveSpan) -> list[LiveSpan]:
        """Take a span of a trace that is not chosen; return the spans that are to be recorded
        now.
        """
        key = span.trace_id.int
        with self._lock:
            decision = self._decided.get(key)
            if decision is not None:
                return [span] if decision else []
            held = self._held.setdefault(key, _HeldTrace())
            held.spans.append(span)
            held.size += span.size
            self._size += span.size
            held.matters = held.matters or span.status == "error"
            if span.span_id == span.trace_id:
                return self._decide(key, held.matters or self._is_slow(span))
            return self._make_room()

    def _make_room(self) -> list[LiveSpan]:
        """Decide about the oldest traces before they end, where too much is held; return the spans
        of those that matter already.
        """
        kept: list[LiveSpan] = []
        while self._size > MAX_HELD_BYTES:
            oldest = next(iter(self._held))
            if not self._held[oldest].matters:
                self._count_fault("a trace outside the sample was given up before it ended")
            kept += self._decide(oldest, self._held[oldest].matters)
        return kept

    def _is_slow(self, root: LiveSpan) -> bool:
        if self._slow_ns is None or root.end_ns is None:
            return False
        return root.end_ns - root.start_ns >= self._slow_ns

    def _decide(self, key: int, decision: bool) -> list[LiveSpan]:
        held = self._held.pop(key)
        self._size -= held.size
        if len(self._decided) >= _REMEMBERED:
            self._decided.clear()
        self._decided[key] = decision
        return held.spans if decision else []

    def after_fork(self) -> None:
        """In a forked child: what is held belongs to the parent."""
        self._lock = threading.Lock()
        self._held, self._size = {}, 0
