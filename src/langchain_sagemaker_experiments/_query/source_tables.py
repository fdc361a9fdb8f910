"""`SourceTables`: the spans of a source as one narrow DuckDB table, for questions over more than a
frame holds.

DuckDB reads parts and Parquet files itself, which is many times faster than one record after
another, and memory stays bounded. It is not as strict as the readers. So every row is checked, and
a file with any that is not as our own writers write it is read by the readers instead: answers are
theirs for whatever lies in a source.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .._reading.parquet import pyarrow
from .._reading.parse import parse_part
from .._reading.parts import Part, read_all
from .._reading.problems import Problem, describe
from .._reading.scores import read_scores
from .._reading.sources import find_all_parts
from .._record.owners import set_owner
from .._record.score import Score
from .._storage.keys import is_parquet
from .._storage.regular_files import open_regular, read_regular
from ..exceptions import SpanReadWarning, import_extra
from .source_statements import (
    CREATE,
    FIND_REPEATED,
    INSERT_JSON,
    REPEATED_ROWS,
    SPAN_COLUMNS,
    SPANS,
    SPANS_WITHOUT_REPEATED,
    STRANGE_FILES,
    WHOLE,
    WHOLE_WITH_PARQUET,
)
from .span_rows import has_our_columns, merged_row, plain_path, row_of

MEMORY: Final = "280MB"
"""What DuckDB may take; beyond it goes to a file in the temporary folder."""
_BATCH: Final = 64
"""Fetched parts that are given to DuckDB at a time."""
_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""DuckDB passes it over; to the readers the first line is no JSON."""


