"""The scores of a source beside its index, in a table that lives as long as the process."""

from __future__ import annotations

from typing import Any, Final

from .._reading.parquet import pyarrow
from .._reading.parts import Part
from .._reading.problems import Problem
from .._reading.scores import read_scores
from .._record.score import Score, merge_scores, number_of
from .span_index import SpanIndex

_COLUMNS: Final[dict[str, str]] = {
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "key": "VARCHAR",
    "score": "DOUBLE",
    "label": "VARCHAR",
    "comment": "VARCHAR",
    "source": "VARCHAR",
    "author": "VARCHAR",
    "time": "VARCHAR",
}


class ScoreTable:
    """The table `live.scores`: the scores that count."""

    def __init__(self, index: SpanIndex) -> None:
        self._index = index
        self._read: dict[str, tuple[str, list[Score]]] = {}
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        index.execute(f"CREATE TABLE IF NOT EXISTS live.scores ({columns})")

    def update(self, parts: list[Part], fingerprints: dict[str, str], problems: list[str]) -> bool:
        """Read what is new, forget what is gone; return True if anything changed."""
        fresh = [
            part
            for part in parts
            if self._read.get(part.address, ("",))[0] != fingerprints[part.address]
        ]
        there = {part.address for part in parts}
        gone = [address for address in self._read if address not in there]
        if not fresh and not gone:
            return False
        for address in gone:
            del self._read[address]
        found: list[Problem] = []
        for part in fresh:
            self._read[part.address] = fingerprints[part.address], read_scores([part], found)
        problems += [text for text in map(str, found) if text not in problems]
        self._fill()
        return True

    def records(self) -> list[Score]:
        """Return all score records, also those that do not count."""
        return [score for _, scores in self._read.values() for score in scores]

    def _fill(self) -> None:
        records = merge_scores(self.records())
        self._index.execute("DELETE FROM live.scores")
        if not records:
            return
        self._index.register("scored", _table(records))
        self._index.execute("INSERT INTO live.scores SELECT * FROM scored")


def _table(records: list[Score]) -> Any:
    pa = pyarrow()
    kinds = {"VARCHAR": pa.string(), "DOUBLE": pa.float64()}
    rows = [{**record, **_value(record)} for record in records]
    return pa.table(
        {
            name: pa.array([row.get(name) for row in rows], type=kinds[kind])
            for name, kind in _COLUMNS.items()
        }
    )


def _value(record: Score) -> dict[str, Any]:
    """A score as a number, and as the text that stands for it where it is one, or failed."""
    value, error = record.get("score"), record.get("error")
    failed = f"failed: {error.get('type')}" if isinstance(error, dict) else None
    label = value if isinstance(value, str) else ("yes" if value else "no")
    return {
        "score": number_of(value),
        "label": label if isinstance(value, (str, bool)) else failed,
    }
