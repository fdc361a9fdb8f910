"""Spans → CSV and Parquet: flat columns, with JSON text where a value is nested."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._reading.parquet import COMPRESSION, pyarrow, schema
from .._record.cells import has_value, json_text
from .._record.schema import FIELDS, OWNERS, TIMES

if TYPE_CHECKING:
    import pandas as pd

_TEXT: Final = (*(name for name, field in FIELDS.items() if field.column == "text"), *OWNERS)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def flat(spans: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with JSON text in its nested columns, and in those this version does not
    know.
    """
    import pandas as pd

    columns = {}
    for name in spans.columns:
        values = spans[name]
        if name in _TEXT:
            columns[name] = pd.Series(
                [value if has_value(value) else None for value in values], dtype=object
            )
        elif name in TIMES:
            columns[name] = values.dt.as_unit("us").reset_index(drop=True)
        elif name == "duration_ms":
            columns[name] = values.reset_index(drop=True)
        elif name == "schema_version":
            columns[name] = values.astype("Int64").reset_index(drop=True)
        else:
            columns[name] = pd.Series([json_text(value) for value in values], dtype=object)
    return pd.DataFrame(columns)


def write_csv(spans: pd.DataFrame, path: Path) -> None:
    """Write CSV, UTF-8, times as RFC 3339.

    A name that a spreadsheet would take for a formula gets an apostrophe before it; everything
    nested begins with a bracket or a quotation mark, as JSON does.
    """
    frame = flat(spans)
    for name in _TEXT:
        if name in frame:
            frame[name] = [
                f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
                for value in frame[name]
            ]
    frame.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ", lineterminator="\n")


def write_parquet(spans: pd.DataFrame, path: Path) -> None:
    """Write Parquet, zstd: times as UTC microseconds, numbers as numbers, everything nested as JSON
    text.
    """
    pa = pyarrow()
    frame = flat(spans)
    table = pa.Table.from_pandas(
        frame, schema=schema(str(name) for name in frame.columns), preserve_index=False
    )
    pa.parquet.write_table(table, path, **COMPRESSION)
