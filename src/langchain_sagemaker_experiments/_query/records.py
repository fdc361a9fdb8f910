"""Whole records by their address in a part, for a click on a span, and texts for a search."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from .._reading.decompression import DecompressionError, decompressed
from .._reading.parquet import read_records
from .._reading.parse import parse_part
from .._reading.parts import Part, read_part
from .._record.merge import merge_records
from .._record.schema import Record
from .._storage.keys import is_parquet
from ..exceptions import SpanReadError

_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Bytes of parts kept in memory: neighbours of what was just looked at."""


class PartReader:
    """Reads parts, and keeps the last ones for a while. Any thread may use it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def bytes_of(self, part: Part, fingerprint: str) -> bytes:
        """Return the content of a part, unpacked if it is gzip.

        Raises:
            SpanReadError: it can't be read.
        """
        key = (part.address, fingerprint)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = _read(part)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = data
                self._size += len(data)
            while self._size > _KEPT_BYTES and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped)
        return data


def _read(part: Part) -> bytes:
    try:
        return decompressed(read_part(part).data)
    except DecompressionError as error:
        raise SpanReadError(f"{part.address} can't be read: {error}.") from error


def pick(address: str, data: bytes, places: list[dict[str, Any]], count: int) -> list[Record]:
    """Return the records of a part at these places, as the readers give them.

    Args:
        address: the part's.
        data: its content.
        places: `line`, a position among its sound records, and `trace_id`.
        count: how many sound records it had when it was indexed.
    """
    if is_parquet(address):
        traces = dict.fromkeys(place["trace_id"] for place in places)
        return [record for trace in traces for record in read_records(data, trace_id=trace)]
    wanted = {place["line"] for place in places}
    lines = data.splitlines()
    if len(lines) != count:  # Damaged lines: only a reading of all tells which line is which.
        records = parse_part(address, data, [])
        return [records[place] for place in sorted(wanted) if place < len(records)]
    chosen = set(wanted)
    if any(b'"$shared"' in lines[place] for place in wanted):
        chosen |= {place for place, line in enumerate(lines) if b'"shared":' in line}
    order = sorted(chosen)
    records = parse_part(address, b"\n".join(lines[place] for place in order), [])
    return [record for place, record in zip(order, records, strict=False) if place in wanted]


def merged(records: Iterable[Record]) -> list[Record]:
    """Return one record for each span, in order of their start."""
    return sorted(merge_records(records), key=lambda record: record.get("start_time") or "")
