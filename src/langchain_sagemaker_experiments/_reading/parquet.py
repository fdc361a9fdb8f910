"""Spans as Parquet: the one place that knows its columns, for those who write and those who read.

The columns of `load_spans`, with JSON text where a value is nested; after them those that most
questions are about, as numbers and texts of their own; and whose the spans are. Experiment and run
stand in a file's path too, as its partitions, with the date: engines that make columns of the path
find the same there, and those that do not find them in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from .._record.cells import json_text, moment_of
from .._record.model_facts import first_token_ms_of, model_of, tokens_of
from ..exceptions import MissingExtraError

if TYPE_CHECKING:
    import pyarrow as pa

Record = dict[str, Any]

TEXTS: Final = ("trace_id", "span_id", "parent_span_id", "kind", "name", "status")
TIMES: Final = ("start_time", "end_time")
NESTED: Final = (
    "inputs",
    "outputs",
    "error",
    "attributes",
    "events",
    "tags",
    "metadata",
    "component",
)
SCORES: Final = "scores"
"""In files that `export_spans` wrote of scored spans: the scores as JSON text. Compacted files have
no such column, scores stay beside them."""
OWNERS: Final = ("experiment_name", "run_name")

ASKED: Final[dict[str, str]] = {
    "model": "string",
    "provider": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "time_to_first_token_ms": "double",
    "error_type": "string",
}
"""Columns that `load_spans` has not, what is asked for most, with their types in Arrow's names."""


COLUMNS: Final = (
    *TEXTS,
    *TIMES,
    "duration_ms",
    "session_id",
    *NESTED,
    "schema_version",
    *ASKED,
    *OWNERS,
)
"""Columns of a compacted file, in their order."""


def schema(columns: Iterable[str] = COLUMNS) -> pa.Schema:
    """Return the Arrow schema of a file with these columns; what is not known to be of another type
    is text.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pa = pyarrow()
    kinds = {
        "duration_ms": pa.float64(),
        "schema_version": pa.int16(),
        **dict.fromkeys(TIMES, pa.timestamp("us", tz="UTC")),
    }
    kinds.update({name: pa.type_for_alias(kind) for name, kind in ASKED.items()})
    return pa.schema([(name, kinds.get(name, pa.string())) for name in columns])


def pyarrow() -> Any:
    """Return the package pyarrow, with its Parquet part.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "analysis", "Parquet") from error
    return pa


def to_table(
    records: Iterable[Mapping[str, Any]], experiment: str | None = None, run: str | None = None
) -> pa.Table:
    """Return span records, as they were written, as a table of a run."""
    rows = list(records)
    columns: dict[str, list[Any]] = {}
    for name in TEXTS:
        columns[name] = [row.get(name) for row in rows]
    for name in TIMES:
        columns[name] = [moment_of(row.get(name)) for row in rows]
    columns["duration_ms"] = [row.get("duration_ms") for row in rows]
    columns["session_id"] = [row.get("session_id") for row in rows]
    for name in NESTED:
        columns[name] = [json_text(row.get(name)) for row in rows]
    columns["schema_version"] = [row.get("schema_version") for row in rows]
    asked = [asked_of(row) for row in rows]
    for name in ASKED:
        columns[name] = [values[name] for values in asked]
    for name, owner in zip(OWNERS, (experiment, run), strict=True):
        columns[name] = [owner] * len(rows)
    return pyarrow().table(columns, schema=schema())


def asked_of(record: Mapping[str, Any]) -> Record:
    """Return the columns of `ASKED` of one span."""
    attributes, error = record.get("attributes"), record.get("error")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    provider = attributes.get("gen_ai.provider.name")
    return {
        "model": model_of(attributes),
        "provider": provider if isinstance(provider, str) else None,
        "input_tokens": tokens_of(attributes, "input"),
        "output_tokens": tokens_of(attributes, "output"),
        "time_to_first_token_ms": first_token_ms_of(attributes),
        "error_type": str(error.get("type")) if isinstance(error, Mapping) else None,
    }


def read_records(data: bytes, columns: set[str] | None = None) -> list[Record]:
    """Return the span records of a file's bytes, as a part would give them.

    Args:
        data: the file.
        columns: only these, those of `ASKED` among them; None for all that a part has.
    """
    pa = pyarrow()
    import pyarrow.compute as pc

    file = pa.parquet.ParquetFile(pa.BufferReader(data))
    there = file.schema_arrow.names
    names = [
        name for name in there if (name in columns if columns is not None else name not in ASKED)
    ]
    table = file.read(columns=names)
    found = []
    for name in names:
        column = table.column(name)
        if name in TIMES:
            column = pc.strftime(
                column.cast(pa.timestamp("us", tz="UTC")), format="%Y-%m-%dT%H:%M:%SZ"
            )
        values = column.to_pylist()
        if name in NESTED or name == SCORES:
            values = [orjson.loads(value) if value is not None else None for value in values]
        found.append(values)
    return [dict(zip(names, row, strict=True)) for row in zip(*found, strict=True)]
