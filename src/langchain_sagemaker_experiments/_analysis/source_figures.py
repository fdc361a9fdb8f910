"""The questions of `figures` and `runs` over a source: DuckDB answers them as pandas does over a
frame of the same spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from .._query.source_tables import SourceTables
from .._record.evaluation_marks import EVALUATOR_KIND
from .._record.model_facts import MODEL_KINDS
from .._record.provenance import PROVENANCE, facts_in, is_provenance
from .._record.score import merge_scores, number_of
from ..exceptions import import_extra
from .prices import RatesOf, rates_of
from .source_costs import CALL_COLUMNS, price_calls
from .traces import scores_of

if TYPE_CHECKING:
    import pandas as pd

_KEYS: Final = {"day": "strftime(try_cast(start_time AS TIMESTAMPTZ), '%Y-%m-%d')"}
_OF_MODELS: Final = f"kind IN {MODEL_KINDS!r}"
_NO_PROVENANCE: Final = f"NOT (is_graph AND coalesce(name, '') = '{PROVENANCE}')"
_TOKENS: Final = ", ".join(
    f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in ("input_tokens", "output_tokens")
)


def _latencies(prefix: str, column: str, shares: Sequence[int]) -> str:
    return ", ".join(
        f"quantile_cont({column}, {share / 100}) AS {prefix}latency_p{share}_ms" for share in shares
    )


_TO_FIRST: Final = "quantile_cont(time_to_first_token_ms, 0.5) AS time_to_first_token_p50_ms"


def _without_judges(tables: SourceTables) -> str:
    """A condition for the spans of the application: those of evaluators' traces left out."""
    judges = f"SELECT trace_id FROM spans WHERE kind = '{EVALUATOR_KIND}'"
    return f"trace_id NOT IN ({judges})" if tables.rows(f"{judges} LIMIT 1") else "true"


def summary(
    tables: SourceTables,
    keys: Sequence[str],
    kinds: Mapping[str, str],
    rates: RatesOf,
    *,
    models_only: bool,
) -> pd.DataFrame:
    """Return the figures of `summarize_spans`, one row for each combination of `keys`."""
    pd = import_extra("pandas", "analysis", "summarize_spans")
    groups = ", ".join(f"coalesce({_KEYS.get(key, key)}, '') AS {key}" for key in keys)
    calls = f"{_NO_PROVENANCE} AND {_without_judges(tables)}"
    rows = tables.rows(f"""
        SELECT {groups}, count(*) AS spans, count(*) FILTER (status = 'error') AS errors,
            count(*) FILTER (status = 'error') / count(*) AS error_rate,
            {_latencies("", "duration_ms", (50, 90, 99))},
            {_TO_FIRST}, {_TOKENS}
        FROM spans WHERE {_OF_MODELS if models_only else "true"} AND {calls}
        GROUP BY ALL
    """)
    if not rows:
        return pd.DataFrame(columns=[*keys, *kinds])
    models = f"FROM spans WHERE {_OF_MODELS} AND {calls}"
    price_calls(tables, f"SELECT {groups}, {CALL_COLUMNS} {models}", rates)
    costs = {
        tuple(row[key] for key in keys): row
        for row in tables.rows(
            f"SELECT {', '.join(keys)}, sum(dollars) AS cost,"
            " count(*) FILTER (unpriced) AS unpriced FROM priced GROUP BY ALL"
        )
    }
    for row in rows:
        found = costs.get(tuple(row[key] for key in keys), {})
        row.update(cost=found.get("cost"), unpriced=found.get("unpriced", 0))
    frame = pd.DataFrame(rows, columns=[*keys, *kinds]).astype(
        {**dict.fromkeys(keys, object), **kinds}
    )
    return frame.sort_values(list(keys)).reset_index(drop=True)


def slowest(tables: SourceTables, n: int, columns: Sequence[str]) -> pd.DataFrame:
    """Return the answer of `slowest_traces`."""
    pd = import_extra("pandas", "analysis", "slowest_traces")
    rows = tables.rows(
        f"SELECT {', '.join(columns)} FROM spans WHERE parent_span_id IS NULL"
        f" AND kind != '{EVALUATOR_KIND}' AND {_NO_PROVENANCE}"
        " ORDER BY duration_ms DESC NULLS LAST, start_time NULLS FIRST, trace_id LIMIT ?",
        [max(n, 0)],
    )
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    times = pd.to_datetime(frame["start_time"], utc=True, format="ISO8601", errors="coerce")
    frame = frame.assign(start_time=times, duration_ms=frame["duration_ms"].astype("float64"))
    return frame.sort_values(["duration_ms", "trace_id"], ascending=[False, True]).reset_index(
        drop=True
    )


