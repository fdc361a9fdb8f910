"""What the calls in an index cost, in tables that live only as long as the process: a price that
was wrong can be mended.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Final

from .span_index import SpanIndex

Rate = tuple[int, float, float, float, float]
"""From how many input tokens it holds; dollars for a million tokens of input, output, input read
from a cache, input written to a cache.
"""
RatesOf = Callable[[str, str, datetime.date], Sequence[Rate]]
"""Model, provider (may be empty), day → the rates, lowest first; empty where unknown."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS live.rates (
    model VARCHAR, provider VARCHAR, day BIGINT, above BIGINT, below BIGINT,
    input DOUBLE, output DOUBLE, cache_read DOUBLE, cache_write DOUBLE);
CREATE TABLE IF NOT EXISTS live.found (search VARCHAR, trace_id VARCHAR);
CREATE TABLE IF NOT EXISTS live.costs (trace_id VARCHAR, cost DOUBLE, unpriced BIGINT);
CREATE OR REPLACE VIEW live.priced AS SELECT s.*, (
        greatest(coalesce(input_tokens, 0) - coalesce(cache_read_tokens, 0)
            - coalesce(cache_write_tokens, 0), 0) * r.input
        + coalesce(output_tokens, 0) * r.output + coalesce(cache_read_tokens, 0) * r.cache_read
        + coalesce(cache_write_tokens, 0) * r.cache_write) / 1e6 AS cost
    FROM {spans} AS s LEFT JOIN live.rates AS r ON r.model = s.model
        AND r.provider = coalesce(s.provider, '') AND r.day = s.start_us // {day}
        AND coalesce(s.input_tokens, 0) >= r.above AND coalesce(s.input_tokens, 0) < r.below
    WHERE s.model IS NOT NULL AND coalesce(s.input_tokens, s.output_tokens) IS NOT NULL;
"""
_DAY: Final = 86_400_000_000
_MOST: Final = 2**62
_EPOCH: Final = datetime.date(1970, 1, 1)


class Costs:
    """Costs of the traces of an index, computed from the raw usage."""

    def __init__(self, index: SpanIndex, rates_of: RatesOf) -> None:
        self._index = index
        self._rates_of = rates_of
        self._known: set[tuple[str, str, int]] = set()
        self._counted = -1
        index.execute(_TABLES.format(spans=index.table("spans"), day=_DAY))

    def update(self) -> None:
        """Price the traces that changed since the last time."""
        self._add_rates()
        changed = {"since": self._counted}
        begin = self._index.changed
        self._index.execute(
            "DELETE FROM live.costs WHERE trace_id IN"
            f" (SELECT trace_id FROM {self._index.table('traces')} WHERE changed > $since)",
            changed,
        )
        self._index.execute(
            "INSERT INTO live.costs SELECT trace_id, sum(cost), count(*) FILTER (cost IS NULL)"
            " FROM live.priced WHERE trace_id IN"
            f" (SELECT trace_id FROM {self._index.table('traces')} WHERE changed > $since)"
            " GROUP BY trace_id",
            changed,
        )
        self._counted = begin

    def _add_rates(self) -> None:
        rows = self._index.ask(
            "SELECT DISTINCT model, coalesce(provider, '') AS provider, start_us // ? AS day"
            " FROM spans WHERE model IS NOT NULL AND start_us IS NOT NULL",
            [_DAY],
        )
        for row in rows:
            key = (row["model"], row["provider"], row["day"])
            if key not in self._known:
                self._known.add(key)
                self._add_rate(*key)

    def _add_rate(self, model: str, provider: str, day: int) -> None:
        rates = self._rates_of(model, provider, _EPOCH + datetime.timedelta(days=day))
        ends = [rate[0] for rate in rates[1:]] + [_MOST]
        for rate, below in zip(rates, ends, strict=False):
            self._index.execute(
                "INSERT INTO live.rates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [model, provider, day, rate[0], below, *rate[1:]],
            )
