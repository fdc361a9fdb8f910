"""The table that Amazon Athena reads compacted spans by: its DDL, with partition projection, so
that no crawler is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .._reading.parquet import schema
from .._record.schema import OWNERS
from .._record.score import SCORE_FIELDS
from .._storage.keys import (
    COMPACTED_FOLDER,
    SCORES_FOLDER,
    TRACES_FOLDER,
    join_folder,
)

_TYPES: Final = {"string": "string", "double": "double", "int64": "bigint", "int16": "smallint"}
_RUN_FOLDER: Final = "${experiment_name}-${run_name}"
"""A run's folder, as Athena fills it in."""
_NAME: Final = re.compile(r"[a-zA-Z0-9_]{1,255}")


def athena_ddl(
    address: str,
    *,
    table: str = "langchain_spans",
    experiments: Sequence[str],
    runs: Sequence[str],
    since: str = "2025-01-01",
    scores_table: str | None = None,
) -> str:
    """Return the `CREATE EXTERNAL TABLE` for what `compact` wrote, and on request one for scores.

    Args:
        address: the artifact prefix the runs lie below: `s3://{bucket}/trial-component-artifacts`
            by the SDK's default.
        table: the table's name.
        experiments: experiments to project; further ones are added by generating it anew.
        runs: runs to project.
        since: the first day.
        scores_table: the name of a second table, of the scores of these runs as they were written;
            a second statement, which Athena takes by itself. Of several records with one
            `score_id`, and then of one author on one thing, the newest counts (`docs/record.md`).

    Raises:
        ValueError: a name that Athena would not take.
    """
    for name in (table,) if scores_table is None else (table, scores_table):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a table: letters, digits and underscores only."
            )
    if not re.fullmatch(r"s3://[a-z0-9.-]+(/[^'\s]*)?", address):
        raise ValueError(f"{address!r} is no s3:// address that fits into SQL.")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", since):
        raise ValueError(f"since must be a day such as 2025-01-01, not {since!r}.")
    for name in (*experiments, *runs):
        if not re.fullmatch(r"[a-zA-Z0-9-]+", name):
            raise ValueError(f"{name!r} is no name of an experiment or run.")
    columns = ",\n  ".join(
        f"`{field.name}` {_type(str(field.type))}" for field in schema() if field.name not in OWNERS
    )
    root = address.rstrip("/")
    inner = "experiment_name=${experiment_name}/run_name=${run_name}/date=${date}"
    place = join_folder(root, _RUN_FOLDER, TRACES_FOLDER, COMPACTED_FOLDER, inner)
    spans = f"""CREATE EXTERNAL TABLE IF NOT EXISTS `{table}` (
  {columns}
)
PARTITIONED BY (`experiment_name` string, `run_name` string, `date` string)
STORED AS PARQUET
LOCATION '{root}/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.experiment_name.type' = 'enum',
  'projection.experiment_name.values' = '{",".join(experiments)}',
  'projection.run_name.type' = 'enum',
  'projection.run_name.values' = '{",".join(runs)}',
  'projection.date.type' = 'date',
  'projection.date.format' = 'yyyy-MM-dd',
  'projection.date.range' = '{since},NOW',
  'storage.location.template' = '{place}'
);
"""
    if scores_table is None:
        return spans
    return f"{spans}\n{_scores_ddl(root, scores_table, experiments, runs)}"


def _scores_ddl(root: str, table: str, experiments: Sequence[str], runs: Sequence[str]) -> str:
    columns = ",\n  ".join(f"`{name}` {_SCORE_TYPES.get(name, 'string')}" for name in SCORE_FIELDS)
    place = join_folder(root, _RUN_FOLDER, SCORES_FOLDER, "")
    return f"""CREATE EXTERNAL TABLE IF NOT EXISTS `{table}` (
  {columns}
)
PARTITIONED BY (`experiment_name` string, `run_name` string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION '{root}/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.experiment_name.type' = 'enum',
  'projection.experiment_name.values' = '{",".join(experiments)}',
  'projection.run_name.type' = 'enum',
  'projection.run_name.values' = '{",".join(runs)}',
  'storage.location.template' = '{place}'
);
"""


_SCORE_TYPES: Final = {"repetition": "int", "schema_version": "smallint"}
"""Columns of scores that are no text. A score may be a number, yes or no, or a text: as text it is
all of them (`TRY_CAST(score AS double)`); nested values come as their JSON.
"""


def _type(arrow: str) -> str:
    return "timestamp" if arrow.startswith("timestamp") else _TYPES[arrow]
