"""Spans → JSON Lines of the span record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._analysis.traces import rows_of
from .._record.cells import has_value, json_bytes
from .._record.times import rfc3339

if TYPE_CHECKING:
    import pandas as pd


def write(spans: pd.DataFrame, path: Path) -> None:
    """Write one line for each span, as `load_spans` reads it."""
    with path.open("wb") as file:
        for row in rows_of(spans):
            file.write(json_bytes(record_of(row)) + b"\n")


def record_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a frame as the span record: times as text, empty cells as null."""
    record = {name: value if has_value(value) else None for name, value in row.items()}
    for name in ("start_time", "end_time"):
        record[name] = rfc3339(record.get(name))
    version = record.get("schema_version")
    if version is not None:
        record["schema_version"] = int(version)
    return record
