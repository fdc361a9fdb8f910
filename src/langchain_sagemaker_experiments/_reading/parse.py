"""Bytes of parts → span records, one for each span; what is not whole is named, not raised."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .._encoding.encoder import TAKE
from .._record.cells import moment_of
from .._record.kept import SHARED
from .._record.schema import CLOSED_BECAUSE, LATE_END, SCHEMA_VERSION, START_SEEN
from ..exceptions import MissingExtraError

Record = dict[str, Any]

_ESSENTIAL: Final = ("span_id", "trace_id", "kind", "status")
_NONE: Final = type(None)
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(_ESSENTIAL, (str,)),
    **dict.fromkeys(
        ("parent_span_id", "name", "start_time", "end_time", "session_id"), (str, _NONE)
    ),
    **dict.fromkeys(("error", "attributes", "metadata", "component"), (dict, _NONE)),
    **dict.fromkeys(("events", "tags"), (list, _NONE)),
    "duration_ms": (float, int, _NONE),
    "schema_version": (int, _NONE),
}
"""What the fields of a record are. All that reads records goes by it, so it is seen to here, where
data comes in.
"""
_MAX_SHOWN: Final = 5


@dataclass(frozen=True)
class Problem:
    """Something that could not be read: where, and why."""

    address: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.address}, line {self.line}" if self.line is not None else self.address
        return f"{place}: {self.reason}"


def parse_part(address: str, data: bytes, problems: list[Problem]) -> list[Record]:
    """Return the span records of one part, in order. Torn lines and lines that are no spans are
    added to `problems`.
    """
    if address.endswith(".parquet"):
        return parse_parquet(address, data, problems)
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            problems.append(Problem(address, f"not a whole gzip file ({error})"))
            return []
    lines = data.splitlines()
    try:
        # One call for the whole part: many times faster than one for each line, and right for all
        # but damaged parts.
        records = orjson.loads(b"[" + b",".join(lines) + b"]") if lines else []
    except orjson.JSONDecodeError:
        records = _parse_lines(address, lines, problems)
    good = _sound(records, address, "lines", problems)
    if b'"$shared"' in data:
        _resolve_shared(good)
    newer = {
        version
        for record in good
        if (version := record.get("schema_version") or 1) > SCHEMA_VERSION
    }
    if newer:
        problems.append(
            Problem(
                address,
                f"schema_version {max(newer)} is newer than this package knows ({SCHEMA_VERSION}); read as far as known",
            )
        )
    return good


def parse_parquet(
    address: str, data: bytes, problems: list[Problem], columns: set[str] | None = None
) -> list[Record]:
    """Return the span records of a Parquet file that `compact` or `export_spans` wrote; with
    `columns`, only these fields.
    """
    from .parquet import read_records

    try:
        records = read_records(data, None if columns is None else columns.union(_ESSENTIAL))
    except MissingExtraError:
        raise
    except Exception as error:
        problems.append(
            Problem(address, f"not a whole Parquet file of spans ({type(error).__name__}: {error})")
        )
        return []
    return _sound(records, address, "rows", problems)


def _parse_lines(address: str, lines: list[bytes], problems: list[Problem]) -> list[Any]:
    records: list[Any] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            torn = "torn last line" if number == len(lines) else f"no JSON ({error})"
            problems.append(Problem(address, torn, number))
    return records


def _resolve_shared(records: list[Record]) -> None:
    """Put what a part holds once, in `shared` fields, where it is referred to: long texts, and
    lists that grew.
    """
    shared: dict[str, Any] = {}
    for record in records:
        held = record.pop("shared", None)
        if isinstance(held, dict):
            shared.update(held)
    for key, value in shared.items():
        if isinstance(value, list):
            shared[key] = _resolved(value, shared)
    for record in records:
        for name in ("inputs", "outputs"):
            record[name] = _resolved(record.get(name), shared)


def _resolved(value: Any, shared: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if SHARED in value and len(value) == 1:
            key = value[SHARED]
            return shared.get(key, value) if isinstance(key, str) else value
        return {key: _resolved(item, shared) for key, item in value.items()}
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            taken = _taken(item, shared)
            if taken is None:
                items.append(_resolved(item, shared))
            else:
                items += taken
        return items
    return value


def _taken(item: Any, shared: dict[str, Any]) -> list[Any] | None:
    """The items of a shared list that stand in the place of this one; None where it is an item
    itself.
    """
    if not isinstance(item, dict) or len(item) != 2 or TAKE not in item or SHARED not in item:
        return None
    found, count = shared.get(item[SHARED]) if isinstance(item[SHARED], str) else None, item[TAKE]
    return found[:count] if isinstance(found, list) and isinstance(count, int) else None


def _sound(records: list[Any], address: str, what: str, problems: list[Problem]) -> list[Record]:
    """Return the span records among `records`; a field of theirs that is not what it must be, or
    that it lacks, is None.
    """
    found: list[Record] = []
    mended: set[str] = set()
    for record in records:
        if type(record) is not dict:
            continue
        shape = (*record, *map(type, record.values()))
        missing = _sound_shapes.get(shape)
        if missing is None:
            wrong = [name for name, types in _TYPES.items() if type(record.get(name)) not in types]
            if any(name in _ESSENTIAL for name in wrong):
                continue
            mended.update(wrong)
            missing = (*wrong, *(_TYPES.keys() - record.keys()))
            if not wrong and len(_sound_shapes) < _MAX_SHAPES:
                _sound_shapes[shape] = missing
        if missing:
            record.update(dict.fromkeys(missing))
        events = record.get("events")
        if events and not all([type(event) is dict for event in events]):  # noqa: C419 - a generator takes twice the time
            mended.add("events")
            record["events"] = [event for event in events if type(event) is dict]
        found.append(record)
    if len(found) != len(records):
        problems.append(Problem(address, f"{len(records) - len(found)} {what} are no span records"))
    if mended:
        fields = ", ".join(sorted(mended))
        problems.append(
            Problem(
                address,
                f"what stood in {fields} is of another type than that field's, and was left out",
            )
        )
    return found


_sound_shapes: dict[tuple[str | type, ...], tuple[str, ...]] = {}
"""Fields and their types, of records in which nothing was wrong → what they lack. Most records look
like another one.
"""
_MAX_SHAPES: Final = 4_096


def merge_records(records: Iterable[Record]) -> list[Record]:
    """Return one record for each span, in the order the spans first came.

    A finished record wins over a running one, and of two equal ones the one that ended later. A
    record whose start was not seen (the late end of a span that had been given up) gives its end to
    the record that has the start.
    """
    merged: dict[str, Record] = {}
    for record in records:
        key = record["span_id"]
        known = merged.get(key)
        merged[key] = record if known is None else _better(known, record)
    return list(merged.values())


def _better(one: Record, other: Record) -> Record:
    for late, whole in ((one, other), (other, one)):
        if not _start_seen(late) and _start_seen(whole):
            return _joined(whole, late)
    if (one["status"] == "running") != (other["status"] == "running"):
        return other if one["status"] == "running" else one
    return other if (other.get("end_time") or "") >= (one.get("end_time") or "") else one


def _start_seen(record: Record) -> bool:
    return (record.get("attributes") or {}).get(START_SEEN, True) is not False


def _joined(whole: Record, late: Record) -> Record:
    given_up = CLOSED_BECAUSE in (whole.get("attributes") or {}) or whole["status"] == "running"
    joined = dict(whole)
    if given_up:
        attributes = {**(whole.get("attributes") or {}), **(late.get("attributes") or {})}
        for name in (CLOSED_BECAUSE, START_SEEN, LATE_END):
            attributes.pop(name, None)
        joined.update(status=late["status"], end_time=late.get("end_time"), attributes=attributes)
        joined["duration_ms"] = _milliseconds(whole.get("start_time"), late.get("end_time"))
    for name in ("outputs", "error"):
        if joined.get(name) is None or (given_up and late.get(name) is not None):
            joined[name] = late.get(name)
    return joined


def _milliseconds(start: str | None, end: str | None) -> float | None:
    begin, finish = moment_of(start), moment_of(end)
    return (
        round((finish - begin).total_seconds() * 1e3, 3)
        if begin is not None and finish is not None
        else None
    )


def describe(problems: list[Problem]) -> str:
    """Return a few lines that say what was not read."""
    shown = "\n  ".join(str(problem) for problem in problems[:_MAX_SHOWN])
    more = f"\n  and {len(problems) - _MAX_SHOWN} more" if len(problems) > _MAX_SHOWN else ""
    return (
        f"{len(problems)} problems while reading spans; everything else was read:\n  {shown}{more}"
    )
