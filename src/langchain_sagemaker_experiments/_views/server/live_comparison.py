"""Runs side by side, from the index: the figures of `compare_runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from ..._record.model_facts import MODEL_KINDS
from ..._record.provenance import PROVENANCE, facts_in, is_provenance, prompts_by_run
from ..report.comparison import comparison

if TYPE_CHECKING:
    from ..._query.span_index import SpanIndex

_MAX_VALUES: Final = 5
_MAX_RECORDS: Final = 1_000
"""Records of provenance that are looked at, the newest: each process writes one or two."""


def live_comparison(index: SpanIndex) -> dict[str, Any]:
    """Return what the page shows of runs side by side."""
    import pandas as pd

    rows = index.ask(_RUNS, {"models": list(MODEL_KINDS)})
    settings = _settings(index)
    made_with = _made_with(index)
    names = sorted({name for values in settings.values() for name in values})
    scores = _scores(index)
    keys = sorted({key for means in scores.values() for key in means})
    for row in rows:
        run = row.pop("run")
        told = settings.get(run, {})
        row.update({f"score.{key}": scores.get(run, {}).get(key) for key in keys})
        row.update({name: _parameter(told.get(name, [])) for name in names})
    _add_facts(rows, made_with)
    columns = list(rows[0]) if rows else ["experiment_name", "run_name"]
    frame = pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=object) for name in columns}
    )
    return comparison(frame, prompts_by_run(made_with))


def _scores(index: SpanIndex) -> dict[int, dict[str, float]]:
    """Run → key → mean of the traces' scores."""
    found: dict[int, dict[str, float]] = {}
    for row in index.ask(
        "SELECT t.run, s.key, avg(s.score) AS mean FROM live.scores s JOIN traces t USING "
        "(trace_id)"
        " WHERE s.score IS NOT NULL GROUP BY ALL"
    ):
        found.setdefault(row["run"], {})[row["key"]] = row["mean"]
    return found


def _settings(index: SpanIndex) -> dict[int, dict[str, list[Any]]]:
    found: dict[int, dict[str, list[Any]]] = {}
    for row in index.ask("SELECT DISTINCT run, settings FROM spans WHERE settings IS NOT NULL"):
        of_run = found.setdefault(row["run"], {})
        for name, value in orjson.loads(row["settings"]).items():
            values = of_run.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found


def _made_with(index: SpanIndex) -> list[dict[str, Any]]:
    """Return the records that tell with what traces were made, the oldest first."""
    rows = index.ask(
        "SELECT record FROM graphs WHERE name = ? ORDER BY part DESC LIMIT ?",
        [PROVENANCE, _MAX_RECORDS],
    )
    records = [orjson.loads(row["record"]) for row in reversed(rows)]
    return [record for record in records if is_provenance(record)]


def _add_facts(rows: list[dict[str, Any]], made_with: list[dict[str, Any]]) -> None:
    facts: dict[Any, dict[str, list[Any]]] = {}
    for record in made_with:
        of_run = facts.setdefault((record["experiment_name"], record["run_name"]), {})
        for name, value in facts_in(record["attributes"]).items():
            values = of_run.setdefault(name, [])
            if value not in values:
                values.append(value)
    names = sorted({name for one in facts.values() for name in one})
    for row in rows:
        told = facts.get((row["experiment_name"], row["run_name"]), {})
        row.update({name: _parameter(told.get(name, [])) for name in names})


def _parameter(values: list[Any]) -> Any:
    if len(values) > _MAX_VALUES:
        return f"{len(values)} different values"
    return values[0] if len(values) == 1 else values or None


_RUNS = """
WITH t AS (
    SELECT run, min(start_us) AS first, count(*) AS traces, sum(spans)::BIGINT AS spans,
        count(*) FILTER (status = 'error') AS errors,
        quantile_cont(duration_ms, [0.5, 0.9, 0.99]) AS latency,
        sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
        sum(cost) AS cost
    FROM traces LEFT JOIN live.costs USING (trace_id) GROUP BY run),
m AS (
    SELECT run, count(*) AS calls, quantile_cont(duration_ms, [0.5, 0.9]) AS latency,
        quantile_cont(first_token_ms, 0.5) AS first_token
    FROM spans WHERE kind IN $models GROUP BY run)
SELECT t.run, r.experiment_name, r.run_name, traces, spans, coalesce(m.calls, 0) AS model_calls,
    errors, errors / traces AS error_rate, t.latency[1] AS latency_p50_ms,
    t.latency[2] AS latency_p90_ms, t.latency[3] AS latency_p99_ms,
    m.latency[1] AS model_latency_p50_ms, m.latency[2] AS model_latency_p90_ms,
    m.first_token AS time_to_first_token_p50_ms, input_tokens, output_tokens, cost
FROM t LEFT JOIN m USING (run) LEFT JOIN runs r USING (run) ORDER BY t.first NULLS LAST
"""
