"""Spans → OTLP JSON: an `ExportTraceServiceRequest` as collectors take it, attributes after the
GenAI conventions.

Encoding rules of the OTLP specification ("JSON Protobuf Encoding"): ids as hex text, 64-bit numbers
as decimal text, enums as numbers, field names in lowerCamelCase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._analysis.traces import is_architecture, rows_of
from .._record.cells import has_value, json_bytes, json_text
from .._record.times import microseconds, moment_of
from .._version import __version__
from .messages import input_messages, output_messages

if TYPE_CHECKING:
    import pandas as pd

_SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
_INTERNAL: Final = 1  # SPAN_KIND_INTERNAL
_CLIENT: Final = 3  # SPAN_KIND_CLIENT: a call to something remote
_ERROR: Final = 2  # STATUS_CODE_ERROR
_REMOTE: Final = ("llm", "chat_model", "embedding", "retriever")
_MODELS: Final = ("llm", "chat_model")
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
                "schemaUrl": _SCHEMA_URL,
            }
        ],
    }


def trace_id(text: str) -> str:
    """Return a run id as the 32 hex digits of an OTLP trace id: a UUID's own, of any other text a
    hash.
    """
    try:
        return UUID(text).hex
    except ValueError:
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def span_id(text: str) -> str:
    """Return a span id as 16 hex digits: a hash, since the halves of two UUIDs of one moment may be
    the same.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def span_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one span."""
    start = microseconds(row["start_time"]) or 0
    end = microseconds(row["end_time"])
    span: dict[str, Any] = {
        "traceId": trace_id(row["trace_id"]),
        "spanId": span_id(row["span_id"]),
        "name": _name(row),
        "kind": _CLIENT if row["kind"] in _REMOTE else _INTERNAL,
        "startTimeUnixNano": str(start * 1_000),
        "endTimeUnixNano": str((end if end is not None else start) * 1_000),
        "attributes": [_pair(name, value) for name, value in _attributes(row)],
        "events": list(_events(row)),
        "status": {},
    }
    if has_value(row["parent_span_id"]):
        span["parentSpanId"] = span_id(row["parent_span_id"])
    if row["status"] == "error":
        span["status"] = {"code": _ERROR, "message": str((row["error"] or {}).get("message", ""))}
    return span


def _name(row: Mapping[str, Any]) -> str:
    """Operation and model or tool, as the conventions name spans; the span's own name where there
    is no operation.
    """
    attributes = row["attributes"] or {}
    operation = attributes.get("gen_ai.operation.name")
    target = (
        attributes.get("gen_ai.request.model")
        or attributes.get("gen_ai.tool.name")
        or attributes.get("gen_ai.agent.name")
    )
    return f"{operation} {target or row['name']}" if operation else str(row["name"])


def _attributes(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from (row["attributes"] or {}).items()
    yield "langchain.kind", row["kind"]
    yield "langchain.name", row["name"]
    yield "langchain.status", row["status"]
    yield "langchain.span_id", row["span_id"]
    if row["tags"]:
        yield "langchain.tags", [str(tag) for tag in row["tags"]]
    for name, value in (row["metadata"] or {}).items():
        yield f"langchain.metadata.{name}", value
    yield from _contents(row)


def _contents(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What went in and out, as JSON text: messages of models, arguments and results of tools, else
    our own names.
    """
    kind, inputs, outputs = row["kind"], row["inputs"], row["outputs"]
    given = input_messages(inputs) if kind in _MODELS else []
    answered = output_messages(outputs) if kind in _MODELS else []
    names = (
        ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result")
        if kind == "tool"
        else ("langchain.inputs", "langchain.outputs")
    )
    if given:
        yield "gen_ai.input.messages", json_text(given)
    elif has_value(inputs):
        yield names[0], json_text(inputs)
    if answered:
        yield "gen_ai.output.messages", json_text(answered)
    elif has_value(outputs):
        yield names[1], json_text(outputs)


def _events(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for event in row["events"] or ():
        at = microseconds(moment_of(event.get("time")))
        if at is None:
            continue
        attributes = (
            event.get("attributes")
            if isinstance(event.get("attributes"), Mapping)
            else {"value": event.get("attributes")}
        )
        yield {
            "timeUnixNano": str(at * 1_000),
            "name": str(event.get("name")),
            "attributes": [_pair(name, value) for name, value in attributes.items()],
        }
    error = row["error"]
    if isinstance(error, Mapping):
        at_ns = (microseconds(row["end_time"]) or microseconds(row["start_time"]) or 0) * 1_000
        names = {
            "exception.type": "type",
            "exception.message": "message",
            "exception.stacktrace": "stacktrace",
        }
        told = [_pair(name, str(error[field])) for name, field in names.items() if error.get(field)]
        yield {"timeUnixNano": str(at_ns), "name": "exception", "attributes": told}


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
