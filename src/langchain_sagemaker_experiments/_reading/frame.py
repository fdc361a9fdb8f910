"""Span records → a pandas DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..exceptions import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "kind",
    "name",
    "status",
    "start_time",
    "end_time",
    "duration_ms",
    "session_id",
    "inputs",
    "outputs",
    "error",
    "attributes",
    "events",
    "tags",
    "metadata",
    "component",
    "schema_version",
    "experiment_name",
    "run_name",
)
_TIMES: Final = ("start_time", "end_time")


def to_frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row a record; fields this version does not know come as further columns.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("pandas", "analysis", "Reading spans as a table") from error
    known = set(COLUMNS)
    unknown = sorted({name for record in records for name in record.keys() - known})
    columns: dict[str, Any] = {}
    for name in (*COLUMNS, *unknown):
        values = [record.get(name) for record in records]
        if name in _TIMES:
            times = pd.to_datetime(
                pd.Series(values, dtype=object), utc=True, format="ISO8601", errors="coerce"
            )
            # pandas knows years that Python, which is to write these times, does not.
            columns[name] = times.where(times.dt.year.between(1, 9_999))
        elif name == "duration_ms":
            columns[name] = pd.Series(values, dtype="float64")
        else:
            columns[name] = pd.Series(values, dtype=object)
    return pd.DataFrame(columns)
