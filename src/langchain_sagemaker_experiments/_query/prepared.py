"""A part, read and made into columns: what the index takes. It can be made in another process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from .._reading.parquet import pyarrow
from .._reading.parse import parse_part
from .._reading.parts import Contents, Part, read_all
from .._reading.problems import Problem
from .._record.cells import json_text
from .._record.owners import set_owner
from .columns import SPAN_COLUMNS, Preview, is_graph, span_row

OWNERS: Final = ("experiment_name", "run_name")
_KEYS: Final = ("run", "part", "line", "text")
NAMED: Final[dict[str, str]] = {
    **{name: kind for name, kind in SPAN_COLUMNS.items() if name not in _KEYS},
    "line": "INTEGER",
    **dict.fromkeys(OWNERS, "VARCHAR"),
}
"""Columns of a part's table: those of `spans`, with the names of the run in place of its number."""


@dataclass
class Prepared:
    """One part.

    Attributes:
        table: an Arrow table with the columns of `NAMED`.
        graphs: name and record, as JSON, of each logged graph.
        count: sound records of the part.
        problems: what could not be read.
    """

    table: Any
    graphs: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0
    problems: list[str] = field(default_factory=list)


def prepare(address: str, contents: Contents, preview: Preview) -> Prepared:
    """Return a part as the index takes it."""
    problems: list[Problem] = []
    records = parse_part(address, contents.data, problems)
    set_owner(records, contents.experiment, contents.run)
    graphs = [
        (str(record["name"]), json_text(record) or "") for record in records if is_graph(record)
    ]
    rows = [
        (*span_row(record, preview), line, record["experiment_name"], record["run_name"])
        for line, record in enumerate(records)
        if not is_graph(record)
    ]
    return Prepared(_table(rows), graphs, len(records), [str(problem) for problem in problems])


def prepare_all(
    parts: Iterable[Part], preview: Preview, problems: list[Problem]
) -> Iterator[tuple[Part, Prepared]]:
    """Yield each part that can be read, prepared, in order; those that can't are added to
    `problems`.

    Raises:
        SpanReadError: none can be read, or a part is gone, so that all is to be listed again.
    """
    for part, contents in read_all(parts, problems):
        yield part, prepare(part.address, contents, preview)


def _table(rows: list[tuple[Any, ...]]) -> Any:
    pa = pyarrow()
    kinds = {
        "VARCHAR": pa.string(),
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "VARCHAR[]": pa.list_(pa.string()),
    }
    columns = list(zip(*rows, strict=True)) or [()] * len(NAMED)
    return pa.table(
        {
            name: pa.array(values, type=kinds[kind])
            for (name, kind), values in zip(NAMED.items(), columns, strict=True)
        }
    )
