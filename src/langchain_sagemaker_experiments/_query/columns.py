"""A span record → its row in the index: narrow columns, previews, and where the record lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .._record.cells import json_text
from .._record.model_facts import MODEL_KINDS, first_token_ms_of, model_of, usage_of
from .._record.schema import ARCHITECTURE, CLOSED_BECAUSE, START_SEEN, Record
from .._record.times import moment_of

Preview = Callable[[Any, int], str]

PREVIEW: Final = 256
"""Characters kept of inputs, outputs and errors. The whole record is read at a click."""

SPAN_COLUMNS: Final[dict[str, str]] = {
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "kind": "VARCHAR",
    "name": "VARCHAR",
    "status": "VARCHAR",
    "start_us": "BIGINT",
    "end_us": "BIGINT",
    "duration_ms": "DOUBLE",
    "session_id": "VARCHAR",
    "user_id": "VARCHAR",
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "first_token_ms": "DOUBLE",
    "error": "VARCHAR",
    "inputs": "VARCHAR",
    "outputs": "VARCHAR",
    "text": "VARCHAR",
    "tags": "VARCHAR[]",
    "settings": "VARCHAR",
    "start_seen": "BOOLEAN",
    "given_up": "BOOLEAN",
    "run": "INTEGER",
    "part": "INTEGER",
    "line": "INTEGER",
}
"""Columns of the table `spans`, in their order, with their types in DuckDB. `text` is what a search
looks at: name, previews, error and model in lower case; the index makes it.
"""


def span_row(record: Record, preview: Preview) -> tuple[Any, ...]:
    """Return the columns of one span up to `given_up`; the index adds run, part and line."""
    attributes = record["attributes"] or {}
    metadata = record["metadata"] or {}
    is_model = record["kind"] in MODEL_KINDS
    usage = usage_of(attributes) if is_model else _NO_USAGE
    provider = attributes.get("gen_ai.provider.name")
    model = model_of(attributes) if is_model else None
    name, inputs, outputs = (
        preview(record["name"], 120),
        preview(record["inputs"], PREVIEW),
        preview(record["outputs"], PREVIEW),
    )
    failed = record["status"] == "error"
    error = failure_text(record["error"], preview) if failed else None
    return (
        record["trace_id"],
        record["span_id"],
        record["parent_span_id"],
        record["kind"],
        name,
        record["status"],
        microseconds_of(record["start_time"]),
        microseconds_of(record["end_time"]),
        record["duration_ms"],
        _short(record["session_id"]),
        _short(metadata.get("user_id")),
        model,
        provider if isinstance(provider, str) else None,
        *usage,
        first_token_ms_of(attributes),
        error,
        inputs,
        outputs,
        [str(tag)[:120] for tag in record["tags"] or ()],
        settings_of(attributes) if is_model else None,
        attributes.get(START_SEEN, True) is not False,
        CLOSED_BECAUSE in attributes,
    )


_SETTINGS: Final = ("gen_ai.request.", "sagemaker.", "gen_ai.provider.name")


def settings_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the parameters of a model call, as the comparison of runs shows them, as JSON."""
    found = {name: attributes[name] for name in sorted(attributes) if name.startswith(_SETTINGS)}
    return json_text(found) if found else None


_NO_USAGE: Final = (None, None, None, None, None)


def _short(value: Any) -> str | None:
    """Return a session or user as text of at most 200 characters; None where there is none."""
    return str(value)[:200] if value is not None and value != "" else None


def failure_text(error: Any, preview: Preview) -> str:
    """Return type and message of an error as one short line."""
    if not isinstance(error, Mapping):
        return "Error"
    return preview(f"{error.get('type', 'Error')}: {error.get('message', '')}", PREVIEW)


def microseconds_of(text: Any) -> int | None:
    """Return a time as whole microseconds since the epoch; None where it is none."""
    moment = moment_of(text)
    return round(moment.timestamp() * 1e6) if moment is not None else None


def is_graph(record: Record) -> bool:
    """Return True if a record is the graph of a runnable and no call."""
    return (record["attributes"] or {}).get(ARCHITECTURE) is True
