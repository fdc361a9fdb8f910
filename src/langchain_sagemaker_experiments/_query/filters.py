"""A filter of the trace table, as it stands in an address → conditions of a query."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

FILTERS: Final = (
    "q",
    "status",
    "kind",
    "name",
    "model",
    "tool",
    "tag",
    "session",
    "user",
    "run",
    "error",
    "since",
    "until",
    "min_ms",
    "max_ms",
    "min_cost",
    "max_cost",
    "score",
    "found",
)
"""Names of the filters. `since` and `until` are milliseconds since the epoch, `min_cost` and
`max_cost` dollars; `score` is a key, or a key with a comparison: `helpful>=0.5`;
`found` is the number of a search in whole texts.
"""
_EQUAL: Final = {
    "status": "t.status",
    "kind": "t.kind",
    "name": "t.name",
    "session": "t.session_id",
    "user": "t.user_id",
    "error": "t.error",
}
_BOUNDS: Final = {
    "since": ("t.start_us", ">=", 1e3),
    "until": ("t.start_us", "<", 1e3),
    "min_ms": ("t.duration_ms", ">=", 1.0),
    "max_ms": ("t.duration_ms", "<=", 1.0),
    "min_cost": ("c.cost", ">=", 1.0),
    "max_cost": ("c.cost", "<=", 1.0),
}
_OPERATORS: Final = (">=", "<=", "=", ">", "<")


def conditions(filters: Mapping[str, str]) -> tuple[str, list[Any]]:
    """Return the condition of a query over `traces t`, `costs c` and `owners r`, and its values.

    Every value of a filter is a parameter of the query, never a part of its text.

    Raises:
        ValueError: a bound is no number.
    """
    parts: list[str] = ["true"]
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        parts.append(condition)
        values.extend(given)

    for name, value in filters.items():
        if not value or name not in FILTERS:
            continue
        if name in _EQUAL:
            add(f"{_EQUAL[name]} = ?", value)
        elif name in _BOUNDS:
            column, operator, scale = _BOUNDS[name]
            add(f"{column} {operator} ?", _number(name, value) * scale)
        elif name == "model":
            add("list_contains(t.models, ?)", value)
        elif name == "tag":
            add("list_contains(t.tags, ?)", value)
        elif name == "run":
            add("coalesce(r.run_name, '') = ?", value)
        elif name == "tool":
            add(
                "t.trace_id IN (SELECT trace_id FROM spans WHERE kind = 'tool' AND name = ?)",
                value,
            )
        elif name == "q":
            add(_TEXT, value.lower(), value.lower())
        elif name == "score":
            add(*_score(value))
        elif name == "found":
            add("t.trace_id IN (SELECT trace_id FROM live.found WHERE search = ?)", value)
    return " AND ".join(parts), values


_TEXT: Final = (
    "(t.trace_id IN (SELECT trace_id FROM spans WHERE contains(text, ?)) OR contains(lower("
    "concat_ws(chr(10), t.trace_id, t.session_id, t.user_id, r.run_name,"
    " array_to_string(t.tags, chr(10)))), ?))"
)


def _number(name: str, value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a number, not {value}.")
    return number


def _score(text: str) -> tuple[Any, ...]:
    for operator in _OPERATORS:
        key, found, bound = text.partition(operator)
        if found:
            found_by = f"key = ? AND score {operator} ?"
            condition = f"t.trace_id IN (SELECT trace_id FROM live.scores WHERE {found_by})"
            return condition, key.strip(), _number("score", bound)
    return "t.trace_id IN (SELECT trace_id FROM live.scores WHERE key = ?)", text.strip()