def prompts(tables: SourceTables, n: int) -> pd.DataFrame:
    """Return the answer of `repeated_prompts`."""
    pd = import_extra("pandas", "analysis", "repeated_prompts")
    rows = tables.rows(
        "SELECT coalesce(inputs, '') AS prompt, count(*) AS calls,"
        " coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens"
        f" FROM spans WHERE {_OF_MODELS} GROUP BY prompt ORDER BY calls DESC, prompt LIMIT ?",
        [max(n, 0)],
    )
    frame = pd.DataFrame(rows, columns=["prompt", "calls", "input_tokens"])
    return frame.astype({"prompt": object, "calls": "int64", "input_tokens": "int64"})


# --- runs side by side ----------------------------------------------------------------------------
_TRACES: Final = (
    """CREATE TEMP TABLE calls AS
    SELECT hash(trace_id) AS trace, hash(span_id) AS span, hash(parent_span_id) AS parent, kind,
        status, start_time, end_time, duration_ms, input_tokens, output_tokens,
        time_to_first_token_ms, experiment_name, run_name
    FROM spans WHERE NOT is_graph""",
    """CREATE TEMP TABLE tops AS
    SELECT * FROM calls ANTI JOIN calls AS above
        ON above.trace = calls.trace AND above.span = calls.parent""",
    # A trace that damage made one circle has no top: its first span stands in.
    """INSERT INTO tops SELECT * EXCLUDE (place) FROM (
        SELECT *, row_number() OVER (PARTITION BY trace ORDER BY start_time NULLS FIRST) AS place
        FROM calls ANTI JOIN (SELECT DISTINCT trace FROM tops) USING (trace)) WHERE place = 1""",
)


def run_figures(tables: SourceTables) -> list[dict[str, Any]]:
    """Return the figures of `compare_runs`, one dictionary a run, in order of their first trace."""
    for statement in _TRACES:
        tables.connection.execute(statement)
    tables.connection.execute(f"""
        CREATE TEMP TABLE traces AS WITH placed AS (
            SELECT *, row_number() OVER (PARTITION BY trace ORDER BY start_time NULLS FIRST)
                AS place FROM tops),
        roots AS (
            SELECT trace, any_value(experiment_name) FILTER (place = 1) AS experiment_name,
                any_value(run_name) FILTER (place = 1) AS run_name,
                any_value(kind) FILTER (place = 1) AS kind,
                bool_or(status = 'error') AS failed,
                CASE WHEN count(*) = 1 THEN any_value(duration_ms)
                    WHEN NOT bool_or(start_time IS NULL) THEN
                        date_diff('microsecond', try_cast(min(start_time) AS TIMESTAMPTZ),
                            max(end_time)::TIMESTAMPTZ) / 1e3 END AS duration_ms
            FROM placed GROUP BY trace),
        whole AS (
            SELECT trace, count(*) AS spans,
                count(duration_ms) FILTER ({_OF_MODELS}) AS model_calls,
                coalesce(sum(input_tokens) FILTER ({_OF_MODELS}), 0) AS input_tokens,
                coalesce(sum(output_tokens) FILTER ({_OF_MODELS}), 0) AS output_tokens,
                min(coalesce(start_time, '')) AS began
            FROM calls GROUP BY trace)
        SELECT * FROM roots JOIN whole USING (trace) WHERE kind != '{EVALUATOR_KIND}'
    """)
    return tables.rows(f"""
        WITH of_models AS (
            SELECT traces.experiment_name, traces.run_name,
                {_latencies("model_", "calls.duration_ms", (50, 90))}, {_TO_FIRST}
            FROM calls JOIN traces USING (trace) WHERE calls.{_OF_MODELS}
            GROUP BY traces.experiment_name, traces.run_name),
        of_traces AS (
            SELECT experiment_name, run_name, count(*) AS traces, sum(spans)::BIGINT AS spans,
                sum(model_calls)::BIGINT AS model_calls, count(*) FILTER (failed) AS errors,
                count(*) FILTER (failed) / count(*) AS error_rate,
                {_latencies("", "duration_ms", (50, 90, 99))},
                sum(input_tokens)::BIGINT AS input_tokens,
                sum(output_tokens)::BIGINT AS output_tokens, min(began) AS began
            FROM traces GROUP BY experiment_name, run_name)
        SELECT t.*, m.* EXCLUDE (experiment_name, run_name) FROM of_traces AS t
        LEFT JOIN of_models AS m ON m.experiment_name IS NOT DISTINCT FROM t.experiment_name
            AND m.run_name IS NOT DISTINCT FROM t.run_name
        ORDER BY began, t.experiment_name, t.run_name
    """)


