"""The tables of the index, and the statements that keep them."""

from __future__ import annotations

from typing import Final

from .columns import SPAN_COLUMNS

VERSION: Final = 2
"""Of the tables below. An index of another version is made anew."""

_SPANS: Final = ", ".join(f"{name} {kind}" for name, kind in SPAN_COLUMNS.items())

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS meta (version INTEGER, source VARCHAR);
CREATE TABLE IF NOT EXISTS parts (
    part INTEGER, address VARCHAR, fingerprint VARCHAR, spans INTEGER);
CREATE TABLE IF NOT EXISTS runs (run INTEGER, experiment_name VARCHAR, run_name VARCHAR);
CREATE TABLE IF NOT EXISTS graphs (name VARCHAR, part INTEGER, record VARCHAR);
CREATE TABLE IF NOT EXISTS spans ({_SPANS});
CREATE TABLE IF NOT EXISTS other_records (span_id VARCHAR, part INTEGER, line INTEGER);
CREATE TABLE IF NOT EXISTS superseded (part INTEGER, by_part INTEGER);
CREATE TABLE IF NOT EXISTS traces (
    trace_id VARCHAR, name VARCHAR, kind VARCHAR, status VARCHAR, start_us BIGINT,
    duration_ms DOUBLE, inputs VARCHAR, outputs VARCHAR, models VARCHAR[],
    input_tokens BIGINT, output_tokens BIGINT, spans BIGINT, model_calls BIGINT,
    errors BIGINT, error VARCHAR, first_token_ms DOUBLE, session_id VARCHAR,
    user_id VARCHAR, tags VARCHAR[], run INTEGER, root VARCHAR, changed BIGINT);
"""

REFRESH_TRACES: Final = """
CREATE OR REPLACE TEMP TABLE fresh AS
WITH s AS MATERIALIZED (SELECT * FROM spans WHERE trace_id IN (SELECT trace_id FROM touched)),
tops AS (
    SELECT * FROM s ANTI JOIN s AS p ON p.span_id = s.parent_id AND p.trace_id = s.trace_id),
heads AS (SELECT trace_id, min_by(span_id, coalesce(start_us, 0)) AS root FROM s GROUP BY ALL),
roots AS (
    SELECT trace_id, count(*) AS tops,
        arg_min(name, coalesce(start_us, 0)) AS name, arg_min(kind, coalesce(start_us, 0)) AS kind,
        arg_min(span_id, coalesce(start_us, 0)) AS root,
        arg_min(inputs, coalesce(start_us, 0)) AS inputs,
        arg_max(outputs, coalesce(start_us, 0)) AS outputs,
        arg_min(tags, coalesce(start_us, 0)) AS tags, arg_min(run, coalesce(start_us, 0)) AS run,
        min(start_us) AS start_us, max(end_us) AS end_us, min(duration_ms) AS duration_ms,
        list(DISTINCT status) AS statuses
    FROM tops GROUP BY trace_id),
passed AS (SELECT DISTINCT trace_id, parent_id, error FROM s WHERE status = 'error'),
causes AS (
    SELECT trace_id, count(*) AS errors, arg_min(error, coalesce(start_us, 0)) AS error
    FROM s ANTI JOIN passed AS p
        ON p.trace_id = s.trace_id AND p.parent_id = s.span_id AND p.error = s.error
    WHERE status = 'error' GROUP BY trace_id),
whole AS (
    SELECT trace_id, count(*) AS spans, count(*) FILTER (kind IN $models) AS model_calls,
        list_sort(list_distinct(list(model) FILTER (model IS NOT NULL))) AS models,
        coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens,
        coalesce(sum(output_tokens), 0)::BIGINT AS output_tokens,
        min(first_token_ms) AS first_token_ms, any_value(session_id) AS session_id,
        any_value(user_id) AS user_id,
        count(*) FILTER (status = 'interrupted') AS interrupted
    FROM s GROUP BY trace_id)
SELECT whole.trace_id, coalesce(roots.name, lone.name) AS name,
    coalesce(roots.kind, lone.kind) AS kind,
    CASE WHEN list_contains(statuses, 'error') THEN 'error'
        WHEN list_contains(statuses, 'running') THEN 'running'
        WHEN list_contains(statuses, 'cancelled') THEN 'cancelled'
        WHEN list_contains(statuses, 'interrupted') OR interrupted > 0 THEN 'interrupted'
        ELSE 'ok' END AS status,
    coalesce(roots.start_us, lone.start_us) AS start_us,
    CASE WHEN coalesce(tops, 1) = 1 THEN coalesce(roots.duration_ms, lone.duration_ms)
        ELSE (roots.end_us - roots.start_us) / 1e3 END AS duration_ms,
    coalesce(roots.inputs, lone.inputs) AS inputs,
    coalesce(roots.outputs, lone.outputs) AS outputs, whole.models, whole.input_tokens,
    whole.output_tokens, whole.spans, whole.model_calls,
    coalesce(causes.errors, 0) AS errors, causes.error, whole.first_token_ms, whole.session_id,
    whole.user_id, coalesce(roots.tags, lone.tags) AS tags, coalesce(roots.run, lone.run) AS run,
    coalesce(roots.root, lone.span_id) AS root, $changed AS changed
