"""Spans → OTLP JSON: an `ExportTraceServiceRequest` as collectors take it, attributes after the
GenAI conventions.

Encoding rules of the OTLP specification ("JSON Protobuf Encoding"): ids as hex text, 64-bit numbers
as decimal text, enums as numbers, field names in lowerCamelCase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._analysis.traces import is_architecture, rows_of
from .._conventions.genai import (
    REMOTE_KINDS,
    SCHEMA_URL,
    attributes_of,
    events_of,
    span_id,
    span_name,
    trace_id,
)
from .._record.cells import has_value, json_bytes
from .._record.times import microseconds
from .._version import __version__

if TYPE_CHECKING:
    import pandas as pd

_INTERNAL: Final = 1  # SPAN_KIND_INTERNAL
_CLIENT: Final = 3  # SPAN_KIND_CLIENT: a call to something remote
_ERROR: Final = 2  # STATUS_CODE_ERROR
_LARGEST: Final = 2**63


def write(spans: pd.DataFrame, path: Path) -> None:
    """Write one request: a resource for each run, which names experiment and run."""
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows_of(spans):
        if not is_architecture(row):
            names = tuple(
                str(row[name]) if has_value(row.get(name)) else ""
                for name in ("experiment_name", "run_name")
            )
            runs.setdefault((names[0], names[1]), []).append(row)
    request = {
        "resourceSpans": [
            _resource(experiment, run, rows) for (experiment, run), rows in runs.items()
        ]
    }
    path.write_bytes(json_bytes(request) + b"\n")


def _resource(experiment: str, run: str, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    about = {
        "service.name": experiment or "langchain",
        "sagemaker.experiment_name": experiment,
        "sagemaker.run_name": run,
    }
    return {
        "resource": {"attributes": [_pair(name, value) for name, value in about.items() if value]},
        "scopeSpans": [
            {
                "scope": {"name": "langchain-sagemaker-experiments", "version": __version__},
                "spans": [span_of(row) for row in rows],
                "schemaUrl": SCHEMA_URL,
            }
        ],
    }


def span_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one span."""
    start = microseconds(row["start_time"]) or 0
    end = microseconds(row["end_time"])
    span: dict[str, Any] = {
        "traceId": trace_id(row["trace_id"]),
        "spanId": span_id(row["span_id"]),
        "name": span_name(row),
        "kind": _CLIENT if row["kind"] in REMOTE_KINDS else _INTERNAL,
        "startTimeUnixNano": str(start * 1_000),
        "endTimeUnixNano": str((end if end is not None else start) * 1_000),
        "attributes": [_pair(name, value) for name, value in attributes_of(row)],
        "events": list(_events(row)),
        "status": {},
    }
    if has_value(row["parent_span_id"]):
        span["parentSpanId"] = span_id(row["parent_span_id"])
    if row["status"] == "error":
        span["status"] = {"code": _ERROR, "message": str((row["error"] or {}).get("message", ""))}
    return span


def _events(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for at, name, attributes in events_of(row):
        yield {
            "timeUnixNano": str(at),
            "name": name,
            "attributes": [_pair(key, value) for key, value in attributes.items()],
        }


def _pair(name: str, value: Any) -> dict[str, Any]:
    return {"key": str(name), "value": _any_value(value)}


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        return {"intValue": str(value)}
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return {"doubleValue": value}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": [_pair(key, item) for key, item in value.items()]}}
    return {} if value is None else {"stringValue": str(value)}
