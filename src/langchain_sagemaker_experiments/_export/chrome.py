"""Spans → Chrome's Trace Event Format, JSON object form: what ui.perfetto.dev and chrome://tracing
open.

A trace is a process, named after its root. Its spans are complete events (`ph: X`) on tracks, which
the format calls threads: on one track events must nest or follow one another, so a span that
    overlaps its neighbour without lying in it goes to
another track. Events of a span (first token, retries) are instants (`ph: i`) on its track. Times
are whole microseconds.

Source of the rules: "Trace Event Format", the document of the Chromium project.
"""

from __future__ import annotations

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
    """A span on its way to a track."""

    __slots__ = ("above", "end", "record", "start", "track")

    def __init__(self, record: Record, start: int, end: int) -> None:
        self.record, self.start, self.end = record, start, end
        self.above: _Bar | None = None
        self.track = 0


def events_of(group: list[Record], process: int) -> Iterator[dict[str, Any]]:
    """Yield the events of one trace."""
    bars = _bars(group)
    tracks = _place(bars)
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
    latest = max(
        (at for at in (microseconds(record["end_time"]) for record in group) if at is not None),
        default=0,
    )
    known_bars: dict[str, _Bar] = {}
    for record in group:
        start = microseconds(record["start_time"])
        if start is None:
            continue
        end = microseconds(record["end_time"])
        known_bars[record["span_id"]] = _Bar(
            record, start, max(start, end if end is not None else latest)
        )
    for bar in known_bars.values():
        bar.above = known_bars.get(bar.record["parent_span_id"])
        if bar.above is bar:
            bar.above = None
    depths = {span_id: _depth(bar) for span_id, bar in known_bars.items()}
    ordered = sorted(known_bars.values(), key=lambda bar: depths[bar.record["span_id"]])
    for bar in ordered:
        if bar.above is not None and bar.above.end < bar.end <= bar.above.end + _SLACK_US:
            bar.end = max(bar.start, bar.above.end)
    return sorted(ordered, key=lambda bar: (bar.start, -bar.end, depths[bar.record["span_id"]]))


def _depth(bar: _Bar) -> int:
    depth, above, seen = 0, bar.above, {id(bar)}
    while above is not None and id(above) not in seen:
        seen.add(id(above))
        depth, above = depth + 1, above.above
    return depth


def _place(bars: list[_Bar]) -> int:
    """Give each bar its track, its parent's where that is free; return how many tracks there
    are.
    """
    tracks: list[list[_Bar]] = []  # of each track the bars that are open, one within the other
    for bar in bars:
        home = bar.above.track if bar.above is not None else 0
        candidates = (
            [home, *(number for number in range(len(tracks)) if number != home)] if tracks else []
        )
        bar.track = next(
            (number for number in candidates if _fits(tracks[number], bar)), len(tracks)
        )
        if bar.track == len(tracks):
            tracks.append([])
        tracks[bar.track].append(bar)
    return len(tracks)


def _fits(track: list[_Bar], bar: _Bar) -> bool:
    while track and track[-1].end <= bar.start:
        track.pop()
    if not track:
        return True
    # Within its own parent or another one above it; within a stranger it would look like a call of
    # that one.
    return bar.end <= track[-1].end and _lies_below(bar, track[-1])


def _lies_below(bar: _Bar, other: _Bar) -> bool:
    above, seen = bar.above, {id(bar)}
    while above is not None and id(above) not in seen:
        if above is other:
            return True
        seen.add(id(above))
        above = above.above
    return False


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