class SourceTables:
    """The table `spans` of a source, one row a span; see `open_tables`.

    Attributes:
        connection: DuckDB's.
        problems: what could not be read.
        scores: the scores that lie beside the spans.
    """

    def __init__(self, connection: Any, folder: Path, *, contents: bool) -> None:
        self.connection = connection
        self.problems: list[Problem] = []
        self.scores: list[Score] = []
        self._folder = folder
        self._contents = contents
        self._parquet: list[str] = []

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query as dictionaries."""
        cursor = self.connection.execute(query, list(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    # --- filling ------------------------------------------------------------------------------
    def fill(self, parts: Iterable[Part]) -> None:
        """Read all parts, and put the records of one span together."""
        waiting: list[_File] = []
        far: list[Part] = []
        numbers: dict[str, int] = {}
        for part in parts:
            number = numbers.setdefault(part.address, len(numbers))
            path = plain_path(part.address)
            if path is None or part.tombstone is not None:
                far.append(part)
            else:
                file = _File(number, path, part.address, part.experiment, part.run)
                self._take(file, waiting)
        self._insert_waiting(waiting)
        self._fill_from_afar(far, numbers)
        self._merge()

    def _fill_from_afar(self, parts: Iterable[Part], numbers: Mapping[str, int]) -> None:
        """Fetch what DuckDB can't reach; Parquet stays in the folder, parts go once they are in
        the table.
        """
        waiting: list[_File] = []
        for part, contents in read_all(parts, self.problems):
            number = numbers[part.address]
            ending = ".parquet" if is_parquet(part.address) else ".jsonl"
            path = self._folder / f"{number:08d}{ending}"
            path.write_bytes(contents.data)
            owners = (contents.experiment, contents.run)
            self._take(_File(number, str(path), part.address, *owners), waiting)
            if len(waiting) >= _BATCH:
                self._insert_waiting(waiting)
        self._insert_waiting(waiting)

    def _take(self, file: _File, waiting: list[_File]) -> None:
        if is_parquet(file.address):
            if has_our_columns(file.path):
                self._add_file(file)
                self._parquet.append(file.path)
            else:
                self._parse(file)
        elif self._is_plain(file.path):
            self._add_file(file)
            waiting.append(file)
        else:
            self._parse(file)

    def _add_file(self, file: _File) -> None:
        self.connection.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?)",
            [file.number, file.path, file.experiment, file.run],
        )

    def _is_plain(self, path: str) -> bool:
        """Return True if DuckDB can read a part as it is. Whether it can be read at all, the
        readers find out.
        """
        try:
            with open_regular(path) as file:
                head = file.read(3)
                if head[:2] == _GZIP or head == _BYTE_ORDER_MARK:
                    return False
                return not (self._contents and b'"$shared"' in head + file.read())
        except OSError:
            return False

    def _insert_waiting(self, waiting: list[_File]) -> None:
        if not waiting:
            return
        self._insert_json(waiting)
        strange = {row["file"] for row in self.rows(STRANGE_FILES, [waiting[0].number])}
        if strange:
            self.connection.execute(
                "DELETE FROM parsed WHERE list_contains(?, file)", [sorted(strange)]
            )
        for file in waiting:
            if file.number in strange:
                self._parse(file)
            if file.path.startswith(str(self._folder)):
                Path(file.path).unlink()
        waiting.clear()

    def _insert_json(self, files: Sequence[_File]) -> None:
        """Let DuckDB read parts; one that it can't read is read by the readers."""
        duckdb = import_extra("duckdb", "view", "Questions over a source")
        names = "[" + ", ".join(f"'{file.path}'" for file in files) + "]"
        query = INSERT_JSON.format(files=names, contents=str(self._contents).lower())
        try:
            self.connection.execute(query)
        except duckdb.Error:
            if len(files) == 1:
                self._parse(files[0])
                return
            middle = len(files) // 2
            self._insert_json(files[:middle])
            self._insert_json(files[middle:])

    def _parse(self, file: _File) -> None:
        try:
            data = read_regular(file.path)
        except OSError as error:
            self.problems.append(Problem(file.address, f"{error.strerror}"))
            return
        records = parse_part(file.address, data, self.problems)
        set_owner(records, file.experiment, file.run)
        rows = [row_of(record, file.number, self._contents) for record in records]
        self._insert_rows("parsed", rows)

    def _insert_rows(self, table_name: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        pa = pyarrow()
        columns = list(zip(*rows, strict=True))
        kinds = {"VARCHAR": pa.string(), "DOUBLE": pa.float64(), "BIGINT": pa.int64()}
        kinds.update({"BOOLEAN": pa.bool_(), "INTEGER": pa.int32()})
        table = pa.table(
            {
                name: pa.array(values, kinds[kind])
                for (name, kind), values in zip(SPAN_COLUMNS.items(), columns, strict=True)
            }
        )
        self.connection.register("incoming", table)
        self.connection.execute(f"INSERT INTO {table_name} SELECT * FROM incoming")
        self.connection.unregister("incoming")

    # --- merging ------------------------------------------------------------------------------
    def _merge(self) -> None:
        """Make the view `spans`, with one row of each span, as the readers' merge does."""
        whole = WHOLE
        if self._parquet:
            names = "[" + ", ".join(f"'{path}'" for path in self._parquet) + "]"
            whole = WHOLE_WITH_PARQUET.format(files=names, contents=str(self._contents).lower())
        self.connection.execute(whole)
        self.connection.execute(FIND_REPEATED)
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows(REPEATED_ROWS):
            groups.setdefault(row["span_id"], []).append(row)
        self._insert_rows("merged", [merged_row(rows) for rows in groups.values()])
        self.connection.execute(SPANS if groups else SPANS_WITHOUT_REPEATED)


@dataclass
class _File:
    """A part or Parquet file on a disk."""

    number: int
    path: str
    address: str
    experiment: str | None
    run: str | None


@contextlib.contextmanager
def open_tables(
    source: Any = None,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    *,
    contents: bool = False,
) -> Iterator[SourceTables]:
    """Give the spans of a source as a table, which is gone when the block ends.

    Args:
        source: as of `load_spans`.
        experiment_name: as of `load_spans`.
        run_name: as of `load_spans`.
        sagemaker_session: as of `load_spans`.
        contents: also the inputs of model calls.

    Raises:
        SpanReadError: the source does not exist or can't be reached.
        MissingExtraError: duckdb or pyarrow is not installed.

    Warns:
        SpanReadWarning: parts of the data could not be read; all the rest was.
    """
    duckdb = import_extra("duckdb", "view", "Questions over a source")
    pyarrow()
    with tempfile.TemporaryDirectory(prefix="langchain-traces-") as name:
        folder = Path(name)
        connection = duckdb.connect(str(folder / "spans.duckdb"))
        try:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute(f"SET temp_directory = '{folder / 'spill'}'")
            connection.execute("SET TimeZone = 'UTC'")
            for statement in CREATE:
                connection.execute(statement)
            tables = SourceTables(connection, folder, contents=contents)
            parts, score_parts = find_all_parts(
                source, experiment_name, run_name, sagemaker_session, tables.problems
            )
            tables.fill(parts)
            tables.scores = read_scores(score_parts, tables.problems)
            if tables.problems:
                warnings.warn(describe(tables.problems), SpanReadWarning, stacklevel=4)
            yield tables
        finally:
            connection.close()


def is_source(spans: Any) -> bool:
    """Return True if it is not a frame of spans, but where spans lie."""
    return not hasattr(spans, "columns")
