"""Append-only files of JSON lines, which several processes may share: written line by line, read
without what a crash has torn.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from .regular_files import open_regular

APPEND: Final = (
    os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
"""Flags of `os.open` for a file that grows. Readable too, so that `write_line` sees a torn line."""


def write_line(handle: int, line: bytes) -> None:
    """Append one line to a file opened with `APPEND`.

    A line that an earlier write left torn (a full disk, a killed process) is ended first, so that
    only that one is lost. Lines of several processes never mix.
    """
    whole = _ends_whole(handle)
    write_all(handle, line + b"\n" if whole else b"\n" + line + b"\n")


def _ends_whole(handle: int) -> bool:
    """Return True if the file is empty or its last byte ends a line."""
    size = os.fstat(handle).st_size
    if size == 0:
        return True
    if hasattr(os, "pread"):
        return os.pread(handle, 1, size - 1) in (b"\n", b"")
    os.lseek(handle, size - 1, os.SEEK_SET)  # where it writes, O_APPEND decides
    return os.read(handle, 1) in (b"\n", b"")


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a file that only its owner may read; see `write_line`."""
    handle = os.open(path, APPEND, 0o600)
    try:
        write_line(handle, line)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes | bytearray) -> None:
    """Write all bytes to an open file, however many calls that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; none when there is no file, no torn ones, and
    nothing that is no object.
    """
    return (entry for _, entry in read_entries(path))


def read_entries(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each object behind a byte of a file of JSON lines, with the byte at which its line
    ends. A last line without its end is torn, or still being written, and does not count.

    Raises:
        OSError: the file can't be read, or is no regular file.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if line.endswith(b"\n"):
                for entry in _object_of(line):
                    yield offset, entry


@dataclass(frozen=True)
class LogPosition:
    """How far an append-only file has been read: a value, which threads may share.

    Attributes:
        offset: bytes read, up to the end of a line.
        inode: which file it was, None for any; another one in its place is read from its beginning.
    """

    offset: int = 0
    inode: int | None = None

    def read(self, path: Path) -> tuple[list[dict[str, Any]], LogPosition]:
        """Return the objects behind this position, and the position behind them. A last line
        without its end is torn, or still being written, and does not count yet.

        Raises:
            OSError: it can't be read, or is no regular file.
        """
        try:
            file = open_regular(path)
        except FileNotFoundError:
            return [], LogPosition()
        with file:
            status = os.fstat(file.fileno())
            same = self.inode in (None, status.st_ino) and status.st_size >= self.offset
            begin = self.offset if same else 0
            file.seek(begin)
            data = file.read()
        end = data.rfind(b"\n") + 1
        entries = [entry for line in data[:end].splitlines() for entry in _object_of(line)]
        return entries, LogPosition(begin + end, status.st_ino)


def _object_of(line: bytes) -> tuple[dict[str, Any], ...]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ()
    return (value,) if isinstance(value, dict) else ()
