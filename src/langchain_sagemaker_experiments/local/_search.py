"""SageMaker's Search expressions over plain records: filters, nested expressions, sorting,
paging.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def search(records: Sequence[Record], expression: Mapping[str, Any] | None) -> list[Record]:
    """Return the records that match a SearchExpression."""
    return [record for record in records if _matches(record, expression or {})]


def sort(records: Sequence[Record], sort_by: str | None, sort_order: str | None) -> list[Record]:
    """Return the records in order; SageMaker sorts by LastModifiedTime, newest first, when nothing
    is said.
    """
    name = sort_by or "LastModifiedTime"
    ascending = (sort_order or "Descending") == "Ascending"
    return sorted(
        records, key=lambda record: _sortable(_values(record, name)), reverse=not ascending
    )


def page(
    records: list[Record], max_results: int | None, token: str | None, default: int = 100
) -> tuple[list[Record], str | None]:
    """Return one page and the token of the next; SageMaker gives at most 100 results a page."""
    start = int(token or 0)
    end = start + min(max_results or default, 100)
    return records[start:end], str(end) if end < len(records) else None


def _matches(record: Record, expression: Mapping[str, Any]) -> bool:
    results = [_filter(record, one) for one in expression.get("Filters") or ()]
    results += [_nested(record, one) for one in expression.get("NestedFilters") or ()]
    results += [_matches(record, one) for one in expression.get("SubExpressions") or ()]
    if not results:
        return True
    return any(results) if expression.get("Operator") == "Or" else all(results)


def _nested(record: Record, nested: Mapping[str, Any]) -> bool:
    name = nested["NestedPropertyName"]
    items = record.get(name) or []
    return any(
        all(_filter({name: [item]}, one) for one in nested.get("Filters") or ()) for item in items
    )


def _filter(record: Record, condition: Mapping[str, Any]) -> bool:
    values = _values(record, condition["Name"])
    operator = condition.get("Operator", "Equals")
    wanted = condition.get("Value")
    if operator == "Exists":
        return bool(values)
    if operator == "NotExists":
        return not values
    if operator == "NotEquals":
        return all(_text(value) != wanted for value in values)
    if operator == "In":
        return any(_text(value) in (wanted or "").split(",") for value in values)
    return any(_compare(value, operator, wanted) for value in values)


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator == "Equals":
        return _text(value) == str(wanted)
    if operator == "Contains":
        return str(wanted) in _text(value)
    try:
        number: Any = float(wanted)
        held: Any = float(value)
    except (TypeError, ValueError):
        number, held = str(wanted), _text(value)
    return bool(
        {
            "GreaterThan": held > number,
            "GreaterThanOrEqualTo": held >= number,
            "LessThan": held < number,
            "LessThanOrEqualTo": held <= number,
        }.get(operator, False)
    )


def _values(record: Any, path: str) -> list[Any]:
    """Values at a dotted path; a list on the way stands for all its items, tags and parameters are
    named by key.
    """
    if path.startswith("Tags."):
        return [tag["Value"] for tag in record.get("Tags") or () if tag["Key"] == path[5:]]
    if path.startswith("Parameters."):
        value = (record.get("Parameters") or {}).get(path[11:])
        return [] if value is None else [value.get("NumberValue", value.get("StringValue"))]
    if path.startswith("Metrics."):
        name, _, statistic = path[8:].rpartition(".")
        return [
            m[statistic]
            for m in record.get("Metrics") or ()
            if m["MetricName"] == name and statistic in m
        ]
    found = [record]
    for part in path.split("."):
        step: list[Any] = []
        for value in found:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Mapping) and item.get(part) is not None:
                    step.append(item[part])
        found = step
    return found


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


def _sortable(values: list[Any]) -> tuple[bool, Any]:
    if not values:
        return False, ""
    value = values[0]
    if isinstance(value, datetime.datetime):
        return True, value.timestamp()
    return True, value
