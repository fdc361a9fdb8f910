"""Bytes of parts to span records, one for each line or row; what is not whole is named, not raised.

A part may be anybody's. Whatever else reads records relies on what is checked here: the types of
fields, the depth of values, the range of numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import orjson

from .._record.plurals import counted
from .._record.schema import ESSENTIAL, FIELDS, SCHEMA_VERSION, Record
from .._record.score import is_score
from .._record.shared_values import resolve_shared
from .._storage.keys import is_parquet
from ..exceptions import MissingExtraError
from .decompression import DecompressionError, decompressed
from .nesting import is_deep, may_be_deep
from .problems import Problem

_MAX_VERSION: Final = 2**15 - 1
"""What the column `schema_version` of a Parquet file holds."""


def parse_part(address: str, data: bytes, problems: list[Problem]) -> list[Record]:
    """Return the span records of one part, in order. Torn lines, lines that are no spans, and what
    is beyond the bounds of readers are added to `problems`.
    """
    if is_parquet(address):
        return parse_parquet(address, data, problems)
    try:
        data = decompressed(data)
    except DecompressionError as error:
        problems.append(Problem(address, str(error)))
        return []
    values = _load(address, data.splitlines(), problems)
    records = _checked(values, address, "lines", problems)
    if b'"$shared"' in data:
        _resolve(records, address, problems)
    newer = max((record["schema_version"] or 1 for record in records), default=1)
    if newer > SCHEMA_VERSION:
        reason = f"schema_version {newer} is newer than this package knows ({SCHEMA_VERSION})"
        problems.append(Problem(address, f"{reason}; read as far as known"))
    return records


def parse_parquet(
    address: str, data: bytes, problems: list[Problem], columns: Collection[str] | None = None
) -> list[Record]:
    """Return the span records of a Parquet file that `compact` or `export_spans` wrote; with
    `columns`, only these fields.
    """
    from .parquet import read_records

    try:
        records = read_records(data, None if columns is None else {*columns, *ESSENTIAL})
    except MissingExtraError:
        raise
    except Exception as error:
        reason = f"not a whole Parquet file of spans ({type(error).__name__}: {error})"
        problems.append(Problem(address, reason))
        return []
    return _checked(records, address, "rows", problems)


def _load(address: str, lines: Sequence[bytes], problems: list[Problem]) -> list[Any]:
    """The JSON values of lines."""
    try:
        # One call for the whole part: many times faster than one for each line, and right for all
        # but damaged parts.
        values: list[Any] = orjson.loads(b"[" + b",".join(lines) + b"]")
        numbers: Sequence[int] = range(1, len(values) + 1)
    except orjson.JSONDecodeError:
        values, numbers = _load_each(address, lines, problems)
    kept = lines if len(values) == len(lines) else [lines[number - 1] for number in numbers]
    _cut_deep_fields(address, zip(numbers, kept, values, strict=True), problems)
    return values


def _load_each(
    address: str, lines: Sequence[bytes], problems: list[Problem]
) -> tuple[list[Any], list[int]]:
    """The values of the lines that are JSON, and the numbers of these lines."""
    values: list[Any] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values.append(orjson.loads(line))
            numbers.append(number)
        except orjson.JSONDecodeError as error:
            torn = "torn last line" if number == len(lines) else f"no JSON ({error})"
            problems.append(Problem(address, torn, number))
    return values, numbers


def _cut_deep_fields(
    address: str, rows: Iterable[tuple[int, bytes, Any]], problems: list[Problem]
) -> None:
    """Leave out fields that are nested deeper than what is written, in the few lines that may have
    such.
    """
    for number, line, value in rows:
        if not may_be_deep(line) or not isinstance(value, dict):
            continue
        cut = [name for name, field in value.items() if is_deep(field)]
        if cut:
            value.update(dict.fromkeys(cut))
            reason = f"{', '.join(cut)}: nested too deeply to be read, and left out"
            problems.append(Problem(address, reason, number))


def _resolve(records: Sequence[Record], address: str, problems: list[Problem]) -> None:
    refused = resolve_shared(records)
    if refused:
        count = len({index for index, _ in refused})
        reason = "stand for more than what is read of one part, or lie too deep, and were left out"
        problems.append(Problem(address, f"references of {counted(count, 'span')} {reason}"))


# --- the types and ranges of fields ---------------------------------------------------------------
def _checked(
    values: Sequence[Any], address: str, noun: str, problems: list[Problem]
) -> list[Record]:
    """Return the span records among `values`; a field of theirs that is not what it must be, or
    that it lacks, is None.
    """
    records: list[Record] = []
    wrong: set[str] = set()
    for record in values:
        if type(record) is not dict:
            continue
        shape = (*record, *map(type, record.values()))
        missing = _good_shapes.get(shape)
        if missing is None:
            bad = [name for name, field in FIELDS.items() if _has_wrong_type(record, name)]
            if any(FIELDS[name].essential for name in bad):
                continue
            wrong.update(bad)
            missing = (*bad, *(FIELDS.keys() - record.keys()))
            if not bad and len(_good_shapes) < _MAX_SHAPES:
                _good_shapes[shape] = missing
        if missing:
            record.update(dict.fromkeys(missing))
        _check_values(record, wrong)
        records.append(record)
    if len(records) != len(values):
        lost = len(values) - len(records)
        problems.append(Problem(address, f"{lost:,} {noun} are no span records"))
    if wrong:
        fields = ", ".join(sorted(wrong))
        reason = "is of another type than that field's, and was left out"
        problems.append(Problem(address, f"what stood in {fields} {reason}"))
    return records


def _has_wrong_type(record: Record, name: str) -> bool:
    return type(record.get(name)) not in FIELDS[name].types


def _check_values(record: Record, wrong: set[str]) -> None:
    """Leave out what has the right type and no meaning: numbers out of range, events that are no
    objects.
    """
    duration, version, events = record["duration_ms"], record["schema_version"], record["events"]
    if duration is not None and not (-_MAX_MS < duration < _MAX_MS):
        wrong.add("duration_ms")
        record["duration_ms"] = None
    if version is not None and not 0 <= version <= _MAX_VERSION:
        wrong.add("schema_version")
        record["schema_version"] = None
    if events and not all([type(event) is dict for event in events]):  # noqa: C419 - faster
        wrong.add("events")
        record["events"] = [event for event in events if type(event) is dict]
    if record.get("scores") is not None:
        _check_scores(record, wrong)


def _check_scores(record: Record, wrong: set[str]) -> None:
    """Leave out what is no score: exports of scored spans have such a field, and anybody's may."""
    scores = record["scores"]
    good = [score for score in scores if is_score(score)] if isinstance(scores, list) else []
    if not isinstance(scores, list) or len(good) < len(scores):
        wrong.add("scores")
    for score in good:
        if not isinstance(score.get("span_id"), str):
            score["span_id"] = None
    record["scores"] = good or None


_MAX_MS: Final = float(10_000 * 366 * 86_400_000)
"""Milliseconds of all the years that Python knows."""

_good_shapes: dict[tuple[str | type, ...], tuple[str, ...]] = {}
"""Fields and their types, of records in which nothing was wrong, and what they lack. Most look
like another one.
"""
_MAX_SHAPES: Final = 4_096
