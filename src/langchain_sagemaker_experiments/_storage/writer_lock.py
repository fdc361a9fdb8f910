"""Whether the process that writes a spool folder is still there.

A process number alone does not tell: it means nothing in another container or on another machine,
and is given again. So the writer holds a lock on `writer.json` in its folder for as long as it
lives, and the file says where the writer runs. A lock on a local file system decides. On a shared
one (NFS, EFS, a FUSE mount), a lock that is free decides only for writers of this very system.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from .file_locks import LockHeldError, LocksUnsupportedError, lock, open_locked

WRITER_FILE: Final = "writer.json"
"""In a spool folder: locked by its writer, and what the writer says of itself."""
WriterState = Literal["alive", "dead", "elsewhere"]

_ATTEMPTS: Final = 50
_LOCAL_FILE_SYSTEMS: Final = frozenset(
    [
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "bcachefs",
        "f2fs",
        "jfs",
        "reiserfs",
        "overlay",
        "overlayfs",
        "aufs",
        "tmpfs",
        "ramfs",
        "vfat",
        "exfat",
        "ntfs",
        "ntfs3",
    ]
)
"""File systems that one kernel writes to: its locks are all the locks there are."""

_held: set[str] = set()
"""Folders whose lock this process holds. Where a file system offers `flock` by POSIX locks, opening
and closing the file once more would give our own lock up.
"""


class WriterLock:
    """The lock of the process that writes a spool folder, from `acquire` to `release` or its end.

    Where the file system offers no locks, it is the note in the folder alone.
    """

    def __init__(self, folder: Path, handle: int) -> None:
        self._folder = folder
        self._handle: int | None = handle
        _held.add(_key(folder))

    @classmethod
    def acquire(cls, folder: Path) -> WriterLock:
        """Lock a folder that exists, before anything else is written to it.

        Raises:
            OSError: the file can't be written, or another writer holds the lock.
        """
        path = folder / WRITER_FILE
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            locked = _lock_patiently(handle)
            os.ftruncate(handle, 0)
            os.write(handle, json.dumps({**this_process(), "locked": locked}).encode())
        except BaseException:
            os.close(handle)
            raise
        return cls(folder, handle)

    def release(self) -> None:
        """Remove the file and give the lock up: the folder has no writer any more."""
        if self._handle is not None:
            self.forget()
            (self._folder / WRITER_FILE).unlink(missing_ok=True)

    def forget(self) -> None:
        """Close our copy without removing the file; in a forked child, where the lock stays the
        parent's.
        """
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _held.discard(_key(self._folder))
            os.close(handle)


def _lock_patiently(handle: int) -> bool:
    """Lock; return False where the file system offers no locks. A `sync` that looks at the folder
    holds the lock for a moment.
    """
    for attempt in range(_ATTEMPTS):
        try:
            lock(handle)
        except LocksUnsupportedError:
            return False
        except LockHeldError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.01)
        else:
            return True
    return True


def writer_state(folder: Path) -> WriterState:
    """Return whether the process that writes a spool folder is `alive`, is `dead`, or may still
    live `elsewhere`: on another machine, or in a container whose processes are not seen from here.

    A folder without a note is a dead writer's: a writer writes the note first.
    """
    if _key(folder) in _held:
        return "alive"
    path = folder / WRITER_FILE
    try:
        handle = open_locked(path, create=False, shared=True)
    except FileNotFoundError:
        return "dead"
    except LockHeldError:
        return "alive"
    except LocksUnsupportedError:
        return process_state(_note_in(path))
    except OSError:
        return "elsewhere"  # not ours to read: leave it alone
    os.close(handle)
    note = _note_in(path)
    if note.get("locked") is False:
        return process_state(note)
    return "dead" if is_local(folder) or _same_system(note) else "elsewhere"


def process_state(note: dict[str, Any]) -> WriterState:
    """Return the state of a process as its note alone tells it, which is from `this_process`."""
    if not _same_system(note) or note.get("namespace", _namespace()) != _namespace():
        return "elsewhere"
    number = note.get("pid")
    if sys.platform == "win32" or type(number) is not int or number <= 0:
        return "elsewhere"  # os.kill(pid, 0) ends a process on Windows
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return "dead"
    except OSError:
        pass
    started = _start_time(number)
    return "alive" if started == note.get("started", started) else "dead"


def _same_system(note: dict[str, Any]) -> bool:
    boot = note.get("boot", "")
    return boot == _boot_id() if boot else note.get("host") == socket.gethostname()


def _note_in(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_bytes()[:65_536])
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def this_process() -> dict[str, Any]:
    """Return what tells this process from any other, here and on other machines."""
    return {
        "host": socket.gethostname(),
        "boot": _boot_id(),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


@lru_cache(maxsize=1)
def _boot_id() -> str:
    """The number of this start of the kernel; empty where the system has none to read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _start_time(number: int) -> int | None:
    """When a process began, in clock ticks since the boot; None where that can't be read."""
    try:
        text = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold brackets and blanks. Field 22 of proc(5).
    return int(text.rpartition(")")[2].split()[19])


def is_local(folder: Path) -> bool:
    """Return True if a folder lies on a file system that no other machine writes to."""
    place = os.path.realpath(folder)
    kind, length = "", -1
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        fields, _, rest = line.partition(" - ")
        mounted = fields.split()[4].encode().decode("unicode_escape")
        prefix = mounted.rstrip("/") + "/"
        if len(prefix) >= length and f"{place}/".startswith(prefix):
            kind, length = rest.split()[0], len(prefix)
    return kind in _LOCAL_FILE_SYSTEMS


def _key(folder: Path) -> str:
    return os.path.realpath(folder)
