"""Tables made of spans: one row a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .exceptions import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

TRACE_COLUMNS: Final = (
    "trace_id",
    "name",
    "kind",
    "status",
    "start_time",
    "duration_ms",
    "inputs",
    "outputs",
    "model",
    "input_tokens",
    "output_tokens",
    "spans",
    "model_calls",
    "errors",
    "error",
    "session_id",
    "tags",
)

_COUNTS: Final = ("input_tokens", "output_tokens", "spans", "model_calls", "errors")
_MODEL_KINDS: Final = ("llm", "chat_model", "embedding")
Record = Mapping[str, Any]


def trace_table(spans: pd.DataFrame) -> pd.DataFrame:
    """Return one row a trace, in order of their start.

    Args:
        spans: what `load_spans` gave, or a part of it.

    Returns:
        A DataFrame with `trace_id`; `name`, `kind`, `inputs`, `outputs`, `tags` of the trace's root; `status`, which is the
        root's, or `interrupted` when a span within waits for a human; `start_time` (UTC), `duration_ms`; `model`, the names of
        the models called; `input_tokens`, `output_tokens`, summed over the model calls; `spans`, `model_calls`, `errors`,
        counts; `error`, type and message of the first failure; `session_id`.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("pandas", "analysis", "trace_table") from error
    groups: dict[str, list[Record]] = {}
    for record in spans.to_dict(orient="records"):
        groups.setdefault(record["trace_id"], []).append(record)
    rows = [_row(trace_id, group) for trace_id, group in groups.items()]
    # Objects stay what they are: pandas would make a missing text in a column of texts a NaN.
    kinds: dict[str, Any] = {"duration_ms": "float64", **dict.fromkeys(_COUNTS, "int64")}
    columns = {name: pd.Series([row[name] for row in rows], dtype=kinds.get(name, object)) for name in TRACE_COLUMNS}
    table = pd.DataFrame({**columns, "start_time": pd.to_datetime(columns["start_time"], utc=True)})
    if len(table):
        table = table.sort_values("start_time", kind="stable").reset_index(drop=True)
    return table


def _row(trace_id: str, group: list[Record]) -> dict[str, Any]:
    ids = {record["span_id"] for record in group}
    roots = [record for record in group if record["parent_span_id"] not in ids]
    first, last = roots[0], roots[-1]
    models = [record for record in group if record["kind"] in _MODEL_KINDS]
    failures = [record for record in group if record["status"] == "error"]
    return {
        "trace_id": trace_id,
        "name": first["name"],
        "kind": first["kind"],
        "status": _status(roots, group),
        "start_time": first["start_time"],
        # A trace whose root was never seen has several topmost spans: it lasts from the first's start to the last's end.
        "duration_ms": first["duration_ms"] if len(roots) == 1 else _spread(roots),
        "inputs": first["inputs"],
        "outputs": last["outputs"],
        "model": ", ".join(dict.fromkeys(name for name in map(_model, models) if name)) or None,
        "input_tokens": sum(_tokens(record, "input") for record in models),
        "output_tokens": sum(_tokens(record, "output") for record in models),
        "spans": len(group),
        "model_calls": len(models),
        "errors": len(failures),
        "error": _failure(failures[0]) if failures else None,
        "session_id": next((record["session_id"] for record in group if isinstance(record["session_id"], str)), None),
        "tags": first["tags"],
    }


def _status(roots: list[Record], group: list[Record]) -> str:
    statuses = {root["status"] for root in roots}
    for status in ("error", "running", "cancelled", "interrupted"):
        if status in statuses:
            return status
    return "interrupted" if any(record["status"] == "interrupted" for record in group) else "ok"


def _spread(roots: list[Record]) -> float | None:
    ends = [root["end_time"] for root in roots if root["end_time"] == root["end_time"] and root["end_time"] is not None]
    if not ends:
        return None
    return float((max(ends) - roots[0]["start_time"]).total_seconds() * 1e3)


def _model(record: Record) -> str | None:
    attributes = record["attributes"] or {}
    return (
        attributes.get("gen_ai.request.model")
        or attributes.get("gen_ai.response.model")
        or attributes.get("sagemaker.endpoint_name")
    )


def _tokens(record: Record, side: str) -> int:
    return int((record["attributes"] or {}).get(f"gen_ai.usage.{side}_tokens") or 0)


def _failure(record: Record) -> str:
    error = record["error"] or {}
    return f"{error.get('type', 'Error')}: {error.get('message', '')}"
