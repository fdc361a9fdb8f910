"""What `sync` has sent from a folder, noted beside it: one JSON object a line."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from .._storage.append_logs import append_line, read_lines
from .._storage.file_locks import LockHeldError, LocksUnsupportedError, open_locked
from .._storage.keys import LEDGER

_LOCK_NAME: Final = ".syncing"
"""In a folder: locked while a sync works on it."""


class Ledger:
    """Notes of one folder. Anybody may have written to it: what is of another type is no note.

    Args:
        folder: the folder of parts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sent: set[str] = set()
        """Names of parts that have arrived."""
        self.counted: set[str] = set()
        """Names of parts whose figures have been logged."""
        self.log_bytes = 0
        """Bytes of an `OfflineRun`'s log that are done."""
        self.metric_bytes = 0
        """Bytes of that log whose metrics have been sent."""
        for entry in read_lines(folder / LEDGER):
            self._take_over(entry)

    def _take_over(self, entry: dict[str, Any]) -> None:
        part, counted = entry.get("part"), entry.get("counted")
        if isinstance(part, str):
            self.sent.add(part)
        if isinstance(counted, list):
            self.counted.update(name for name in counted if isinstance(name, str))
        self.log_bytes = max(self.log_bytes, _offset(entry.get("log_bytes")))
        self.metric_bytes = max(self.metric_bytes, _offset(entry.get("metric_bytes")))

    def note(self, **entry: Any) -> None:
        """Add a note; it is on disk when this returns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        append_line(self._folder / LEDGER, orjson.dumps({**entry, "by": socket.gethostname()}))
        self._take_over(entry)


def _offset(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


@contextlib.contextmanager
def only_sync(folder: Path) -> Iterator[bool]:
    """Hold a folder for one sync; give False if another one is at work there.

    On a file system without locks, nothing tells two syncs apart.
    """
    path = folder / _LOCK_NAME
    try:
        handle = _lock(path)
    except LockHeldError:
        yield False
        return
    except LocksUnsupportedError:
        yield True
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)
        with contextlib.suppress(OSError):
            folder.rmdir()  # a spool of which nothing is left


def _lock(path: Path) -> int:
    """Lock the file that has this name now: whoever held it before may have removed it, and an
    empty folder with it.
    """
    while True:
        with contextlib.suppress(FileNotFoundError):
            with contextlib.suppress(FileExistsError):  # made and removed meanwhile
                path.parent.mkdir(parents=True, exist_ok=True)
            handle = open_locked(path)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    return handle
            os.close(handle)