FROM whole JOIN heads USING (trace_id) JOIN s AS lone ON lone.span_id = heads.root
LEFT JOIN roots USING (trace_id) LEFT JOIN causes USING (trace_id);
"""
"""One row for each trace in `touched`. Its errors are the causes: a failed span whose failed child
says the same only passed it on. Damaged traces that are one circle have no root: `lone` stands in.
"""

_SAME_RUN: Final = (
    "r.experiment_name IS NOT DISTINCT FROM n.experiment_name"
    " AND r.run_name IS NOT DISTINCT FROM n.run_name"
)
_TEXT: Final = "lower(concat_ws(chr(10), name, inputs, outputs, error, model)) AS text"
GATHER: Final = (
    f"""INSERT INTO runs
    SELECT (SELECT count(*) FROM runs) + row_number() OVER () - 1, n.* FROM (
        SELECT DISTINCT experiment_name, run_name FROM named) AS n
        ANTI JOIN runs AS r ON {_SAME_RUN}""",
    f"""CREATE OR REPLACE TEMP TABLE incoming AS
    SELECT {", ".join(_TEXT if name == "text" else name for name in SPAN_COLUMNS)}
    FROM named AS n JOIN (
        SELECT run, experiment_name AS e, run_name AS u FROM runs) AS r
    ON {_SAME_RUN.replace("r.experiment_name", "r.e").replace("r.run_name", "r.u")}""",
    """CREATE OR REPLACE TEMP TABLE candidates AS
    SELECT * FROM incoming UNION ALL SELECT * FROM spans SEMI JOIN incoming USING (span_id)""",
    "DELETE FROM spans WHERE span_id IN (SELECT span_id FROM incoming)",
    "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT trace_id FROM candidates",
)
"""New rows, and those of the same spans that are there already, into `candidates`."""

TWICE: Final = "SELECT count(*) - count(DISTINCT span_id) FROM candidates"

_FROM_LATE: Final = {
    "status": "l.status",
    "end_us": "l.end_us",
    "duration_ms": "round((l.end_us - w.start_us) / 1e3, 3)",
}
_FILLED: Final = ("outputs", "error")


def _joined(name: str) -> str:
    given_up = "(w.given_up OR w.status = 'running')"
    if name in _FROM_LATE:
        return f"CASE WHEN {given_up} THEN {_FROM_LATE[name]} ELSE w.{name} END AS {name}"
    if name in _FILLED:
        late = f"nullif(l.{name}, '')"
        return (
            f"coalesce(CASE WHEN {given_up} THEN {late} END, nullif(w.{name}, ''), {late})"
            f" AS {name}"
        )
    return f"false AS {name}" if name == "given_up" else f"w.{name}"


MERGE: Final = (
    """CREATE OR REPLACE TEMP TABLE ranked AS
    SELECT *, row_number() OVER (PARTITION BY span_id, start_seen
        ORDER BY status = 'running', end_us DESC NULLS LAST, part DESC, line DESC) AS place
    FROM candidates""",
    f"""CREATE OR REPLACE TEMP TABLE joined AS
    SELECT {", ".join(map(_joined, SPAN_COLUMNS))}, l.part AS late_part, l.line AS late_line
    FROM ranked AS w JOIN ranked AS l
        ON w.span_id = l.span_id AND w.start_seen AND NOT l.start_seen
    WHERE w.place = 1 AND l.place = 1""",
    """INSERT INTO other_records
    SELECT span_id, late_part, late_line FROM joined""",
    """INSERT INTO superseded
    SELECT DISTINCT l.part, w.part FROM ranked AS w
    JOIN ranked AS l ON w.span_id = l.span_id AND w.start_seen = l.start_seen
    WHERE w.place = 1 AND l.place > 1 AND w.part != l.part""",
    """CREATE OR REPLACE TEMP TABLE candidates AS
    SELECT * EXCLUDE (late_part, late_line) FROM joined UNION ALL
    SELECT * EXCLUDE (place) FROM ranked WHERE place = 1
        AND span_id NOT IN (SELECT span_id FROM joined)""",
)
"""The readers' merge, on the columns of the index: a finished record wins over a running one, then
the one that ended later; an end whose start was not seen fills the record that has the start.
"""
