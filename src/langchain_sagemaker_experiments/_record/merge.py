"""Records of one span put together: a running one and its end, an end whose start was given up."""

from __future__ import annotations

from collections.abc import Iterable

from .schema import CLOSED_BECAUSE, LATE_END, START_SEEN, Record
from .times import milliseconds_between


def merge_records(records: Iterable[Record]) -> list[Record]:
    """Return one record for each span, in the order the spans first came.

    A finished record wins over a running one, and of two equal ones the one that ended later. A
    record whose start was not seen (the late end of a span that had been given up) gives its end to
    the record that has the start.
    """
    merged: dict[str, Record] = {}
    for record in records:
        key = record["span_id"]
        before = merged.get(key)
        merged[key] = record if before is None else merge_pair(before, record)
    return list(merged.values())


def merge_pair(first: Record, second: Record) -> Record:
    """Return one record of two of the same span."""
    for late, whole in ((first, second), (second, first)):
        if not _start_seen(late) and _start_seen(whole):
            return _with_end(whole, late)
    if (first["status"] == "running") != (second["status"] == "running"):
        return second if first["status"] == "running" else first
    return second if (second.get("end_time") or "") >= (first.get("end_time") or "") else first


def _start_seen(record: Record) -> bool:
    return (record.get("attributes") or {}).get(START_SEEN, True) is not False


def _with_end(whole: Record, late: Record) -> Record:
    """The record that has the start, with what the late end adds to it."""
    given_up = CLOSED_BECAUSE in (whole.get("attributes") or {}) or whole["status"] == "running"
    joined = dict(whole)
    if given_up:
        attributes = {**(whole.get("attributes") or {}), **(late.get("attributes") or {})}
        for name in (CLOSED_BECAUSE, START_SEEN, LATE_END):
            attributes.pop(name, None)
        joined.update(status=late["status"], end_time=late.get("end_time"), attributes=attributes)
        joined["duration_ms"] = milliseconds_between(whole.get("start_time"), late.get("end_time"))
    for name in ("outputs", "error"):
        if joined.get(name) is None or (given_up and late.get(name) is not None):
            joined[name] = late.get(name)
    return joined
