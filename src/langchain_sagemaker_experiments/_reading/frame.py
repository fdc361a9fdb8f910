"""Span records → a pandas DataFrame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .._record.limits import MAX_FOREIGN_COLUMNS
from .._record.model_facts import FACTS
from .._record.provenance import MADE_WITH, is_provenance
from .._record.schema import COLUMNS, FIELDS, Record
from ..exceptions import import_extra

if TYPE_CHECKING:
    import pandas as pd

FOREIGN_PREFIX: Final = "field."
"""Before the name of a field that this version does not know, where a column of our own is named
like it.
"""
_COMPUTED: Final = {*FACTS, "day"}
"""Columns that are computed from a record's fields."""


def to_frame(records: Sequence[Record]) -> pd.DataFrame:
    """Return one row a record. Fields that this version does not know come as further columns, the
    thousand most frequent ones of them.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    pd = import_extra("pandas", "analysis", "Reading spans as a table")
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        values = [record.get(name) for record in records]
        kind = FIELDS[name].column if name in FIELDS else "text"
        if kind == "time":
            columns[name] = _times(pd, values)
        elif kind == "number":
            columns[name] = pd.Series(values, dtype="float64")
        else:
            columns[name] = pd.Series(values, dtype=object)
    for name in _foreign_names(records):
        column = f"{FOREIGN_PREFIX}{name}" if name in _COMPUTED else name
        columns[column] = pd.Series([record.get(name) for record in records], dtype=object)
    return pd.DataFrame(columns)


def spans_frame(records: Sequence[Record]) -> pd.DataFrame:
    """Do what `to_frame` does; records that tell with what traces were made are no rows, but lie
    in `frame.attrs["made_with"]`.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    made_with = [record for record in records if is_provenance(record)]
    if not made_with:
        return to_frame(records)
    frame = to_frame([record for record in records if not is_provenance(record)])
    frame.attrs[MADE_WITH] = made_with
    return frame


def _times(pd: Any, values: list[Any]) -> Any:
    times = pd.to_datetime(
        pd.Series(values, dtype=object), utc=True, format="ISO8601", errors="coerce"
    )
    # pandas knows years that Python, which is to write these times, does not.
    return times.where(times.dt.year.between(1, 9_999))


def _foreign_names(records: Iterable[Record]) -> list[str]:
    """Names of fields that this version does not know, in order: a part may name any number."""
    ours = set(COLUMNS)
    counts = Counter(name for record in records for name in record.keys() - ours)
    return sorted(name for name, _ in counts.most_common(MAX_FOREIGN_COLUMNS))
