"""A search in the whole texts of a source: part by part, the newest first, hits as they come."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any, Final

import orjson

from .._reading.decompression import DecompressionError, decompressed
from .._reading.parse import parse_part
from .._reading.parts import Part, read_part
from .._record.cells import json_bytes
from .._storage.keys import is_parquet
from ..exceptions import SpanReadError
from .span_index import SpanIndex

_KEPT: Final = 8
"""Searches whose hits are kept for the filter `found`."""


class Searches:
    """Runs searches, and keeps the hits of the last ones as the table `live.found`."""

    def __init__(self, index: SpanIndex) -> None:
        self._index = index
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def run(self, text: str, parts: list[Part]) -> Iterator[dict[str, Any]]:
        """Search, and yield after each part `search` (its number for the filter), `done`, `total`
        and `hits`, how many traces were found so far.
        """
        number = next(self._numbers)
        self._forget(number - _KEPT)
        hits: set[str] = set()
        yield {"search": str(number), "done": 0, "total": len(parts), "hits": 0}
        for done, part in enumerate(reversed(parts), 1):
            fresh = _traces_with(text, part) - hits
            hits |= fresh
            if fresh:
                self._keep(number, fresh)
            yield {"search": str(number), "done": done, "total": len(parts), "hits": len(hits)}

    def _keep(self, number: int, traces: set[str]) -> None:
        with self._lock:
            self._index.ask(
                "INSERT INTO live.found SELECT ?, unnest(?::VARCHAR[])",
                [str(number), sorted(traces)],
            )

    def _forget(self, number: int) -> None:
        if number > 0:
            with self._lock:
                self._index.ask("DELETE FROM live.found WHERE search = ?", [str(number)])


def needles(text: str) -> list[bytes]:
    """Return a text as JSON may write it, in lower case: as it is, and in escapes."""
    plain = orjson.dumps(text.lower())[1:-1]
    escaped = text.lower().encode("ascii", "backslashreplace") if not text.isascii() else plain
    return list(dict.fromkeys((plain, escaped.replace(b"\\x", b"\\u00"))))


def _traces_with(text: str, part: Part) -> set[str]:
    try:
        data = decompressed(read_part(part).data)
    except (
        SpanReadError,
        DecompressionError,
    ):  # compacted or removed meanwhile: what took its place has the spans
        return set()
    wanted = needles(text)
    if is_parquet(part.address) or b'"$shared"' in data:
        records = parse_part(part.address, data, [])
        return {
            record["trace_id"]
            for record in records
            if any(needle in _lower(json_bytes(record)) for needle in wanted)
        }
    lowered = _lower(data)
    found: set[str] = set()
    for needle in wanted:
        found |= _traces_at(data, lowered, needle)
    return found


def _lower(data: bytes) -> bytes:
    if data.isascii():
        return data.lower()
    return data.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


def _traces_at(data: bytes, lowered: bytes, needle: bytes) -> set[str]:
    """Return the traces of the lines that hold a text. Where lower case has another length, lines
    are counted, which stay the same.
    """
    found: set[str] = set()
    lines = data.splitlines() if len(lowered) != len(data) else None
    at = lowered.find(needle)
    while at >= 0:
        begin = lowered.rfind(b"\n", 0, at) + 1
        end = lowered.find(b"\n", at)
        end = len(lowered) if end < 0 else end
        line = data[begin:end] if lines is None else lines[lowered.count(b"\n", 0, begin)]
        trace = _trace_id(line)
        if trace is not None:
            found.add(trace)
        at = lowered.find(needle, end)
    return found


def _trace_id(line: bytes) -> str | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    trace = record.get("trace_id") if isinstance(record, dict) else None
    return trace if isinstance(trace, str) else None
