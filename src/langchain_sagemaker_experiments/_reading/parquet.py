"""Spans as Parquet: the one place that knows its columns, for those who write and those who read.

The columns of `load_spans`, with JSON text where a value is nested; after them those that most
questions are about, as numbers and texts of their own; and whose the spans are. Experiment and run
stand in a file's path too, as its partitions, with the date: engines that make columns of the path
find the same there, and those that do not find them in the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from .._record.cells import json_text
from .._record.limits import MAX_EXPANDED_PART_BYTES
from .._record.model_facts import FACTS, facts_of
from .._record.schema import FIELDS, NESTED, OWNERS, TIMES, Column, Record
from .._record.times import moment_of
from ..exceptions import import_extra
from .nesting import is_deep, may_be_deep

if TYPE_CHECKING:
    import pyarrow as pa

SCORES: Final = "scores"
"""In files that `export_spans` wrote of scored spans: the scores as JSON text. Compacted files have
no such column, scores stay beside them.
"""
COMPRESSION: Final[dict[str, Any]] = {"compression": "zstd", "compression_level": 9}
"""How files are written. Against pyarrow's own level 1, files are a fifth smaller for a sixth more
CPU time of a compaction, and no slower to read (`benchmarks/storage.py`).
"""
COLUMNS: Final = (*FIELDS, *FACTS, *OWNERS)
"""Columns of a compacted file, in their order."""
_ARROW: Final[dict[Column, str]] = {
    "text": "string",
    "json": "string",
    "number": "double",
    "integer": "int16",
}
_MAX_GROUP_ROWS: Final = 2_000_000
"""Rows of one row group that are read. A row costs 4 bytes a column even where all are equal and
the file is tiny.
"""


def schema(columns: Iterable[str] = COLUMNS) -> pa.Schema:
    """Return the Arrow schema of a file with these columns; a column of no known type is text.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    pa = pyarrow()
    time = pa.timestamp("us", tz="UTC")
    kinds = {
        name: time if field.column == "time" else pa.type_for_alias(_ARROW[field.column])
        for name, field in FIELDS.items()
    }
    kinds.update({name: pa.type_for_alias(kind) for name, kind in FACTS.items()})
    return pa.schema([(name, kinds.get(name, pa.string())) for name in columns])


def pyarrow() -> Any:
    """Return the package pyarrow, with its Parquet part.

    Raises:
        MissingExtraError: it is not installed.
    """
    import_extra("pyarrow.parquet", "analysis", "Parquet")
    return import_extra("pyarrow", "analysis", "Parquet")


def to_table(
    records: Iterable[Mapping[str, Any]], experiment: str | None = None, run: str | None = None
) -> pa.Table:
    """Return span records, as they were written, as a table of a run."""
    rows = list(records)
    columns: dict[str, list[Any]] = {}
    for name, field in FIELDS.items():
        values = [row.get(name) for row in rows]
        if field.column == "time":
            values = [moment_of(value) for value in values]
        elif field.column == "json":
            values = [json_text(value) for value in values]
        elif field.column == "number":
            values = [float(value) if value is not None else None for value in values]
        columns[name] = values
    facts = [facts_of(row) for row in rows]
    for name in FACTS:
        columns[name] = [values[name] for values in facts]
    for name, owner in zip(OWNERS, (experiment, run), strict=True):
        columns[name] = [owner] * len(rows)
    return pyarrow().table(columns, schema=schema())


def read_records(
    data: bytes, columns: Collection[str] | None = None, trace_id: str | None = None
) -> list[Record]:
    """Return the span records of a file's bytes, as a part would give them.

    Args:
        data: the file.
        columns: only these, those of `FACTS` among them; None for all that a part has.
        trace_id: only the spans of this trace.

    Raises:
        ValueError: it holds more than is read of one file.
    """
    pa = pyarrow()
    import pyarrow.compute as pc

    # Equal texts stay one until it is known how much they are.
    buffer = pa.BufferReader(data)
    there = pa.parquet.read_schema(buffer).names
    names = [
        name for name in there if (name in columns if columns is not None else name not in FACTS)
    ]
    nested = [name for name in (*NESTED, SCORES) if name in there]
    file = pa.parquet.ParquetFile(buffer, read_dictionary=nested)
    records: list[Record] = []
    for group in range(file.num_row_groups):
        if file.metadata.row_group(group).num_rows > _MAX_GROUP_ROWS:
            raise ValueError(f"a row group has more than {_MAX_GROUP_ROWS:,} rows")
        table = file.read_row_group(group, columns=names)
        if trace_id is not None:
            table = table.filter(pc.equal(table.column("trace_id"), trace_id))
        _check_size(pa, table)
        cells = [_cells(pa, name, table.column(name)) for name in names]
        records += [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    return records


def _check_size(pa: Any, table: pa.Table) -> None:
    """Refuse a table whose texts, equal ones each counted, are too large."""
    import pyarrow.compute as pc

    size = 0
    for column in table.columns:
        for chunk in column.chunks:
            if pa.types.is_dictionary(chunk.type) and len(chunk.dictionary):
                lengths = pc.binary_length(chunk.dictionary)
                size += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
            else:
                size += chunk.nbytes
    if size > MAX_EXPANDED_PART_BYTES:
        raise ValueError(
            f"a row group has more than {MAX_EXPANDED_PART_BYTES / 1024**2:,.0f} MiB of texts"
        )


def _cells(pa: Any, name: str, column: Any) -> list[Any]:
    """The values of one column as a part has them: times as text, JSON text as values."""
    if name in TIMES:
        import pyarrow.compute as pc

        moments = column.cast(pa.timestamp("us", tz="UTC"))
        column = pc.strftime(moments, format="%Y-%m-%dT%H:%M:%SZ")
    values: list[Any] = column.to_pylist()
    return [_value_of(text) for text in values] if name in (*NESTED, SCORES) else values


def _value_of(text: str | None) -> Any:
    if text is None:
        return None
    value = orjson.loads(text)
    # A rough count first: most texts are short.
    if len(text) > 200 and may_be_deep(text.encode()) and is_deep(value):
        return None
    return value
