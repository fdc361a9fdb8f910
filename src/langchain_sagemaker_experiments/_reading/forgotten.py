"""What is left of a file of spans or scores without what a tombstone forgets: for readers, `sync`,
and `forget` itself.

What is forgotten is whole traces: texts of a session stand in the inputs of spans that do not name
it.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from .._record.schema import Record
from .._record.shared_values import share_again
from .._record.times import moment_of, rfc3339
from .._storage.keys import is_parquet
from .._storage.tombstone import Tombstone, id_digest
from ..exceptions import MissingExtraError
from .decompression import DecompressionError, decompressed

_STRING: Final = rb'"(?:[^"\\]|\\.)*"'
_TRACES: Final = re.compile(rb'"trace_id"\s*:\s*(' + _STRING + rb")")
_SESSIONS: Final = re.compile(rb'"session_id"\s*:\s*(' + _STRING + rb")")
_USERS: Final = re.compile(rb'"user_id"\s*:\s*(' + _STRING + rb"|-?[0-9]+)")
_STARTS: Final = re.compile(rb'"start_time"\s*:\s*"([^"\\]*)"')
_PLAIN_TIME: Final = 27
"""Characters of a time as the record writes it."""
_MAX_BYTES: Final = 1 << 34
"""Bytes of a packed part that are unpacked to be written anew."""


@dataclass(frozen=True)
class Whose:
    """What tells whether a span or a score is forgotten."""

    trace_id: str
    span_id: str | None = None
    session_id: str | None = None
    user_id: Any = None
    start: str | None = None
    score_id: str | None = None


@dataclass
class Remainder:
    """What is left of a file.

    Attributes:
        data: its bytes; the same object where nothing was taken out.
        spans: ids of the spans that were taken out.
        scores: ids of the scores.
        traces: ids of the traces.
        rows: lines or rows that are left.
        unread: lines that nobody can read, so that it is not known whose they are.
    """

    data: bytes
    spans: set[str] = field(default_factory=set)
    scores: set[str] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)
    rows: int = 0
    unread: int = 0


def remaining(address: str, data: bytes, tombstone: Tombstone) -> bytes:
    """Return the bytes of a file without what is forgotten; as they are where there is none."""
    if is_parquet(address):
        try:
            return remainder(address, data, tombstone).data
        except MissingExtraError:
            raise
        except Exception:
            return data  # whoever parses it says what is wrong with it
    try:
        plain = decompressed(data)
    except DecompressionError:
        return data
    return remainder(address, data, tombstone).data if may_concern(plain, tombstone) else data


def remainder(address: str, data: bytes, tombstone: Tombstone) -> Remainder:
    """Return what is left of a file, and what was taken out.

    Raises:
        DecompressionError: it is packed and not whole.
        Exception: pyarrow's own, of a damaged Parquet file.
    """
    if is_parquet(address):
        return _of_rows(data, tombstone)
    plain = decompressed(data, _MAX_BYTES)
    found = _of_lines(plain, tombstone)
    if found.data is plain:
        found.data = data
    elif plain is not data:
        found.data = gzip.compress(found.data, mtime=0)
    return found


def rows_of(address: str, data: bytes) -> tuple[list[Whose], bool]:
    """Return whose the lines or rows of a file are, and whether that is known of all of them.

    Raises:
        DecompressionError: it is packed and not whole.
        Exception: pyarrow's own, of a damaged Parquet file.
    """
    if is_parquet(address):
        return [whose for _, group in _row_groups(_parquet_file(data)) for whose in group], True
    lines = decompressed(data, _MAX_BYTES).splitlines()
    rows = [_whose(_loaded(line)) for line in lines if line.strip()]
    known = [whose for whose in rows if whose is not None]
    return known, len(known) == len(rows)


def is_forgotten(whose: Whose, tombstone: Tombstone) -> bool:
    """Return True if a tombstone names a span or a score, by itself or by its trace."""
    if whose.trace_id in tombstone.traces:
        return True
    if whose.score_id is not None:
        return False
    start = _plain_time(whose.start)
    if tombstone.before is not None and start and start < tombstone.before:
        return True
    for value, digests in (
        (whose.session_id, tombstone.sessions),
        (whose.user_id, tombstone.users),
    ):
        if digests and value is not None:
            until = digests.get(id_digest(value))
            if until is not None and start < until:
                return True
    return False


def _plain_time(text: str | None) -> str:
    """A time as the record writes it; the beginning of time where there is none."""
    if text is None or (len(text) == _PLAIN_TIME and text[-1] == "Z"):
        return text or ""
    return rfc3339(moment_of(text)) or ""


def may_concern(plain: bytes, tombstone: Tombstone) -> bool:
    """Return False if JSON Lines hold nothing that is forgotten, which a look at ids tells."""
    if tombstone.traces and not tombstone.traces.isdisjoint(_texts(_TRACES, plain)):
        return True
    for pattern, digests in ((_SESSIONS, tombstone.sessions), (_USERS, tombstone.users)):
        if digests and not digests.keys().isdisjoint(map(id_digest, _texts(pattern, plain))):
            return True
    if tombstone.before is None:
        return False
    bound = tombstone.before.encode()
    return any(not start[:1].isdigit() or start < bound for start in set(_STARTS.findall(plain)))


def _texts(pattern: re.Pattern[bytes], plain: bytes) -> set[Any]:
    return {_loaded(text) for text in set(pattern.findall(plain))}


# --- JSON Lines -----------------------------------------------------------------------------------
def _of_lines(plain: bytes, tombstone: Tombstone) -> Remainder:
    lines = [line for line in plain.splitlines() if line.strip()]
    values = [_loaded(line) for line in lines]
    rows = [_whose(value) for value in values]
    traces = _forgotten_traces(rows, tombstone)
    found = Remainder(plain, traces=traces)
    kept: list[int] = []
    for place, whose in enumerate(rows):
        if whose is None:
            # A torn line begins with its ids.
            if values[place] is None and _begins_with(lines[place], traces, tombstone):
                continue
            found.unread += values[place] is None
            kept.append(place)
        elif whose.trace_id in traces:
            _count(found, whose)
        else:
            kept.append(place)
    found.rows = len(kept)
    if len(kept) < len(lines):
        found.data = b"".join(line + b"\n" for line in _written(kept, lines, values))
    return found


def _written(kept: Sequence[int], lines: Sequence[bytes], values: Sequence[Any]) -> list[bytes]:
    """The lines that stay: as they are, but for the values that they hold for one another."""
    staying = set(kept)
    records = [values[place] for place in kept if isinstance(values[place], dict)]
    places = [place for place in kept if isinstance(values[place], dict)]
    gone = [
        value
        for place, value in enumerate(values)
        if place not in staying and isinstance(value, dict)
    ]
    changed = {places[index] for index in share_again(records, gone)}
    return [_dump(values[place]) if place in changed else lines[place] for place in kept]


def _dump(record: Record) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:  # orjson reads deeper values than it writes
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _loaded(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _whose(value: Any) -> Whose | None:
    """Whose a parsed line is; None of what is neither a span nor a score."""
    if not isinstance(value, dict) or not isinstance(value.get("trace_id"), str):
        return None
    metadata = value.get("metadata")
    return Whose(
        value["trace_id"],
        _text(value.get("span_id")),
        _text(value.get("session_id")),
        metadata.get("user_id") if isinstance(metadata, dict) else None,
        _text(value.get("start_time")),
        # The result of an example in an evaluation lies among scores too.
        _text(value.get("score_id")) or _text(value.get("evaluation_id")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _begins_with(line: bytes, traces: set[str], tombstone: Tombstone) -> bool:
    named = _texts(_TRACES, line)
    return not traces.isdisjoint(named) or may_concern(line, tombstone)


def _forgotten_traces(rows: Iterable[Whose | None], tombstone: Tombstone) -> set[str]:
    return {row.trace_id for row in rows if row is not None and is_forgotten(row, tombstone)}


def _count(found: Remainder, whose: Whose) -> None:
    if whose.score_id is not None:
        found.scores.add(whose.score_id)
    else:
        found.spans.add(whose.span_id or "")


# --- Parquet --------------------------------------------------------------------------------------
_COLUMNS: Final = ("trace_id", "span_id", "session_id", "metadata", "start_time")


def _of_rows(data: bytes, tombstone: Tombstone) -> Remainder:
    from .parquet import COMPRESSION, pyarrow

    pa = pyarrow()
    file = _parquet_file(data)
    groups = list(_row_groups(file))
    traces = _forgotten_traces((row for _, rows in groups for row in rows), tombstone)
    found = Remainder(data, traces=traces, rows=file.metadata.num_rows)
    if not traces:
        return found
    found.rows = 0
    sink = io.BytesIO()
    with pa.parquet.ParquetWriter(sink, file.schema_arrow, **COMPRESSION) as writer:
        for group, rows in groups:
            stays = [row.trace_id not in traces for row in rows]
            found.rows += sum(stays)
            for row in rows:
                if row.trace_id in traces:
                    _count(found, row)
            if any(stays):
                writer.write_table(file.read_row_group(group).filter(pa.array(stays)))
    found.data = sink.getvalue()
    return found


def _parquet_file(data: bytes) -> Any:
    from .parquet import pyarrow

    pa = pyarrow()
    return pa.parquet.ParquetFile(pa.BufferReader(data))


def _row_groups(file: Any) -> Iterable[tuple[int, list[Whose]]]:
    """Number and rows of each row group. Rows that lack an id are nobody's."""
    names = [name for name in _COLUMNS if name in file.schema_arrow.names]
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=names)
        columns = {name: _values(table, name) for name in _COLUMNS}
        yield (
            group,
            [
                Whose(trace or "", span, _text(session), _user(metadata), _time(start))
                for trace, span, session, metadata, start in zip(*columns.values(), strict=True)
            ],
        )


def _values(table: Any, name: str) -> list[Any]:
    if name not in table.column_names:
        return [None] * table.num_rows
    values: list[Any] = table.column(name).to_pylist()
    return values


def _user(metadata: Any) -> Any:
    if not isinstance(metadata, str) or '"user_id"' not in metadata:
        return None
    value = _loaded(metadata.encode())
    return value.get("user_id") if isinstance(value, dict) else None


def _time(value: Any) -> str | None:
    return value if isinstance(value, str) else rfc3339(value)
