"""A span record under the names of OpenTelemetry's GenAI conventions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from .._record.cells import has_value, json_text
from .._record.score import number_of
from .._record.times import microseconds, moment_of
from .messages import input_messages, output_messages

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
MODEL_KINDS: Final = ("llm", "chat_model")
REMOTE_KINDS: Final = ("llm", "chat_model", "embedding", "retriever")
"""Kinds that call something remote."""


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


def span_name(row: Mapping[str, Any]) -> str:
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


def attributes_of(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
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
    given = input_messages(inputs) if kind in MODEL_KINDS else []
    answered = output_messages(outputs) if kind in MODEL_KINDS else []
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


def events_of(row: Mapping[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the events of a span, then its exception, then its scores: nanoseconds since 1970,
    name, attributes.
    """
    for event in row["events"] or ():
        at = microseconds(moment_of(event.get("time")))
        if at is None:
            continue
        told = event.get("attributes")
        attributes = dict(told) if isinstance(told, Mapping) else {"value": told}
        yield at * 1_000, str(event.get("name")), attributes
    error = row["error"]
    if isinstance(error, Mapping):
        at = microseconds(row["end_time"]) or microseconds(row["start_time"]) or 0
        names = {
            "exception.type": "type",
            "exception.message": "message",
            "exception.stacktrace": "stacktrace",
        }
        yield (
            at * 1_000,
            "exception",
            {name: str(error[field]) for name, field in names.items() if error.get(field)},
        )
    scores: Any = row.get("scores")
    for score in scores if has_value(scores) else ():
        at = microseconds(moment_of(score.get("time")))
        if at is not None:
            yield at * 1_000, "gen_ai.evaluation.result", _evaluation(score)


def _evaluation(score: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the conventions' event `gen_ai.evaluation.result`."""
    value, number = score.get("score"), number_of(score.get("score"))
    told = {
        "gen_ai.evaluation.name": score.get("key"),
        "gen_ai.evaluation.score.value": number,
        "gen_ai.evaluation.score.label": value if isinstance(value, str) else None,
        "gen_ai.evaluation.explanation": score.get("comment"),
        "error.type": (score.get("error") or {}).get("type"),
        "langchain.score.source": score.get("source"),
    }
    return {name: one for name, one in told.items() if one is not None}
