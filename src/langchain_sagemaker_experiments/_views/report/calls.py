"""What the calls of traces cost and took, by model and tool: what a report can't ask a server
for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..._analysis.prices import call_cost, has_usage
from ..._analysis.runs import percentile
from ..._record.cells import has_value
from ..._record.model_facts import MODEL_KINDS, first_token_ms_of, model_of, usage_of
from ..._record.schema import Record

_MOST: Final = 20


def call_facts(group: list[Record]) -> dict[str, Any]:
    """Return cost, calls without a known price, time to the first token and tools of one trace."""
    costs = [call_cost(record) for record in group if has_usage(record)]
    priced = [cost for cost in costs if cost is not None]
    firsts = (first_token_ms_of(record["attributes"] or {}) for record in group)
    tools = dict.fromkeys(str(record["name"]) for record in group if record["kind"] == "tool")
    return {
        "cost": sum(priced) if priced else None,
        "unpriced": len(costs) - len(priced),
        "first_token": min((first for first in firsts if first is not None), default=None),
        "tools": list(tools),
    }


def user_of(group: list[Record]) -> Any:
    """Return `metadata.user_id` of a trace, of the first span that has one."""
    users = ((record["metadata"] or {}).get("user_id") for record in group)
    return next((user for user in users if user), None)


def calls_by(groups: Iterable[list[Record]]) -> dict[str, Any]:
    """Return figures of all calls by model and by tool, and the models that have no price."""
    models: dict[str, _Calls] = {}
    tools: dict[str, _Calls] = {}
    for group in groups:
        for record in group:
            if record["kind"] == "tool":
                tools.setdefault(str(record["name"]), _Calls()).add(record)
            elif record["kind"] in MODEL_KINDS:
                model = model_of(record["attributes"])
                if model:
                    models.setdefault(model, _Calls()).add(record)
    return {
        "models": _ranked(models),
        "tools": _ranked(tools),
        "unpriced": sorted(name for name, calls in models.items() if calls.unpriced),
    }


def _ranked(groups: dict[str, _Calls]) -> list[dict[str, Any]]:
    ranked = sorted(groups.items(), key=lambda item: -item[1].calls)
    return [{"key": name, **calls.figures()} for name, calls in ranked[:_MOST]]


class _Calls:
    """All calls of one model or tool."""

    def __init__(self) -> None:
        self.calls = self.errors = self.unpriced = 0
        self._tokens = [0, 0]
        self._costs: list[float] = []
        self._took: list[float] = []
        self._firsts: list[float] = []

    def add(self, record: Record) -> None:
        attributes = record["attributes"] or {}
        self.calls += 1
        self.errors += record["status"] == "error"
        usage = usage_of(attributes)
        cost = call_cost(record)
        if cost is not None:
            self._costs.append(cost)
        elif any(usage[:2]):
            self.unpriced += 1
        for side in (0, 1):
            self._tokens[side] += usage[side] or 0
        took, first = record["duration_ms"], first_token_ms_of(attributes)
        if has_value(took):
            self._took.append(took)
        if first is not None:
            self._firsts.append(first)

    def figures(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "errors": self.errors,
            "input_tokens": self._tokens[0],
            "output_tokens": self._tokens[1],
            "cost": sum(self._costs) if self._costs else None,
            "latency": [percentile(self._took, share) for share in (50, 95, 99)]
            if self._took
            else None,
            "first_token": percentile(self._firsts, 50) if self._firsts else None,
        }
