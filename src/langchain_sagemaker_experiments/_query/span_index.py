"""`SpanIndex`: the spans of one source as DuckDB tables, with the address of each whole record."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._reading.parquet import pyarrow
from .._record.model_facts import MODEL_KINDS
from ..exceptions import MissingExtraError
from .prepared import Prepared
from .tables import GATHER, MERGE, REFRESH_TRACES, SCHEMA, TWICE, VERSION

if TYPE_CHECKING:
    import duckdb

_MEMORY: Final = "1GiB"


class SpanIndex:
    """Tables `spans`, `traces`, `parts`, `runs` in one file. One thread writes, any number read.

    Args:
        path: the file; made anew where it is damaged, of another version or of another source.
        source: what is indexed, as text.

    Raises:
        MissingExtraError: duckdb is not installed.
        BlockingIOError: another process holds the file.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._writer = _open(path, source)
        self._reading = threading.local()
        self.changed = self._one("SELECT coalesce(max(changed), 0) FROM traces") or 0
        self._parts = self._one("SELECT coalesce(max(part), 0) FROM parts") or 0

    # --- reading --------------------------------------------------------------------------------
    def ask(self, query: str, parameters: Any = None) -> list[dict[str, Any]]:
        """Return the rows of a query as dictionaries, from any thread."""
        cursor = self._cursor().execute(query, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._reading, "cursor"):
            self._reading.cursor = self._writer.cursor()
        cursor: duckdb.DuckDBPyConnection = self._reading.cursor
        return cursor

    def _one(self, query: str, parameters: Any = None) -> Any:
        row = self._writer.execute(query, parameters).fetchone()
        return row[0] if row else None

    def parts(self) -> tuple[dict[str, tuple[int, str]], list[int]]:
        """Return address to number and fingerprint of each part that is indexed, and the numbers of
        older versions that an interrupted update left.
        """
        found: dict[str, tuple[int, str]] = {}
        older: list[int] = []
        rows = self._writer.execute("SELECT address, part, fingerprint FROM parts ORDER BY part")
        for address, part, fingerprint in rows.fetchall():
            if address in found:
                older.append(found[address][0])
            found[address] = (part, fingerprint)
        return found, older

    # --- writing --------------------------------------------------------------------------------
    def add(self, parts: Iterable[tuple[str, str, Prepared]]) -> None:
        """Add parts: address, fingerprint, and what they hold.

        A span that is there already is merged as the readers do it.
        """
        tables = []
        with self._changes():
            for address, fingerprint, prepared in parts:
                self._parts += 1
                self._writer.execute(
                    "INSERT INTO parts VALUES (?, ?, ?, ?)",
                    [self._parts, address, fingerprint, prepared.count],
                )
                for name, text in prepared.graphs:
                    self._writer.execute(
                        "INSERT INTO graphs VALUES (?, ?, ?)", [name, self._parts, text]
                    )
                tables.append(_numbered(prepared.table, self._parts))
            if sum(table.num_rows for table in tables):
                self._merge(pyarrow().concat_tables(tables))
                self._refresh()

    def _merge(self, table: Any) -> None:
        """Put new rows beside those of the same span, and keep the one that counts."""
        self._writer.register("named", table)
        try:
            for statement in GATHER:
                self._writer.execute(statement)
        finally:
            self._writer.unregister("named")
        if self._one(TWICE):
            for statement in MERGE:
                self._writer.execute(statement)
        self._writer.execute("INSERT INTO spans SELECT * FROM candidates")

    def remove(self, parts: Sequence[int]) -> list[str]:
        """Forget parts, by number. Return the addresses of parts to read again: what they hold had
        given way to what is gone.
        """
        if not parts:
            return []
        with self._changes():
            self._writer.execute(
                "CREATE OR REPLACE TEMP TABLE gone AS SELECT unnest(?::INTEGER[]) AS part",
                [list(parts)],
            )
            again = self._writer.execute(
                "SELECT DISTINCT address FROM superseded JOIN parts USING (part)"
                " WHERE by_part IN (FROM gone) AND part NOT IN (FROM gone)"
            ).fetchall()
            self._writer.execute(
                "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT trace_id FROM spans"
                " WHERE part IN (FROM gone)"
            )
            for table in ("spans", "parts", "graphs", "other_records", "superseded"):
                self._writer.execute(f"DELETE FROM {table} WHERE part IN (FROM gone)")
            self._writer.execute("DELETE FROM superseded WHERE by_part IN (FROM gone)")
            self._refresh()
        return [address for (address,) in again]

    def _refresh(self) -> None:
        self.changed += 1
        self._writer.execute(REFRESH_TRACES, {"models": list(MODEL_KINDS), "changed": self.changed})
        self._writer.execute("DELETE FROM traces WHERE trace_id IN (SELECT trace_id FROM touched)")
        self._writer.execute("INSERT INTO traces SELECT * FROM fresh")

    @contextlib.contextmanager
    def _changes(self) -> Iterator[None]:
        self._writer.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._writer.execute("ROLLBACK")
            self._parts = self._one("SELECT coalesce(max(part), 0) FROM parts") or 0
            raise
        self._writer.execute("COMMIT")

    def execute(self, statement: str, parameters: Any = None) -> None:
        """Run a statement of ours on the writing connection: tables that are not kept."""
        self._writer.execute(statement, parameters)

    def register(self, name: str, table: Any) -> None:
        """Make an Arrow table known to the writing connection under a name."""
        self._writer.register(name, table)

    def table(self, name: str) -> str:
        """Return a table's name as any database of the connection may write it."""
        return f'"{self.path.stem}".{name}'

    def settle(self) -> bool:
        """Pack what waits into the file; return False if a reader is in its way, so that it waits
        on.
        """
        import duckdb

        try:
            self._writer.execute("CHECKPOINT")
        except duckdb.Error:
            return False
        return True

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self.settle()
        self._writer.close()
        _held.discard(self.path)


