"""Open spans by run id: who is whose parent, when it started and ended, and what became of it.
Knows no LangChain, no AWS.

The hot path takes no lock: a dictionary's single operations are atomic, and a run's own events come
    one after the other.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

from .._record.limits import DEFAULT_ABANDONED_AFTER, DEFAULT_MAX_OPEN_SPANS, MAX_EVENTS_PER_SPAN
from .._record.schema import CLOSED_BECAUSE, LATE_END, START_SEEN, Status
from .live_span import LiveSpan

_wall = time.time_ns
_clock = time.perf_counter_ns

_CLOSED_GENERATION: Final = 20_000
_BYTES_PER_EVENT: Final = 120
_ROOT_FACTOR: Final = 24
"""A root that never ends is given this many times as long as its descendants before it is closed as
cancelled.
"""


latest_trace: ContextVar[UUID | None] = ContextVar("latest_trace", default=None)
"""The trace that began last in this context. Calls within a trace see it too: contexts inherit."""


def current_trace_id() -> str | None:
    """Return the id of the trace that this code runs in, else of the last one that began here.

    Inside a recorded call or a span by hand it is the id of their trace, after `chain.invoke(…)` the
    id of that call's trace: what an application hands out so that its users can score the answer.
    Contexts as of `contextvars`: tasks and requests do not see each other's. None if there is
    none, or if `sample_rate` left the trace out.
    """
    found = latest_trace.get()
    return str(found) if found is not None else None


def new_id() -> UUID:
    """Return a random id. Cheaper than `uuid4`, which asks the operating system each time; ids are
    no secrets.
    """
    return UUID(int=(random.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (4 << 76) | (2 << 62))


def as_uuid(value: object) -> UUID:
    """Return a run id as UUID: ids given by hand may be text, and text that is no UUID maps to the
    same one each time.
    """
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, str(value))


class Recorder:
    """Keeps the open spans and hands each to `sink` when it ends.

    Args:
        sink: takes a finished span.
        max_open_spans: spans open at a time; beyond it the oldest is closed as cancelled.
        abandoned_after: seconds after which an open span whose root has ended is closed as
            cancelled at a flush; a root that never ends gets 24 times as long.
        sample_rate: share of traces that is recorded, from 0 to 1, decided by the trace's id so
            that a trace is whole.
    """

    def __init__(
        self,
        sink: Callable[[LiveSpan], None],
        *,
        max_open_spans: int = DEFAULT_MAX_OPEN_SPANS,
        abandoned_after: float = DEFAULT_ABANDONED_AFTER,
        sample_rate: float = 1.0,
    ) -> None:
        self.sink = sink
        self._max_open = max_open_spans
        self._abandoned_ns = int(abandoned_after * 1e9)
        self._threshold = int(sample_rate * 2**32)
        self._sampling = sample_rate < 1.0
        # Keyed by the id's integer, whose hash is an order cheaper than the UUID's own.
        self.open: dict[int, LiveSpan] = {}
        # Ended spans, so that children which come later still find their trace. Two generations
        # bound the memory.
        self._closed: dict[int, UUID | tuple[UUID, UUID]] = {}
        self._closed_before: dict[int, UUID | tuple[UUID, UUID]] = {}
        # Callbacks called by hand give no ids; they nest in the order they are called, in each
        # context on its own.
        self._unnamed: ContextVar[tuple[UUID, ...]] = ContextVar("unnamed_spans", default=())
        self._shadowed: dict[int, list[LiveSpan]] = {}
        # The innermost span this context's code runs in, for children whose own parent was never
        # seen.
        self._inside: ContextVar[LiveSpan | None] = ContextVar("inside_span", default=None)

    def start(
        self, run_id: UUID | None, parent_run_id: UUID | None, kind: str, name: str
    ) -> LiveSpan:
        """Open a span and return it, for the caller to fill in."""
        if run_id is None:
            run_id, parent_run_id = self._start_unnamed(parent_run_id)
        try:
            key = run_id.int
        except AttributeError:
            run_id = as_uuid(run_id)
            key = run_id.int
        span_id = run_id
        if key in self._closed or key in self.open or key in self._closed_before:
            span_id = self._take_again(key)
        if parent_run_id is None:
            span = LiveSpan(run_id, span_id, span_id, None, kind, name, _wall(), _clock())
            latest_trace.set(span_id)
        else:
            try:
                parent = self.open.get(parent_run_id.int)
            except AttributeError:
                parent_run_id = as_uuid(parent_run_id)
                parent = self.open.get(parent_run_id.int)
            if parent is not None:
                span = LiveSpan(
                    run_id, span_id, parent.trace_id, parent.span_id, kind, name, _wall(), _clock()
                )
            else:
                trace_id, parent_id = self._place(parent_run_id.int) or self._adoptive(
                    parent_run_id
                )
                span = LiveSpan(run_id, span_id, trace_id, parent_id, kind, name, _wall(), _clock())
                if parent_id != parent_run_id:
                    span.attributes = {"langchain.parent_run_id": str(parent_run_id)}
        if self._sampling:
            span.sampled = (span.trace_id.int & 0xFFFFFFFF) < self._threshold
            if not span.sampled and parent_run_id is None:
                latest_trace.set(None)
        self.open[key] = span
        if len(self.open) > self._max_open:
            self._drop_oldest()
        return span

    def enter(self, span: LiveSpan) -> None:
        """Note that the code which follows in this context runs inside `span`."""
        above = self._inside.get()
        while above is not None and above.end_ns is not None:
            above = above.above
        span.above = above
        self._inside.set(span)

    def _adoptive(self, parent_run_id: UUID) -> tuple[UUID, UUID]:
        """Trace and parent for a span whose own parent was never seen.

        A handler given to single objects (`OpenAI(callbacks=[...])`) does not see what lies between
        them. The span then belongs to the innermost one this context runs in; without one, the
        unseen parent's id stands for the trace.
        """
        inside = self._inside.get()
        while inside is not None and inside.end_ns is not None:
            inside = inside.above
        return (
            (inside.trace_id, inside.span_id)
            if inside is not None
            else (parent_run_id, parent_run_id)
        )

    def _start_unnamed(self, parent_run_id: UUID | None) -> tuple[UUID, UUID | None]:
        run_id = new_id()
        stack = self._unnamed.get()
        parent = next((known for known in reversed(stack) if known.int in self.open), None)
        self._unnamed.set((*stack[-100:], run_id))
        return run_id, parent_run_id or parent

    def _take_again(self, key: int) -> UUID:
        """A run id came a second time: the new span gets an id of its own, so that neither record
        hides the other.
        """
        before = self.open.get(key)
        if before is not None:
            self._shadowed.setdefault(key, []).append(before)
        return new_id()

    def _place(self, key: int) -> tuple[UUID, UUID] | None:
        """Trace and span id of a run that has ended, as far back as is remembered."""
        place = self._closed.get(key) or self._closed_before.get(key)
        return (place, UUID(int=key)) if isinstance(place, UUID) else place

    def current(self, run_id: UUID | None, kinds: tuple[str, ...] = ()) -> LiveSpan | None:
        """Return the open span of a run; without an id the innermost one opened by hand that is of
        one of `kinds`.
        """
        if run_id is not None:
            try:
                return self.open.get(run_id.int)
            except AttributeError:
                return self.open.get(as_uuid(run_id).int)
        for known in reversed(self._unnamed.get()):
            span = self.open.get(known.int)
            if span is not None and (not kinds or span.kind in kinds):
                return span
        return None

    def end(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        status: Status,
        kinds: tuple[str, ...],
        name: str,
    ) -> LiveSpan:
        """Close a run's span and return it, for the caller to fill in; `close` must follow.

        An end without a start makes a span of no length (attribute `langchain.start_seen` false),
        so that its outputs are kept.
        """
        now = _clock()
        span = (
            self.open.pop(run_id.int, None)
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
            span = self._unstarted(run_id, parent_run_id, kinds[0], name)
        span.status = status
        return span

    def _unstarted(
        self, run_id: UUID | None, parent_run_id: UUID | None, kind: str, name: str
    ) -> LiveSpan:
        run_id = as_uuid(run_id) if run_id is not None else new_id()
        # The late end of a span that was closed as abandoned is that span again: readers put the
        # two records together.
        known = self._place(run_id.int)
        span = self.start(run_id, parent_run_id, kind, name)
        self.open.pop(run_id.int, None)
        if known is not None:
            span.trace_id, span.span_id = known
        span.end_ns = span.start_ns
        span.attributes = {START_SEEN: False}
        if known is not None:
            span.attributes[LATE_END] = True
        return span

    def _pop_by_hand(self, run_id: UUID | None, kinds: tuple[str, ...]) -> LiveSpan | None:
        span = self.current(run_id, kinds)
        return self.open.pop(span.run_id.int, None) if span is not None else None

    def _uncover(self, key: int) -> None:
        before = self._shadowed.get(key)
        if before:
            self.open[key] = before.pop()
            if not before:
                del self._shadowed[key]

    def close(self, span: LiveSpan) -> None:
        """Hand a span that has ended to the sink, and remember its place for children that come
        late.
        """
        closed = self._closed
        # Most spans bear their run's own id: then the trace's id, which is there already, says it
        # all.
        closed[span.run_id.int] = (
            span.trace_id if span.span_id is span.run_id else (span.trace_id, span.span_id)
        )
        if len(closed) > _CLOSED_GENERATION:
            self._closed_before = closed
            self._closed = {}
        if span.sampled:
            self.sink(span)

    def out_of_order(self, span: LiveSpan) -> bool:
        """Tell whether a span that is ending does so while a child is open, or after its parent:
        never in normal work.
        """
        others = list(self.open.values())
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
            attributes = span.attributes = span.attributes or {}
            attributes["langchain.dropped_events"] = (
                attributes.get("langchain.dropped_events", 0) + 1
            )
            return
        span.events.append((time_ns if time_ns is not None else _clock(), name, data))
        span.size += _BYTES_PER_EVENT + (len(data) if data is not None else 0)

    def running(self) -> list[LiveSpan]:
        """Return the open spans that no flush has written yet, and mark them as written."""
        found = [
            span for span in list(self.open.values()) if span.sampled and not span.written_running
        ]
        for span in found:
            span.written_running = True
        return found

    def close_abandoned(self) -> int:
        """Close spans that will not end any more, by the bound of `abandoned_after`, as cancelled;
        return how many.
        """
        now = _clock()
        spans = list(self.open.values())
        open_ids = {span.span_id for span in spans}
        count = 0
        for span in spans:
            is_root = span.trace_id == span.span_id
            patience = (
                self._abandoned_ns * _ROOT_FACTOR
                if is_root or span.trace_id in open_ids
                else self._abandoned_ns
            )
            if now - span.start_ns > patience:
                count += self._cancel(span, "never ended")
        return count

    def _drop_oldest(self) -> None:
        try:
            span = next(iter(self.open.values()))
        except (
            StopIteration,
            RuntimeError,
        ):  # another thread has just emptied or changed the dictionary
            return
        self._cancel(span, f"more than {self._max_open} spans open at a time")

    def _cancel(self, span: LiveSpan, why: str) -> int:
        if self.open.pop(span.run_id.int, None) is None:
            return 0
        span.end_ns = _clock()
        span.status = "cancelled"
        span.attributes = {**(span.attributes or {}), CLOSED_BECAUSE: why}
        self.close(span)
        return 1


def attribute(span: LiveSpan, name: str, value: Any) -> None:
    """Set one attribute of a span."""
    if span.attributes is None:
        span.attributes = {}
    span.attributes[name] = value
