"""The span record: its version, kinds, statuses, fields and columns, each said once.

`docs/record.md` describes the format for users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

SCHEMA_VERSION: Final = 1

Record = dict[str, Any]
"""One span as it was written or read: the names of `FIELDS` → values."""

# Attributes of the record that say how a span was seen; readers put records together by them.
START_SEEN: Final = "langchain.start_seen"
"""False on the record of an end whose start was not seen."""
LATE_END: Final = "langchain.late_end"
"""True where that end belongs to a span that was recorded before."""
CLOSED_BECAUSE: Final = "langchain.closed_because"
"""Why a span that never ended was closed as cancelled."""
ARCHITECTURE: Final = "langchain.architecture"
"""True on a record that is no call but the graph of a runnable, in `component`, from
`log_architecture`.
"""

Kind = Literal[
    "chain",
    "llm",
    "chat_model",
    "tool",
    "agent",
    "retriever",
    "prompt",
    "parser",
    "embedding",
    "evaluator",
    "custom",
]
KINDS: Final[frozenset[str]] = frozenset(get_args(Kind))

Status = Literal["ok", "error", "interrupted", "cancelled", "running"]
FINAL_STATUSES: Final = ("ok", "error", "interrupted", "cancelled")
"""All statuses but that of a span which is still open."""

Column = Literal["text", "time", "number", "integer", "json"]
"""How a table holds a field: as text, as a UTC timestamp, as a floating-point number, as a small
whole number, or as JSON text (in a DataFrame: as the Python value).
"""


@dataclass(frozen=True)
class Field:
    """A field of the record.

    Attributes:
        column: how tables hold it.
        types: types of its JSON values; None stands for what is not known.
        essential: a record without it is not a span record.
    """

    column: Column
    types: tuple[type, ...]
    essential: bool = False


_NONE: Final = type(None)
_TEXT: Final = Field("text", (str, _NONE))
_ESSENTIAL: Final = Field("text", (str,), essential=True)
_TIME: Final = Field("time", (str, _NONE))
_ANY: Final = Field("json", (str, int, float, bool, dict, list, _NONE))
_OBJECT: Final = Field("json", (dict, _NONE))
_LIST: Final = Field("json", (list, _NONE))

FIELDS: Final[dict[str, Field]] = {
    "trace_id": _ESSENTIAL,
    "span_id": _ESSENTIAL,
    "parent_span_id": _TEXT,
    "kind": _ESSENTIAL,
    "name": _TEXT,
    "status": _ESSENTIAL,
    "start_time": _TIME,
    "end_time": _TIME,
    "duration_ms": Field("number", (float, int, _NONE)),
    "session_id": _TEXT,
    "inputs": _ANY,
    "outputs": _ANY,
    "error": _OBJECT,
    "attributes": _OBJECT,
    "events": _LIST,
    "tags": _LIST,
    "metadata": _OBJECT,
    "component": _OBJECT,
    "schema_version": Field("integer", (int, _NONE)),
}
"""The record's fields, in the order of tables."""

OWNERS: Final = ("experiment_name", "run_name")
"""Columns that say whose a span is. The place of a part tells them; an exported record has them.
"""
COLUMNS: Final = (*FIELDS, *OWNERS)
"""Columns of a table of spans, in their order."""
ESSENTIAL: Final = tuple(name for name, field in FIELDS.items() if field.essential)
TIMES: Final = tuple(name for name, field in FIELDS.items() if field.column == "time")
NESTED: Final = tuple(name for name, field in FIELDS.items() if field.column == "json")
ERROR_ORIGIN: Final = "langchain.error_origin"
"""Span id of the failure that this one only passed on: the cause counts, what it passed through
does not.
"""
