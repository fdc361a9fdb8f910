"""Tables made of spans: one row a trace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from .._record.causes import root_causes
from .._record.model_facts import MODEL_KINDS, model_of, tokens_of
from .._record.schema import ARCHITECTURE, Record
from .._record.score import number_of
from ..exceptions import import_extra
from .prices import call_cost

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
    "cost",
    "spans",
    "model_calls",
    "errors",
    "error",
    "session_id",
    "tags",
    "experiment_name",
    "run_name",
)

_COUNTS: Final = ("input_tokens", "output_tokens", "spans", "model_calls", "errors")


def trace_table(spans: pd.DataFrame) -> pd.DataFrame:
    """Return one row a trace, in order of their start.

    Args:
        spans: what `load_spans` gave, or a part of it.

    Returns:
        A DataFrame with `trace_id`; `name`, `kind`, `inputs`, `outputs`, `tags` of the trace's
        root; `status`, which is the root's, or `interrupted` when a span within waits for a human;
        `start_time` (UTC), `duration_ms`; `model`, the names of the models called; `input_tokens`,
        `output_tokens`, summed over the model calls; `cost`, dollars at the prices of
        genai-prices, of the calls whose price is known, NaN of none; `spans`, `model_calls`,
        `errors`, counts, of the errors their root causes: what passed an error on is no other one;
        `error`, type and message of the first; `session_id`; `experiment_name` and
        `run_name`, where known. Then a column for each key of the traces' scores: numbers, yes and
        no as 1 and 0, or texts. Graphs that `log_architecture` recorded are no traces and have no
        row.

    Raises:
        MissingExtraError: pandas is not installed.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls
        >>> from langchain_sagemaker_experiments import trace_table
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> trace_table(load_spans("runs"))[["name", "status", "spans", "errors"]].values.tolist()
        [['FakeListChatModel', 'ok', 1, 0]]
    """
    pd = import_extra("pandas", "analysis", "trace_table")
    rows = [trace_row(group) for group in group_by_trace(rows_of(spans)).values()]
    # Objects stay what they are: pandas would make a missing text in a column of texts a NaN.
    kinds: dict[str, Any] = {
        **dict.fromkeys(("duration_ms", "cost"), "float64"),
        **dict.fromkeys(_COUNTS, "int64"),
    }
    columns = {
        name: pd.Series([row[name] for row in rows], dtype=kinds.get(name, object))
        for name in TRACE_COLUMNS
    }
    for name in sorted({name for row in rows for name in row} - columns.keys()):
        columns[name] = _score_series([row.get(name) for row in rows])
    table = pd.DataFrame({**columns, "start_time": pd.to_datetime(columns["start_time"], utc=True)})
    if len(table):
        table = table.sort_values("start_time", kind="stable").reset_index(drop=True)
    return table


def _score_series(values: list[Any]) -> pd.Series:
    import pandas as pd

    if any(isinstance(value, str) for value in values):
        return pd.Series(values, dtype=object)
    return pd.Series([number_of(value) for value in values], dtype="float64")


def rows_of(spans: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame of spans as dictionaries: what `to_dict` does, without a look at
    the type of every value.
    """
    names = [str(name) for name in spans.columns]
    columns = [spans[name].tolist() for name in spans.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def group_by_trace(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the spans of each trace under its id, in the order the traces first come."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if not is_architecture(record):
            groups.setdefault(record["trace_id"], []).append(record)
    return groups


def is_architecture(record: Record) -> bool:
    """Return True if a record is the graph of a runnable instead of a call."""
    return (record["attributes"] or {}).get(ARCHITECTURE) is True


def trace_row(group: list[Record]) -> dict[str, Any]:
    """Return the row of one trace, with the names of `TRACE_COLUMNS`, from all its spans as
    `load_spans` gives them.
    """
    roots = roots_of(group)
    first, last = roots[0], roots[-1]
    models = [record for record in group if record["kind"] in MODEL_KINDS]
    causes = root_causes(group)
    costs = [cost for cost in map(call_cost, models) if cost is not None]
    return {
        "trace_id": first["trace_id"],
        "name": first["name"],
        "kind": first["kind"],
        "status": _status(roots, group),
        "start_time": first["start_time"],
        # A trace whose root was never seen has several topmost spans: it lasts from the first's
        # start to the last's end.
        "duration_ms": first["duration_ms"] if len(roots) == 1 else _spread(roots),
        "inputs": first["inputs"],
        "outputs": last["outputs"],
        "model": ", ".join(
            dict.fromkeys(filter(None, (model_of(record["attributes"]) for record in models)))
        )
        or None,
        "input_tokens": sum(tokens_of(record["attributes"], "input") or 0 for record in models),
        "output_tokens": sum(tokens_of(record["attributes"], "output") or 0 for record in models),
        "cost": sum(costs) if costs else None,
        "spans": len(group),
        "model_calls": len(models),
        "errors": len(causes),
        "error": _failure(causes[0]) if causes else None,
        "session_id": next(
            (record["session_id"] for record in group if isinstance(record["session_id"], str)),
            None,
        ),
        "tags": first["tags"],
        "experiment_name": first.get("experiment_name"),
        "run_name": first.get("run_name"),
        **{score_column(key): value for key, value in scores_of(group).items()},
    }


def scores_of(group: Iterable[Record]) -> dict[str, Any]:
    """Return one value for each key that a trace was scored with.

    A score of the trace or its root goes before those of other spans. Several numbers give their
    mean; of several texts the newest counts.
    """
    found: dict[str, dict[bool, list[Any]]] = {}
    for record in group:
        scores = record.get("scores")
        for score in scores if isinstance(scores, list) else ():
            if score.get("score") is not None:
                of_part = score["span_id"] is not None and record["parent_span_id"] is not None
                found.setdefault(score["key"], {}).setdefault(of_part, []).append(score)
    return {key: _one_value(found[key].get(False) or found[key][True]) for key in sorted(found)}


def _one_value(scores: list[Any]) -> Any:
    newest = max(scores, key=lambda score: (score["time"], score["score_id"]))["score"]
    numbers = [n for n in (number_of(score["score"]) for score in scores) if n is not None]
    return newest if len(scores) == 1 or not numbers else sum(numbers) / len(numbers)


def score_column(key: str) -> str:
    """Return the column of a key: the key, or `score.{key}` where another column has that name."""
    return f"score.{key}" if key in TRACE_COLUMNS else key


def roots_of(group: list[Record]) -> list[Record]:
    """Return the topmost spans of a trace: those whose parent is not among its spans; the first
    where damage made a circle.
    """
    ids = {record["span_id"] for record in group}
    return [record for record in group if record["parent_span_id"] not in ids] or group[:1]


def _status(roots: list[Record], group: list[Record]) -> str:
    statuses = {root["status"] for root in roots}
    for status in ("error", "running", "cancelled", "interrupted"):
        if status in statuses:
            return status
    return "interrupted" if any(record["status"] == "interrupted" for record in group) else "ok"


def _spread(roots: list[Record]) -> float | None:
    ends = [
        root["end_time"]
        for root in roots
        if root["end_time"] == root["end_time"] and root["end_time"] is not None
    ]
    if not ends:
        return None
    return float((max(ends) - roots[0]["start_time"]).total_seconds() * 1e3)


def _failure(record: Record) -> str:
    error = record["error"] or {}
    return f"{error.get('type', 'Error')}: {error.get('message', '')}"