def run_parameters(
    tables: SourceTables, prefixes: tuple[str, ...]
) -> dict[tuple[Any, Any], dict[str, list[Any]]]:
    """Return experiment and run → name of a parameter of model calls → its different values, in
    the order they first came. After `run_figures`.
    """
    wanted = " OR ".join(f"starts_with(name, '{prefix}')" for prefix in prefixes)
    rows = tables.rows(f"""
        WITH named AS (
            SELECT traces.experiment_name, traces.run_name, traces.began, spans.start_time,
                spans.attributes, unnest(json_keys(spans.attributes)) AS name
            FROM spans JOIN traces ON hash(spans.trace_id) = traces.trace
            WHERE spans.{_OF_MODELS} AND NOT is_graph)
        SELECT experiment_name, run_name, name,
            json_extract(attributes, '/' || replace(replace(name, '~', '~0'), '/', '~1'))::VARCHAR
                AS value,
            min({{'trace': began, 'span': coalesce(start_time, '')}}) AS place
        FROM named WHERE {wanted} GROUP BY ALL ORDER BY place
    """)
    found: dict[tuple[Any, Any], dict[str, dict[str, Any]]] = {}
    for row in rows:
        values = found.setdefault((row["experiment_name"], row["run_name"]), {})
        value = orjson.loads(row["value"])
        values.setdefault(row["name"], {}).setdefault(repr(value), value)
    return {
        owner: {name: list(values.values()) for name, values in parameters.items()}
        for owner, parameters in found.items()
    }


def run_provenance(tables: SourceTables) -> dict[tuple[Any, Any], dict[str, list[Any]]]:
    """Return experiment and run → name → different values of the facts with what traces were
    made, in the order they first came.
    """
    rows = tables.rows(
        "SELECT experiment_name, run_name, attributes FROM spans"
        " WHERE is_graph AND attributes IS NOT NULL ORDER BY start_time NULLS FIRST"
    )
    found: dict[tuple[Any, Any], dict[str, list[Any]]] = {}
    for row in rows:
        attributes = orjson.loads(row["attributes"])
        if not is_provenance({"attributes": attributes}):
            continue
        facts = found.setdefault((row["experiment_name"], row["run_name"]), {})
        for name, value in facts_in(attributes).items():
            values = facts.setdefault(name, [])
            if value not in values:
                values.append(value)
    return found


def run_costs(tables: SourceTables) -> dict[tuple[Any, Any], float]:
    """Return for experiment and run the dollars of model calls whose price is known, at prices of
    their days. After `run_figures`.
    """
    price_calls(
        tables,
        f"SELECT traces.experiment_name, traces.run_name, {CALL_COLUMNS}"
        " FROM spans JOIN traces ON hash(spans.trace_id) = traces.trace"
        f" WHERE spans.{_OF_MODELS} AND NOT is_graph AND model IS NOT NULL",
        rates_of,
    )
    rows = tables.rows(
        "SELECT experiment_name, run_name, sum(dollars) AS cost FROM priced"
        " WHERE NOT unpriced AND dollars IS NOT NULL GROUP BY ALL"
    )
    return {(row["experiment_name"], row["run_name"]): row["cost"] for row in rows}


def run_scores(tables: SourceTables) -> dict[tuple[Any, Any], dict[str, list[float]]]:
    """Return experiment and run → key → the score of each trace that has a number for it. After
    `run_figures`.
    """
    by_trace: dict[str, list[Any]] = {}
    for score in merge_scores(tables.scores):
        by_trace.setdefault(score["trace_id"], []).append(score)
    if not by_trace:
        return {}
    owners = tables.rows(
        "SELECT DISTINCT spans.trace_id, traces.experiment_name, traces.run_name"
        " FROM spans JOIN traces ON hash(spans.trace_id) = traces.trace"
        " WHERE list_contains(?, spans.trace_id) ORDER BY spans.trace_id",
        [list(by_trace)],
    )
    below = {
        (row["trace_id"], row["span_id"])
        for row in tables.rows(
            "SELECT trace_id, span_id FROM spans"
            " WHERE parent_span_id IS NOT NULL AND list_contains(?, trace_id)",
            [list(by_trace)],
        )
    }
    found: dict[tuple[Any, Any], dict[str, list[float]]] = {}
    for row in owners:
        trace = row["trace_id"]
        # As `scores_of` wants them: the scores of spans below the root, and all others.
        holders = [
            {"parent_span_id": "above" if is_below else None, "scores": [score]}
            for score in by_trace[trace]
            for is_below in [(trace, score.get("span_id")) in below]
        ]
        for key, value in scores_of(holders).items():
            values = found.setdefault((row["experiment_name"], row["run_name"]), {})
            number = number_of(value)
            values.setdefault(key, []).extend([number] if number is not None else [])
    return found
