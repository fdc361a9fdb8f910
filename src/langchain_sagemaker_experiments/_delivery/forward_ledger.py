"""What a backend has not taken yet, on disk: so that what a process leaves when it ends is sent by
the next one that forwards from the same run to the same backend.

Each process writes a file of its own, which is gone when nothing is missing. A part is noted before
it is stored, and each of its batches once the backend has answered: what is sent a second time is
one span to a backend.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from .._masking.masked_logger import masked_logger
from .._storage.append_logs import append_line, read_lines
from .._storage.writer_lock import process_state, this_process

logger = masked_logger(__name__)

ENDING: Final = ".ledger"
_FOREIGN_SECONDS: Final = 3_600.0
"""Age after which the file of a process on another machine, or in another container, is taken for
that of a dead one.
"""
_OLDEST_SECONDS: Final = 14 * 86_400.0
"""Age after which a part that nobody could read is given up."""


class ForwardLedger:
    """The parts of one run that one backend has not taken. Writing it fails no flush.

    Args:
        folder: the folder of the ledgers of this run and backend.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._missing: dict[str, set[int]] = {}
        self._lock = threading.Lock()

    def note_offered(self, name: str, taken: set[int] | None = None) -> None:
        """Note a part that the backend is to get, before it is stored."""
        with self._lock:
            if name not in self._missing:
                self._missing[name] = set(taken or ())
                self._append({"part": name, "taken": sorted(taken or ()), "time": time.time()})

    def note_batch(self, name: str, number: int) -> None:
        """Note that the backend has answered to a batch of a part."""
        with self._lock:
            self._append({"part": name, "batch": number})

    def note_done(self, name: str) -> None:
        """Note that nothing of a part is missing."""
        with self._lock:
            self._missing.pop(name, None)
            if self._missing:
                self._append({"done": name})
            else:
                self._remove(self._path)
                self._path = None
                with contextlib.suppress(OSError):  # another process has a ledger there
                    self._folder.rmdir()

    def adopt(self) -> dict[str, set[int]]:
        """Take over what processes that have ended left: name of a part → numbers of the batches
        that the backend has.
        """
        found: dict[str, set[int]] = {}
        for path in self._left_by_others():
            try:
                missing = _missing_in(path)
            except OSError as error:
                logger.warning("%s can't be read, so what it misses is not sent: %s", path, error)
                continue
            for name, taken in missing.items():
                self.note_offered(name, taken)
            found.update(missing)
            self._remove(path)
        return found

    def _left_by_others(self) -> Iterator[Path]:
        for path in sorted(self._folder.glob(f"*{ENDING}")):
            if path != self._path and _is_left(path):
                yield path

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent."""
        self._path = None
        self._missing = {}
        self._lock = threading.Lock()

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            if self._path is None or not self._path.exists():
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._path = self._folder / f"{secrets.token_hex(16)}{ENDING}"
                append_line(self._path, orjson.dumps({"writer": this_process()}))
            append_line(self._path, orjson.dumps(entry))
        except OSError as error:
            logger.warning("What waits for a backend is not noted on disk: %s", error)

    def _remove(self, path: Path | None) -> None:
        try:
            if path is not None:
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s stays: %s", path, error)


def _is_left(path: Path) -> bool:
    """Return True if the process that wrote a ledger has ended."""
    try:
        first = next(read_lines(path), {})
        age = time.time() - path.stat().st_mtime
    except OSError:  # another process took it over
        return False
    writer = first.get("writer")
    state = process_state(writer) if isinstance(writer, dict) else "elsewhere"
    return state == "dead" or (state == "elsewhere" and age > _FOREIGN_SECONDS)


def _missing_in(path: Path) -> dict[str, set[int]]:
    missing: dict[str, set[int]] = {}
    for entry in read_lines(path):
        name, batch, since = entry.get("part"), entry.get("batch"), entry.get("time")
        if isinstance(name, str) and type(batch) is int:
            missing.setdefault(name, set()).add(batch)
        elif isinstance(name, str) and isinstance(since, float):
            if time.time() - since < _OLDEST_SECONDS:
                taken = entry.get("taken")
                known = taken if isinstance(taken, list) else []
                missing[name] = {number for number in known if type(number) is int}
        elif isinstance(entry.get("done"), str):
            missing.pop(entry["done"], None)
    return missing
