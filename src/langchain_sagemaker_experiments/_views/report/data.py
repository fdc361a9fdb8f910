"""Spans to what the page holds: an index with a row for each trace, and blocks of whole spans, read
when a trace is opened.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from ..._analysis.preview import one_line, preview
from ..._analysis.prices import call_cost
from ..._analysis.traces import scores_of, trace_row
from ..._reading import COLUMNS
from ..._record.cells import has_value
from ..._record.schema import Record
from ..._record.times import microseconds
from .calls import call_facts, user_of

_BLOCK_BYTES: Final = 512 * 1024
"""Spans lie in blocks of about this many bytes of JSON: small enough to open at once, large enough
to compress well.
"""
_PREVIEW: Final = 160
_GZIP_LEVEL: Final = 6
_SPAN_FIELDS: Final = tuple(
    name
    for name in COLUMNS
    if name not in ("start_time", "end_time", "schema_version", "experiment_name", "run_name")
)


def dump(value: Any) -> bytes:
    """Return JSON bytes of any value, as the page can read it: whole numbers beyond 53 bits, which
    it can't, as text.
    """
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
    try:
        return orjson.dumps(value, default=str, option=options | orjson.OPT_STRICT_INTEGER)
    except TypeError:
        # As it is, not in escapes, so that the page's search finds it; but lone surrogates, which
        # UTF-8 has no place for.
        return json.dumps(_exact(value), default=str, ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )


def _exact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


def pack(data: bytes) -> str:
    """Return bytes as the page holds them: gzip in base64."""
    return base64.b64encode(gzip.compress(data, _GZIP_LEVEL, mtime=0)).decode("ascii")


def milliseconds(moment: Any) -> float | None:
    """Return a UTC timestamp as milliseconds since the epoch, to the microsecond."""
    at = microseconds(moment)
    return at / 1e3 if at is not None else None


class Blocks:
    """Collects the spans of traces, and packs them block by block."""

    def __init__(self) -> None:
        self.packed: list[str] = []
        self._waiting: list[bytes] = []
        self._size = 0

    def add(self, spans: Iterable[Record]) -> int:
        """Add the spans of one trace; return the number of its block."""
        number = len(self.packed)
        for span in spans:
            line = dump(_span(span))
            self._waiting.append(line)
            self._size += len(line)
        if self._size >= _BLOCK_BYTES:
            self.close()
        return number

    def close(self) -> None:
        """Pack what waits."""
        if self._waiting:
            self.packed.append(pack(b"[" + b",".join(self._waiting) + b"]"))
        self._waiting, self._size = [], 0


def _span(record: Record) -> dict[str, Any]:
    """Return what the page shows of a span, its cost among it."""
    span = {name: value if has_value(value := record.get(name)) else None for name in _SPAN_FIELDS}
    span["start"] = milliseconds(record.get("start_time"))
    span["end"] = milliseconds(record.get("end_time"))
    if isinstance(record.get("scores"), list):
        span["scores"] = record["scores"]
    cost = call_cost(record)
    if cost is not None:
        span["cost"] = cost
    return span


def index_rows(groups: Mapping[str, list[Record]], blocks: Blocks) -> dict[str, list[Any]]:
    """Return the columns of the trace table, and add the spans of each trace to `blocks`."""
    columns: dict[str, list[Any]] = {}
    firsts = [group[0] for group in groups.values()]
    labels = run_labels((first.get("experiment_name"), first.get("run_name")) for first in firsts)
    for trace_id, group in groups.items():
        row = trace_row(group)
        session = row["session_id"]
        shown = {
            "trace_id": trace_id,
            "name": one_line(row["name"], 120),
            "kind": row["kind"],
            "status": row["status"],
            "start": milliseconds(row["start_time"]),
            "duration": row["duration_ms"] if has_value(row["duration_ms"]) else None,
            "inputs": preview(row["inputs"], _PREVIEW),
            "outputs": preview(row["outputs"], _PREVIEW),
            "model": row["model"] or "",
            "input_tokens": row["input_tokens"],
            "output_tokens": row["output_tokens"],
            "spans": row["spans"],
            "errors": row["errors"],
            "error": one_line(row["error"], _PREVIEW) if row["error"] else "",
            "session": one_line(session, 120) if session else "",
            "user": one_line(user_of(group), 120),
            **call_facts(group),
            "scores": scores_of(group),
            "tags": ", ".join(str(tag) for tag in row["tags"])
            if isinstance(row["tags"], (list, tuple))
            else "",
            "run": labels[whose(row["experiment_name"], row["run_name"])],
            "experiment": row["experiment_name"] or "",
            "run_name": row["run_name"] or "",
            "block": blocks.add(group),
        }
        for name, value in shown.items():
            columns.setdefault(name, []).append(value)
    blocks.close()
    return columns


def run_labels(names: Iterable[tuple[Any, Any]]) -> dict[tuple[str, str], str]:
    """Return what to call each run: its name, with its experiment's before it where there are
    several; empty where unknown.
    """
    runs = {whose(*pair) for pair in names}
    several = len({experiment for experiment, _ in runs}) > 1
    return {
        (experiment, run): " / ".join(filter(None, (experiment if several else "", run)))
        for experiment, run in runs
    }


def whose(experiment_name: Any, run_name: Any) -> tuple[str, str]:
    """Return the names of experiment and run; empty where a DataFrame holds none."""
    return (
        experiment_name if isinstance(experiment_name, str) else "",
        run_name if isinstance(run_name, str) else "",
    )
