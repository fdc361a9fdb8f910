"""Parts on disk that wait for their upload: a folder of append-only files, readable by their owner
only. Knows bytes only.

A spool has one writer, which holds the lock of the folder. Its folder holds `part-….jsonl` files,
each sealed and ready to be uploaded under its own name, `live-*.jsonl`, to which a durable handler
appends, and `target.json`, which tells where the parts belong.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .._storage.atomic_files import write_file
from .._storage.file_locks import LockHeldError
from .._storage.keys import (
    LIVE_PREFIX,
    PART_PREFIX,
    PART_SUFFIX,
    SCORES_PREFIX,
    SPOOL_PREFIX,
    TARGET_NAME,
)
from .._storage.writer_lock import WRITER_FILE, WriterLock
from .live_file import CLOSED, LiveFile

_MAX_HANDLES: Final = 64
"""Sealed files held open, so that their spans survive somebody who cleans up the folder."""
_TIDY_SECONDS: Final = 0.2
"""How long tidying up waits for the spool's lock, which a thread that a signal interrupted may hold
forever.
"""
_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def default_spool_dir() -> Path:
    """Return the folder for spools of this user: the platform's place for state that should survive
    (platformdirs).
    """
    import platformdirs

    return Path(platformdirs.user_state_path("langchain-sagemaker-experiments")) / "spool"


class SpoolFile:
    """A sealed part on disk.

    Args:
        spool: the spool it belongs to.
        path: the file.
        handle: the open file, which still holds the bytes when something else deletes the path.
    """

    def __init__(self, spool: Spool, path: Path, handle: int | None) -> None:
        self._spool = spool
        self.path = path
        self._handle = handle

    def write(self, data: bytes | bytearray) -> None:
        """Write the file; a reader sees it whole or not at all."""
        with self._spool.lock:
            self._spool.make_folder()
            self.path = self._spool.path / self.path.name  # another one if it was deleted
            write_file(self.path, data)
            self._handle = self._spool.hold_open(self.path)

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            FileNotFoundError: something else deleted the file, and it was not held open.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            if self._handle is None:
                raise
            return read_all(self._handle)

    def is_deleted(self) -> bool:
        """Return True if something else deleted the file."""
        return not self.path.exists()

    def remove(self) -> None:
        """Delete the file, and the folder with it when nothing waits there any more."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._spool.tidy(self.path.parent)

    def close(self) -> None:
        """Give up the open file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._spool.handles -= 1
            os.close(handle)


def read_all(handle: int) -> bytes:
    """Return the bytes of an open file, which may have no name any more."""
    os.lseek(handle, 0, os.SEEK_SET)
    pieces = iter(lambda: os.read(handle, 1 << 20), b"")
    return b"".join(pieces)


class Spool:
    """One pipeline's spool folder. Nothing is created before the first byte is written.

    Args:
        parent: folder under which this spool makes its own; `default_spool_dir()` when None.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        self._parent = Path(parent) if parent is not None else default_spool_dir()
        # Reentrant: SIGTERM may interrupt an append in the main thread, and its handler seals the
        # file.
        self.lock = threading.RLock()
        self._writer: WriterLock | None = None
        self.handles = 0
        self.path = self._new_path()

    def _new_path(self) -> Path:
        return self._parent / f"{SPOOL_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"

    def open_live(self) -> LiveFile:
        """Return a new file to append to."""
        with self.lock:
            self.make_folder()
            return LiveFile(self, f"{secrets.token_hex(16)}{PART_SUFFIX}")

    def seal(self, live: LiveFile) -> SpoolFile:
        """Turn a live file into a part, which stays open."""
        path = live.seal(PART_PREFIX)
        if live.handle == CLOSED:
            return SpoolFile(self, path, None)
        self.handles += 1
        return SpoolFile(self, path, live.handle)

    def file(self, name: str) -> SpoolFile:
        """Return the place of a part that is not written yet."""
        return SpoolFile(self, self.path / name, None)

    def hold_open(self, path: Path) -> int | None:
        """Open a file that was written, so that nothing else can take its bytes away."""
        # Windows deletes no file that is open; nobody else can delete it there either.
        if self.handles >= _MAX_HANDLES or os.name == "nt":
            return None
        with contextlib.suppress(OSError):
            handle = os.open(path, _READ)
            self.handles += 1
            return handle
        return None

    def write_target(self, target: Mapping[str, object]) -> None:
        """Note where the parts of this spool belong, for `sagemaker-traces sync`."""
        with self.lock:
            self.make_folder()
            write_file(self.path / TARGET_NAME, json.dumps(dict(target), indent=2).encode())

    # --- scores -----------------------------------------------------------------------------------
    def new_file(self, name: str) -> Path:
        """Return the path of a file of scores, in a folder that is there."""
        with self.lock:
            self.make_folder()
            return self.path / name

    def write_part(self, name: str, data: bytes) -> None:
        """Write a file of scores; a reader sees it whole or not at all."""
        write_file(self.new_file(name), data)

    def score_files(self) -> list[Path]:
        """Return the files of scores, oldest first."""
        return sorted(self.path.glob(f"{SCORES_PREFIX}*{PART_SUFFIX}"))

    def remove(self, file: Path) -> None:
        """Delete a file of scores that was sent."""
        file.unlink(missing_ok=True)
        self.tidy(self.path)

    # --- the folder -------------------------------------------------------------------------------
    def parts(self) -> list[Path]:
        """Return the sealed parts that lie in the folder."""
        return sorted(self.path.glob(f"{PART_PREFIX}*{PART_SUFFIX}"))

    def tidy(self, folder: Path) -> None:
        """Remove the folder when nothing waits there any more."""
        if not self.lock.acquire(timeout=_TIDY_SECONDS):
            return  # the last flush of a process tidies up, or nobody needs to
        try:
            if not any(_span_files(folder)):
                self._remove(folder)
        except OSError:
            pass  # not there, or not empty
        finally:
            self.lock.release()

    def _remove(self, folder: Path) -> None:
        (folder / TARGET_NAME).unlink(missing_ok=True)
        for scratch in folder.glob(".*"):  # a write that was cut short
            scratch.unlink(missing_ok=True)
        if folder == self.path:
            self.release()
        (folder / WRITER_FILE).unlink(missing_ok=True)
        folder.rmdir()

    def release(self) -> None:
        """Declare that nobody writes to the folder any more: `sync` may take what lies there."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def after_fork(self) -> None:
        """Start a folder of our own in a forked child; the parent's stays the parent's."""
        self.lock = threading.RLock()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.forget()
        self.path = self._new_path()

    def make_folder(self) -> None:
        """Make the folder and lock it, anew when something else deleted it."""
        if self._writer is not None:
            if self.path.exists():
                return
            self._writer.forget()
            self._writer = None
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._writer = WriterLock.acquire(self.path)
        except LockHeldError:
            # A signal came while this very thread took the lock, and its handler writes to disk.
            self.path = self._new_path()
            self.path.mkdir(mode=0o700, parents=True)
            self._writer = WriterLock.acquire(self.path)


def _span_files(folder: Path) -> Iterator[Path]:
    for prefix in (PART_PREFIX, LIVE_PREFIX, SCORES_PREFIX):
        yield from folder.glob(f"{prefix}*{PART_SUFFIX}")
