"""Open spans by run id: parents, times and statuses. Knows no LangChain, no AWS.

The hot path takes no lock: a dictionary's single operations are atomic, and a run's own events come
one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from .._record.limits import (
    DEFAULT_ABANDONED_AFTER,
    DEFAULT_MAX_OPEN_SPANS,
    MAX_EVENTS_PER_SPAN,
)
from .._record.schema import CLOSED_BECAUSE, LATE_END, START_SEEN, Status
from .current_trace import latest_trace
from .ended_spans import EndedSpans
from .ids import as_uuid, new_id
from .live_span import LiveSpan
from .sampling import Sampling
from .unnamed_runs import UnnamedRuns

_wall = time.time_ns
_clock = time.perf_counter_ns

_BYTES_PER_EVENT: Final = 120
_ROOT_FACTOR: Final = 24
"""A root that never ends is given this many times as long as its descendants before it is closed as
cancelled.
"""


class OpenSpans:
    """Keeps the open spans and hands each to `sink` when it ends.

    Args:
        sink: takes a finished span.
        max_open_spans: spans open at a time; beyond it the oldest is closed as cancelled.
        abandoned_after: seconds after which an open span whose root has ended is closed as
            cancelled at a flush; a root that never ends gets 24 times as long.
        sampling: decides which traces are recorded; None records all.
    """

    def __init__(
        self,
        sink: Callable[[LiveSpan], None],
        *,
        max_open_spans: int = DEFAULT_MAX_OPEN_SPANS,
        abandoned_after: float = DEFAULT_ABANDONED_AFTER,
        sampling: Sampling | None = None,
    ) -> None:
        self.sink = sink
        self.by_run: dict[int, LiveSpan] = {}
        """Keyed by the run id's integer, whose hash is an order cheaper than the UUID's own."""
        self.unnamed = UnnamedRuns(self.by_run)
        self._ended = EndedSpans()
        self._max_open = max_open_spans
        self._abandoned_ns = int(abandoned_after * 1e9)
        self.sampling = sampling
        self._shadowed: dict[int, list[LiveSpan]] = {}
        # The innermost span this context's code runs in, for children whose own parent was never
        # seen.
        self._inside: ContextVar[LiveSpan | None] = ContextVar("inside_span", default=None)

    def start(
        self, run_id: UUID | None, parent_run_id: UUID | None, kind: str, name: str
    ) -> LiveSpan:
        """Open a span and return it, for the caller to fill in."""
        if run_id is None:
            run_id, above = self.unnamed.start()
            parent_run_id = parent_run_id or above
        try:
            key = run_id.int
        except AttributeError:
            run_id = as_uuid(run_id)
            key = run_id.int
        span_id = run_id
        by_run, ended = self.by_run, self._ended
        if key in by_run or key in ended.newer or key in ended.older:
            span_id = self._another_id(key)
        if parent_run_id is None:
            span = LiveSpan(run_id, span_id, span_id, None, kind, name, _wall(), _clock())
            latest_trace.set(span_id)
        else:
            span = self._child(run_id, span_id, parent_run_id, kind, name)
        if self.sampling is not None:
            span.tentative = not self.sampling.is_chosen(span.trace_id)
        by_run[key] = span
        if len(by_run) > self._max_open:
            self._close_oldest()
        return span

    def _child(
        self, run_id: UUID, span_id: UUID, parent_run_id: UUID, kind: str, name: str
    ) -> LiveSpan:
        try:
            parent = self.by_run.get(parent_run_id.int)
        except AttributeError:
            parent_run_id = as_uuid(parent_run_id)
            parent = self.by_run.get(parent_run_id.int)
        if parent is not None:
            ids = (parent.trace_id, parent.span_id)
            span = LiveSpan(run_id, span_id, *ids, kind, name, _wall(), _clock())
            span.traceparent = parent.traceparent
            return span
        ids = self._ended.find(parent_run_id.int) or self._adoptive_parent(parent_run_id)
        span = LiveSpan(run_id, span_id, *ids, kind, name, _wall(), _clock())
        if ids[1] != parent_run_id:
            span.attributes = {"langchain.parent_run_id": str(parent_run_id)}
        return span

    def enter(self, span: LiveSpan) -> None:
        """Note that the code which follows in this context runs inside `span`."""
        span.above = self._innermost_open()
        self._inside.set(span)

    def _innermost_open(self) -> LiveSpan | None:
        inside = self._inside.get()
        while inside is not None and inside.end_ns is not None:
            inside = inside.above
        return inside

    def _adoptive_parent(self, parent_run_id: UUID) -> tuple[UUID, UUID]:
        """Return trace and parent for a span whose own parent was never seen.

        A handler given to single objects (`OpenAI(callbacks=[...])`) does not see what lies between
        them. The span then belongs to the innermost one this context runs in; without one, the
        unseen parent's id stands for the trace.
        """
        inside = self._innermost_open()
        if inside is not None:
            return inside.trace_id, inside.span_id
        return parent_run_id, parent_run_id

    def _another_id(self, key: int) -> UUID:
        """A run id came a second time: return an id of its own for the new span, so that neither
        record hides the other.
        """
        before = self.by_run.get(key)
        if before is not None:
            self._shadowed.setdefault(key, []).append(before)
        return new_id()

    def current(self, run_id: UUID | None, kinds: tuple[str, ...] = ()) -> LiveSpan | None:
        """Return the open span of a run; without an id the innermost unnamed one of `kinds`."""
        if run_id is None:
            return self.unnamed.innermost(kinds)
        try:
            return self.by_run.get(run_id.int)
        except AttributeError:
            return self.by_run.get(as_uuid(run_id).int)

    def end(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        status: Status,
        kinds: tuple[str, ...],
    ) -> LiveSpan:
        """Close a run's span and return it, for the caller to fill in; `close` must follow.

        An end without a start makes a span of no length (attribute `langchain.start_seen` false),
        so that its outputs are kept.
        """
        now = _clock()
        span = (
            self.by_run.pop(run_id.int, None)
            if type(run_id) is UUID
            else self._pop_by_hand(run_id, kinds)
        )
        if span is not None:
            span.end_ns = now
            if self._shadowed:
                self._uncover(span.run_id.int)
            if self._inside.get() is span:
                self._inside.set(span.above)
        else:
            span = self._without_start(run_id, parent_run_id, kinds[0])
        span.status = status
        return span

    def _without_start(
        self, run_id: UUID | None, parent_run_id: UUID | None, kind: str
    ) -> LiveSpan:
        run_id = as_uuid(run_id) if run_id is not None else new_id()
        # The late end of a span that was closed as abandoned is that span again: readers put the
        # two records together.
        before = self._ended.find(run_id.int)
        span = self.start(run_id, parent_run_id, kind, kind)
        self.by_run.pop(run_id.int, None)
        span.end_ns = span.start_ns
        span.attributes = {START_SEEN: False}
        if before is not None:
            span.trace_id, span.span_id = before
            span.attributes[LATE_END] = True
        return span

    def _pop_by_hand(self, run_id: UUID | None, kinds: tuple[str, ...]) -> LiveSpan | None:
        span = self.current(run_id, kinds)
        return self.by_run.pop(span.run_id.int, None) if span is not None else None

    def _uncover(self, key: int) -> None:
        shadowed = self._shadowed.get(key)
        if shadowed:
            self.by_run[key] = shadowed.pop()
            if not shadowed:
                del self._shadowed[key]

    def close(self, span: LiveSpan) -> None:
        """Hand a span that has ended to the sink, and remember its ids for what comes late."""
        self._ended.add(span)
        if not span.tentative or self.sampling is None:
            self.sink(span)
            return
        for kept in self.sampling.ended(span):
            self.sink(kept)

    def is_out_of_order(self, span: LiveSpan) -> bool:
        """Return True if a span ends while a child is open, or after its parent: never in normal
        work.
        """
        others = list(self.by_run.values())
        if any(other.parent_span_id == span.span_id for other in others):
            return True
        return span.parent_span_id is not None and all(
            other.span_id != span.parent_span_id for other in others
        )

    def add_event(
        self, span: LiveSpan, name: str, data: bytes | None = None, time_ns: int | None = None
    ) -> None:
        """Add a time-stamped event to a span; past the bound it is only counted."""
        if span.events is None:
            span.events = []
        if len(span.events) >= MAX_EVENTS_PER_SPAN:
            dropped = (span.attributes or {}).get("langchain.dropped_events", 0)
            span.set_attribute("langchain.dropped_events", dropped + 1)
            return
        span.events.append((time_ns if time_ns is not None else _clock(), name, data))
        span.size += _BYTES_PER_EVENT + (len(data) if data is not None else 0)

    def running(self) -> list[LiveSpan]:
        """Return the open spans that no flush has written yet, and mark them as written."""
        waiting = [
            span
            for span in list(self.by_run.values())
            if not span.tentative and not span.written_running
        ]
        for span in waiting:
            span.written_running = True
        return waiting

    def after_fork(self) -> None:
        """In a forked child: what is open or held belongs to the parent, which writes it."""
        for span in list(self.by_run.values()):
            span.written_running = True
        if self.sampling is not None:
            self.sampling.after_fork()

    def close_abandoned(self) -> int:
        """Close spans that will not end any more, by the bound of `abandoned_after`, as cancelled;
        return how many.
        """
        now = _clock()
        spans = list(self.by_run.values())
        open_ids = {span.span_id for span in spans}
        count = 0
        for span in spans:
            is_root = span.trace_id == span.span_id
            patience = self._abandoned_ns
            if is_root or span.trace_id in open_ids:
                patience *= _ROOT_FACTOR
            if now - span.start_ns > patience:
                count += self._cancel(span, "never ended")
        return count

    def _close_oldest(self) -> None:
        try:
            span = next(iter(self.by_run.values()))
        except (StopIteration, RuntimeError):
            return  # another thread has just emptied or changed the dictionary
        self._cancel(span, f"more than {self._max_open} spans open at a time")

    def _cancel(self, span: LiveSpan, why: str) -> int:
        if self.by_run.pop(span.run_id.int, None) is None:
            return 0
        span.end_ns = _clock()
        span.status = "cancelled"
        span.attributes = {**(span.attributes or {}), CLOSED_BECAUSE: why}
        self.close(span)
        return 1
