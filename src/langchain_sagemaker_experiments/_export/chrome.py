"""Spans to Chrome's Trace Event Format, JSON object form: what ui.perfetto.dev and chrome://tracing
open.

A trace is a process, named after its root. Its spans are complete events (`ph: X`) on tracks, which
the format calls threads: on one track events must nest or follow one another, so a span that
    overlaps its neighbour without lying in it goes to
another track. Events of a span (first token, retries) are instants (`ph: i`) on its track. Times
are whole microseconds.

Source of the rules: "Trace Event Format", the document of the Chromium project.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._analysis.traces import group_by_trace, rows_of
from .._record.cells import has_value, json_bytes
from .._record.model_facts import first_token_ms_of
from .._record.schema import Record
from .._record.times import microseconds, moment_of
from .._version import __version__

if TYPE_CHECKING:
    import pandas as pd

_SLACK_US: Final = 1_000
"""A child's clock may be read a moment after its parent's was: an end later by less than this is
set to the parent's.
"""
_COLORS: Final = {
    "error": "terrible",
    "interrupted": "bad",
    "cancelled": "grey",
    "running": "vsync_highlight_color",
}


def write(spans: pd.DataFrame, path: Path) -> None:
    """Write all traces, a process each."""
    about = {
        "displayTimeUnit": "ms",
        "otherData": {"producer": f"langchain-sagemaker-experiments {__version__}"},
    }
    with path.open("wb") as file:
        file.write(json_bytes(about)[:-1] + b',"traceEvents":[\n')
        first = True
        for number, group in enumerate(group_by_trace(rows_of(spans)).values(), 1):
            for event in events_of(group, number):
                file.write(b"" if first else b",\n")
                file.write(json_bytes(event))
                first = False
        file.write(b"\n]}\n")


class _Bar:
    """A span on its way to a track.

    Attributes:
        above: the bar of the span's parent, if it is in the trace.
        depth: how many bars are above it.
        first: its number when all bars are counted from the top down, each before those below it.
        last: the greatest of these numbers below it.
    """

    __slots__ = ("above", "depth", "end", "first", "last", "record", "start", "track")

    def __init__(self, record: Record, start: int, end: int) -> None:
        self.record, self.start, self.end = record, start, end
        self.above: _Bar | None = None
        self.depth = self.first = self.last = self.track = 0

    def lies_below(self, other: _Bar) -> bool:
        """Return True if `other` is the parent, or above the parent."""
        return other.first < self.first <= other.last


def events_of(group: list[Record], process: int) -> Iterator[dict[str, Any]]:
    """Yield the events of one trace."""
    bars = _bars(group)
    tracks = _assign_tracks(bars)
    name = str(bars[0].record["name"]) if bars else "trace"
    yield {
        "ph": "M",
        "name": "process_name",
        "pid": process,
        "tid": 0,
        "args": {"name": f"{name} {group[0]['trace_id']}"},
    }
    yield {
        "ph": "M",
        "name": "process_sort_index",
        "pid": process,
        "tid": 0,
        "args": {"sort_index": process},
    }
    for track in range(tracks):
        shown = name if track == 0 else f"concurrent {track}"
        yield {
            "ph": "M",
            "name": "thread_name",
            "pid": process,
            "tid": track + 1,
            "args": {"name": shown},
        }
    for bar in bars:
        yield _complete(bar, process)
        yield from _instants(bar, process)


def _bars(group: list[Record]) -> list[_Bar]:
    """The spans of a trace in order of their start, longer ones first: a parent before what lies in
    it.
    """
    ends = [microseconds(record["end_time"]) for record in group]
    latest = max((at for at in ends if at is not None), default=0)
    by_id: dict[str, _Bar] = {}
    for record, end in zip(group, ends, strict=True):
        start = microseconds(record["start_time"])
        if start is not None:
            end = end if end is not None else latest
            by_id[record["span_id"]] = _Bar(record, start, max(start, end))
    ordered = _from_the_top(by_id)
    for bar in ordered:
        if bar.above is not None and bar.above.end < bar.end <= bar.above.end + _SLACK_US:
            bar.end = max(bar.start, bar.above.end)
    return sorted(ordered, key=lambda bar: (bar.start, -bar.end, bar.depth))


def _from_the_top(by_id: dict[str, _Bar]) -> list[_Bar]:
    """The bars, each after its parent, with depth and numbers set. Damage may have made circles:
    such a one is opened at any of its bars.
    """
    children: dict[str, list[_Bar]] = {}
    roots: list[_Bar] = []
    for bar in by_id.values():
        parent = bar.record["parent_span_id"]
        if parent in by_id and parent != bar.record["span_id"]:
            children.setdefault(parent, []).append(bar)
        else:
            roots.append(bar)
    ordered: list[_Bar] = []
    numbered: set[str] = set()
    for root in (*roots, *by_id.values()):
        if root.record["span_id"] not in numbered:
            _number_below(root, children, ordered, numbered)
    return ordered


def _number_below(
    root: _Bar, children: dict[str, list[_Bar]], ordered: list[_Bar], numbered: set[str]
) -> None:
    waiting: list[tuple[_Bar, _Bar | None, bool]] = [(root, None, False)]
    while waiting:
        bar, above, done = waiting.pop()
        if done:
            bar.last = len(ordered)
            continue
        span_id = bar.record["span_id"]
        if span_id in numbered:
            continue
        numbered.add(span_id)
        ordered.append(bar)
        bar.above, bar.first = above, len(ordered)
        bar.depth = above.depth + 1 if above is not None else 0
        waiting.append((bar, above, True))
        waiting += [(child, bar, False) for child in children.get(span_id, ())]


def _assign_tracks(bars: list[_Bar]) -> int:
    """Give each bar its track, its parent's where that has room, else the first empty one; return
    how many tracks there are.
    """
    tracks: list[list[_Bar]] = []  # of each track the bars that are open, one within the other
    busy: list[tuple[int, int]] = []  # end of a track's outermost bar, and the track
    empty: list[int] = []
    for bar in bars:
        while busy and busy[0][0] <= bar.start:
            number = heapq.heappop(busy)[1]
            if not _open_bars(tracks[number], bar.start):
                heapq.heappush(empty, number)
        home = bar.above.track if bar.above is not None else 0
        if home < len(tracks) and _has_room(tracks[home], bar):
            bar.track = home
        else:
            bar.track = _first_empty(empty, tracks)
        if not tracks[bar.track]:
            heapq.heappush(busy, (bar.end, bar.track))
        tracks[bar.track].append(bar)
    return len(tracks)


def _first_empty(empty: list[int], tracks: list[list[_Bar]]) -> int:
    while empty:
        number = heapq.heappop(empty)
        if not tracks[number]:  # its own bars may have come back to it meanwhile
            return number
    tracks.append([])
    return len(tracks) - 1


def _open_bars(track: list[_Bar], moment: int) -> list[_Bar]:
    """Close what has ended on a track, and return what is open."""
    while track and track[-1].end <= moment:
        track.pop()
    return track


def _has_room(track: list[_Bar], bar: _Bar) -> bool:
    """Return True if a track is empty, or its innermost bar is above this one and lasts as long:
    within a stranger it would look like a call of that one.
    """
    if not _open_bars(track, bar.start):
        return True
    return bar.end <= track[-1].end and bar.lies_below(track[-1])


def _complete(bar: _Bar, process: int) -> dict[str, Any]:
    record = bar.record
    fields = (
        "span_id",
        "parent_span_id",
        "status",
        "inputs",
        "outputs",
        "error",
        "attributes",
        "metadata",
        "tags",
        "session_id",
        "scores",
    )
    event = {
        "ph": "X",
        "name": str(record["name"]),
        "cat": str(record["kind"]),
        "ts": bar.start,
        "dur": bar.end - bar.start,
        "pid": process,
        "tid": bar.track + 1,
        "args": {
            name: record[name] for name in fields if name in record and has_value(record[name])
        },
    }
    color = _COLORS.get(str(record["status"]))
    if color is not None:
        event["cname"] = color
    return event


def _instants(bar: _Bar, process: int) -> Iterator[dict[str, Any]]:
    events = list(bar.record["events"] or ())
    first = first_token_ms_of(bar.record["attributes"])
    if first is not None and not any(event.get("name") == "first_token" for event in events):
        yield _instant("first_token", bar, bar.start + round(first * 1e3), process, {})
    for event in events:
        at = microseconds(moment_of(event.get("time")))
        if at is not None:
            yield _instant(str(event.get("name")), bar, at, process, event.get("attributes") or {})


def _instant(name: str, bar: _Bar, at: int, process: int, args: Any) -> dict[str, Any]:
    return {
        "ph": "i",
        "s": "t",
        "name": name,
        "cat": "event",
        "ts": at,
        "pid": process,
        "tid": bar.track + 1,
        "args": args,
    }