def _numbered(table: Any, part: int) -> Any:
    pa = pyarrow()
    return table.append_column("part", pa.array([part] * table.num_rows, type=pa.int32()))


def _open(path: Path, source: str) -> duckdb.DuckDBPyConnection:
    try:
        import duckdb  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("duckdb", "view", "The live window") from error
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path in _held:  # DuckDB would give this process the same database again
        raise BlockingIOError(f"{path} is held by this process.")
    _held.add(path)
    try:
        return _opened(path, source)
    except BaseException:
        _held.discard(path)
        raise


_held: set[Path] = set()
"""Indexes that this process has open."""


def is_held(path: Path) -> bool:
    """Return True if this process has an index open."""
    return path in _held


def _opened(path: Path, source: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    try:
        return _connect(path, source)
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise BlockingIOError(f"{path} is held by another process.") from error
    except (duckdb.Error, _OtherIndexError):
        pass
    discard(path)
    return _connect(path, source)


class _OtherIndexError(Exception):
    """The file is an index of another version or source."""


def _connect(path: Path, source: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(str(path))
    try:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET preserve_insertion_order = false")
        # A first look writes much: once at its end is enough.
        connection.execute("SET checkpoint_threshold = '512MiB'")
        connection.execute("ATTACH ':memory:' AS live")
        # No question, whatever it says, may read a file or load code.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET autoload_known_extensions = false")
        connection.execute("SET lock_configuration = true")
        connection.execute(SCHEMA)
        told = connection.execute("SELECT version, source FROM meta").fetchone()
        if told is None:
            connection.execute("INSERT INTO meta VALUES (?, ?)", [VERSION, source])
        elif told != (VERSION, source):
            raise _OtherIndexError
    except BaseException:
        connection.close()
        raise
    return connection


def discard(path: Path) -> None:
    """Remove an index and what DuckDB keeps beside it."""
    for name in (path.name, f"{path.name}.wal"):
        path.with_name(name).unlink(missing_ok=True)
