"""What the model calls of a source cost: DuckDB computes it as `prices` does for one call."""

from __future__ import annotations

from typing import Final

from .._query.source_statements import attribute_number
from .._query.source_tables import SourceTables
from .._record.model_facts import USAGE_NAMES
from .prices import RatesOf

_PROVIDER: Final = "gen_ai.provider.name"
_USED: Final = ("used_inputs", "used_outputs", "was_read", "was_written")
CALL_COLUMNS: Final = ", ".join(
    [
        "nullif(model, '') AS call_model",
        f"CASE WHEN json_type(attributes, '$.\"{_PROVIDER}\"') = 'VARCHAR'"
        f" THEN json_extract_string(attributes, '$.\"{_PROVIDER}\"') ELSE '' END AS call_provider",
        "try_cast(start_time AS TIMESTAMPTZ)::DATE AS call_day",
        *(
            f"trunc({attribute_number(name)}) AS {column}"
            for column, name in zip(_USED, USAGE_NAMES, strict=False)
        ),
    ]
)
"""What is needed of the row of a model call to price it."""
_RATES: Final = """
CREATE OR REPLACE TEMP TABLE rates (model VARCHAR, provider VARCHAR, day DATE, above DOUBLE,
    below DOUBLE, for_input DOUBLE, for_output DOUBLE, for_read DOUBLE, for_written DOUBLE)
"""
_PRICED: Final = """
CREATE OR REPLACE TEMP TABLE priced AS SELECT used.*, rates.model IS NULL AS unpriced,
    CASE WHEN used_inputs IS NOT NULL OR used_outputs IS NOT NULL THEN (
        greatest(coalesce(used_inputs, 0) - coalesce(was_read, 0) - coalesce(was_written, 0), 0)
            * for_input
        + coalesce(used_outputs, 0) * for_output + coalesce(was_read, 0) * for_read
        + coalesce(was_written, 0) * for_written) / 1e6 END AS dollars
FROM used LEFT JOIN rates ON rates.model = call_model AND rates.provider = call_provider
    AND rates.day IS NOT DISTINCT FROM call_day
    AND coalesce(used_inputs, 0) >= above AND coalesce(used_inputs, 0) < below
"""


def price_calls(tables: SourceTables, query: str, rates: RatesOf) -> None:
    """Make a table `priced` of a query's rows, with `dollars` and `unpriced`.

    Args:
        tables: the spans.
        query: rows of model calls, with `CALL_COLUMNS`.
        rates: model, provider, day → its rates.
    """
    tables.connection.execute(f"CREATE OR REPLACE TEMP TABLE used AS {query}")
    tables.connection.execute(_RATES)
    calls = "SELECT DISTINCT call_model, call_provider, call_day FROM used"
    for row in tables.rows(f"{calls} WHERE call_model IS NOT NULL"):
        call = (row["call_model"], row["call_provider"], row["call_day"])
        tiers = rates(*call)
        ends = [*(tier.above for tier in tiers[1:]), float("inf")]
        for number, (tier, below) in enumerate(zip(tiers, ends, strict=False)):
            above = tier.above if number else 0
            tables.connection.execute(
                "INSERT INTO rates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [*call, above, below, *tier[1:]],
            )
    tables.connection.execute(_PRICED)
