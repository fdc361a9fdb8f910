"""What the window asks of the index. Every answer is made of JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from .._record.provenance import PROVENANCE
from .filters import conditions
from .span_index import SpanIndex

MOST_ROWS: Final = 1_000
"""Rows of one answer, at most."""
_SORTS: Final = {
    "start": "t.start_us",
    "name": "lower(t.name)",
    "status": "t.status",
    "kind": "t.kind",
    "inputs": "lower(t.inputs)",
    "outputs": "lower(t.outputs)",
    "model": "t.models",
    "tokens": "t.input_tokens + t.output_tokens",
    "duration": "t.duration_ms",
    "first_token": "t.first_token_ms",
    "cost": "c.cost",
    "spans": "t.spans",
    "errors": "t.errors",
    "session": "t.session_id",
    "user": "t.user_id",
    "run": "r.run_name",
}
_FROM: Final = (
    " FROM traces t LEFT JOIN live.costs c USING (trace_id) LEFT JOIN runs r USING (run) WHERE "
)
_PAGE: Final = (
    " FROM p JOIN traces t USING (trace_id) LEFT JOIN live.costs c USING (trace_id)"
    " LEFT JOIN runs r USING (run)"
)
_ROW: Final = """t.trace_id, t.name, t.kind, t.status, t.start_us / 1e3 AS start,
    t.duration_ms AS duration, t.inputs, t.outputs, array_to_string(t.models, ', ') AS model,
    t.input_tokens, t.output_tokens, t.spans, t.errors, coalesce(t.error, '') AS error,
    t.first_token_ms AS first_token, coalesce(t.session_id, '') AS session,
    coalesce(t.user_id, '') AS user, array_to_string(t.tags, ', ') AS tags,
    coalesce(r.run_name, '') AS run, coalesce(r.experiment_name, '') AS experiment,
    t.root, t.changed, c.cost, coalesce(c.unpriced, 0) AS unpriced"""
_TOTALS: Final = """count(*) AS traces, count(*) FILTER (t.status = 'error') AS errors,
    coalesce(sum(t.input_tokens), 0)::BIGINT AS input_tokens,
    coalesce(sum(t.output_tokens), 0)::BIGINT AS output_tokens, sum(c.cost) AS cost,
    quantile_cont(t.duration_ms, [0.5, 0.95, 0.99]) AS latency,
    quantile_cont(t.first_token_ms, 0.5) AS first_token"""


class Questions:
    """Answers over one index, from any thread."""

    def __init__(self, index: SpanIndex) -> None:
        self._index = index

    def traces(
        self,
        filters: Mapping[str, str],
        sort: str = "start",
        descending: bool = True,
        offset: int = 0,
        limit: int = 100,
    ) -> dict[str, Any]:
        """Return `rows` of the trace table, and `total`, how many fit the filters.

        Raises:
            ValueError: a filter or a sort is none.
        """
        if sort not in _SORTS:
            raise ValueError(f"sort must be one of {', '.join(_SORTS)}.")
        where, values = conditions(filters)
        direction = "DESC" if descending else "ASC"
        order = f"k {direction} NULLS LAST, start_us DESC, trace_id"
        # The traces that fit are found once, for the page and for how many there are.
        rows = self._index.ask(
            f"WITH m AS MATERIALIZED (SELECT t.trace_id, {_SORTS[sort]} AS k, t.start_us"
            f"{_FROM}{where}), p AS (SELECT * FROM m ORDER BY {order} LIMIT ? OFFSET ?)"
            f" SELECT {_ROW}, (SELECT count(*) FROM m) AS total{_PAGE}"
            f" ORDER BY p.k {direction} NULLS LAST, p.start_us DESC, p.trace_id",
            [*values, max(0, min(limit, MOST_ROWS)), max(0, offset)],
        )
        total = rows[0]["total"] if rows else self._count(where, values) if offset else 0
        for row in rows:
            del row["total"]
        return {"rows": self._with_scores(rows), "total": total}

    def _count(self, where: str, values: list[Any]) -> int:
        return int(self._index.ask(f"SELECT count(*) AS n{_FROM}{where}", values)[0]["n"])

    def _with_scores(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add to each row its scores: key → number, or the text where it is none."""
        found: dict[str, dict[str, Any]] = {}
        for score in self._index.ask(
            "SELECT trace_id, key, avg(score) AS score, any_value(label) AS label FROM live.scores"
            " WHERE list_contains(?, trace_id) GROUP BY ALL ORDER BY key",
            [[row["trace_id"] for row in rows]],
        ):
            value = score["score"] if score["score"] is not None else score["label"]
            found.setdefault(score["trace_id"], {})[score["key"]] = value
        for row in rows:
            row["scores"] = found.get(row["trace_id"], {})
        return rows

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return the row of one trace, and its spans with what the timeline shows of them."""
        rows = self._index.ask(f"SELECT {_ROW}{_FROM} t.trace_id = ?", [trace_id])
        if not rows:
            return None
        spans = self._index.ask(
            "SELECT s.span_id, s.trace_id, s.parent_id AS parent_span_id, s.kind, s.name, s.status,"
            " s.start_us / 1e3 AS start, s.end_us / 1e3 AS end, s.duration_ms, s.error,"
            " s.input_tokens, s.output_tokens, s.first_token_ms, s.model, p.cost"
            " FROM spans s LEFT JOIN live.priced p ON p.span_id = s.span_id AND p.trace_id = ?"
            " WHERE s.trace_id = ? ORDER BY s.start_us NULLS LAST",
            [trace_id, trace_id],
        )
        scores = self._index.ask(
            "SELECT span_id, key, score, label, comment, source, author, time FROM live.scores"
            " WHERE trace_id = ? ORDER BY time",
            [trace_id],
        )
        return {"row": self._with_scores(rows)[0], "spans": spans, "scores": scores}

    def places(
        self, trace_ids: list[str], span_ids: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Return where the records of traces lie: span, trace, part's address and size, and line;
        and whose they are.

        Args:
            trace_ids: of the traces.
            span_ids: only these of their spans.
        """
        return self._index.ask(
            "WITH wanted AS (SELECT span_id, trace_id, part, line, run FROM spans"
            " WHERE list_contains($traces, trace_id)"
            " AND ($spans IS NULL OR list_contains($spans, span_id)))"
            " SELECT span_id, trace_id, address, p.spans AS count, line, experiment_name, run_name"
            " FROM (FROM wanted UNION ALL SELECT o.span_id, w.trace_id, o.part, o.line, w.run"
            " FROM other_records o JOIN wanted w USING (span_id))"
            " JOIN parts p USING (part) LEFT JOIN runs USING (run)",
            {"traces": trace_ids, "spans": span_ids},
        )

    def scored_traces(self, runs: list[str], limit: int) -> list[str]:
        """Return traces of runs, by their names, that have scores, the newest first."""
        rows = self._index.ask(
            "SELECT t.trace_id FROM traces t JOIN runs r USING (run) WHERE"
            " list_contains(?, r.run_name) AND t.trace_id IN (SELECT trace_id FROM live.scores)"
            " ORDER BY t.start_us DESC NULLS LAST LIMIT ?",
            [runs, limit],
        )
        return [row["trace_id"] for row in rows]

    def trace_of(self, span_id: str) -> str | None:
        """Return the trace of a span; None where there is no such span."""
        rows = self._index.ask("SELECT trace_id FROM spans WHERE span_id = ? LIMIT 1", [span_id])
        return rows[0]["trace_id"] if rows else None

    def choices(self) -> dict[str, list[str]]:
        """Return the values that filters may have, the most frequent first."""
        found = {}
        for name, column in _CHOICES.items():
            rows = self._index.ask(
                f"SELECT value FROM (SELECT {column} AS value FROM traces t"
                " LEFT JOIN runs r USING (run)) WHERE value IS NOT NULL AND value != ''"
                " GROUP BY value ORDER BY count(*) DESC, value LIMIT 200"
            )
            found[name] = [row["value"] for row in rows]
        found["score"] = [
            row["key"] for row in self._index.ask("SELECT DISTINCT key FROM live.scores ORDER BY 1")
        ]
        return found

    def counts(self) -> dict[str, Any]:
        """Return how many traces and spans there are, and the models that have no price."""
        counted = self._index.ask(
            "SELECT count(*) AS traces, coalesce(sum(spans), 0)::BIGINT AS spans FROM traces"
        )[0]
        unpriced = self._index.ask(
            "SELECT DISTINCT s.model FROM spans s SEMI JOIN live.costs c ON c.trace_id = s.trace_id"
            " AND c.unpriced > 0 ANTI JOIN live.rates r ON r.model = s.model"
            " WHERE s.model IS NOT NULL ORDER BY 1 LIMIT 50"
        )
        return {**counted, "unpriced": [row["model"] for row in unpriced]}

    def overview(self, filters: Mapping[str, str], bucket_ms: int | None = None) -> dict[str, Any]:
        """Return figures over time, by model, tool and name, errors by cause, and the slowest.

        Args:
            filters: of the traces that count.
            bucket_ms: of one point in time; chosen by the span of time without it.
        """
        where, values = conditions(filters)
        bounds = self._index.ask(
            f"SELECT min(t.start_us) AS first, max(t.start_us) AS last{_FROM}{where}", values
        )[0]
        step = (bucket_ms or _bucket(bounds)) * 1_000

        def grouped(key: str, more: str = "", order: str = "traces DESC", limit: int = 20) -> Any:
            return self._index.ask(
                f"SELECT {key} AS key, {_TOTALS}{_FROM}{where}{more}"
                f" GROUP BY 1 ORDER BY {order} LIMIT {limit}",
                values,
            )

        return {
            "bucket": step / 1_000,
            "time": grouped(
                f"(t.start_us // {step}) * {step} / 1e3", " AND t.start_us NOT NULL", "key", 400
            ),
            "total": self._index.ask(f"SELECT {_TOTALS}{_FROM}{where}", values)[0],
            "names": grouped("t.name"),
            "models": self._calls(where, values, "s.model", "s.model IS NOT NULL"),
            "tools": self._calls(where, values, "s.name", "s.kind = 'tool'"),
            "errors": grouped("t.error", " AND t.errors > 0 AND t.error IS NOT NULL"),
            "slowest": self._index.ask(
                f"SELECT {_ROW}{_FROM}{where} ORDER BY t.duration_ms DESC NULLS LAST LIMIT 10",
                values,
            ),
        }

    def _calls(self, where: str, values: list[Any], key: str, which: str) -> list[dict[str, Any]]:
        return self._index.ask(
            f"SELECT {key} AS key, count(*) AS calls,"
            " count(*) FILTER (s.status = 'error') AS errors,"
            " coalesce(sum(s.input_tokens), 0)::BIGINT AS input_tokens,"
            " coalesce(sum(s.output_tokens), 0)::BIGINT AS output_tokens, sum(p.cost) AS cost,"
            " quantile_cont(s.duration_ms, [0.5, 0.95, 0.99]) AS latency,"
            " quantile_cont(s.first_token_ms, 0.5) AS first_token"
            " FROM spans s LEFT JOIN live.priced p ON p.span_id = s.span_id"
            f" WHERE {which} AND s.trace_id IN (SELECT t.trace_id{_FROM}{where})"
            " GROUP BY 1 ORDER BY calls DESC LIMIT 20",
            values,
        )

    def sessions(self, filters: Mapping[str, str], by: str = "session") -> list[dict[str, Any]]:
        """Return one row a session, or a user, the newest first.

        Raises:
            ValueError: `by` is neither.
        """
        column = {"session": "t.session_id", "user": "t.user_id"}.get(by)
        if column is None:
            raise ValueError("by must be session or user.")
        where, values = conditions(filters)
        return self._index.ask(
            f"SELECT {column} AS key, {_TOTALS}, min(t.start_us) / 1e3 AS first,"
            " max(t.start_us) / 1e3 AS last, arg_min(t.inputs, t.start_us) AS inputs,"
            " count(DISTINCT t.session_id) AS sessions, count(DISTINCT t.user_id) AS users"
            f"{_FROM}{where} AND {column} IS NOT NULL"
            " GROUP BY 1 ORDER BY last DESC NULLS LAST LIMIT 500",
            values,
        )

    def graphs(self) -> list[str]:
        """Return the logged graphs as JSON texts, the newest of each name."""
        rows = self._index.ask(
            "SELECT arg_max(record, part) AS record FROM graphs WHERE name != ? GROUP BY name",
            [PROVENANCE],
        )
        return [row["record"] for row in rows]

    def sample(self, limit: int) -> list[dict[str, Any]]:
        """Return spans of the newest traces of each kind of application, for its drawing."""
        return self._index.ask(
            "SELECT s.trace_id, s.span_id, s.parent_id AS parent_span_id, s.kind, s.name, s.status,"
            " s.start_us, s.duration_ms, s.tags FROM spans s JOIN ("
            "  SELECT trace_id FROM traces QUALIFY row_number() OVER"
            "   (PARTITION BY kind, name ORDER BY start_us DESC) <= ?) USING (trace_id)"
            " ORDER BY s.start_us NULLS LAST LIMIT 50000",
            [limit],
        )


_CHOICES: Final = {
    "status": "t.status",
    "kind": "t.kind",
    "name": "t.name",
    "model": "unnest(t.models)",
    "tag": "unnest(t.tags)",
    "user": "t.user_id",
    "run": "r.run_name",
}
_STEPS: Final = (1, 10, 60, 300, 900, 3_600, 10_800, 86_400, 604_800)
_POINTS: Final = 90


def _bucket(bounds: Mapping[str, Any]) -> int:
    """Return the milliseconds of a point in time, so that there are at most some 90 of them."""
    if bounds["first"] is None:
        return 3_600_000
    seconds = (bounds["last"] - bounds["first"]) / 1e6
    fits = (step for step in _STEPS if seconds / step <= _POINTS)
    return next(fits, math.ceil(seconds / _POINTS)) * 1_000
