"""Locks on files, held by an open file and given back by the system when the process ends.

`flock` on POSIX, `msvcrt.locking` on Windows. A file system that offers neither is told apart from
a lock that somebody else holds.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Final

_OPEN: Final = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_BUSY: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_WINDOWS_OFFSET: Final = 1 << 30
"""Windows locks ranges of bytes and refuses to read them; nobody reads so far behind the text."""


class LockHeldError(OSError):
    """Somebody else holds the lock."""


class LocksUnsupportedError(OSError):
    """The file system offers no locks."""


def open_locked(path: Path, *, create: bool = True, shared: bool = False) -> int:
    """Open a file, lock it, and return its descriptor; closing it gives the lock up.

    Args:
        path: the file.
        create: make it where it is missing, readable by its owner only.
        shared: let others hold a shared lock beside ours (on POSIX).

    Raises:
        LockHeldError: somebody else holds the lock.
        LocksUnsupportedError: the file system offers no locks.
        OSError: the file can't be opened, or is no regular file.
    """
    handle = os.open(path, _OPEN | (os.O_CREAT if create else 0), 0o600)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        lock(handle, shared=shared)
    except BaseException:
        os.close(handle)
        raise
    return handle


def lock(handle: int, *, shared: bool = False) -> None:
    """Lock an open file, for one holder or for all that share it, without waiting.

    Raises:
        LockHeldError: somebody else holds the lock.
        LocksUnsupportedError: the file system offers no locks.
    """
    try:
        _lock(handle, shared)
    except OSError as error:
        kind = LockHeldError if error.errno in _BUSY else LocksUnsupportedError
        raise kind(error.errno, error.strerror) from error


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, shared: bool) -> None:
        place = os.lseek(handle, 0, os.SEEK_CUR)
        os.lseek(handle, _WINDOWS_OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, place, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int, shared: bool) -> None:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
