"""Files of folders that anybody may have filled: listed and read without waiting for what is no
file, and without following links to other folders.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

_READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    # Opening a FIFO waits for a writer without it.
    | getattr(os, "O_NONBLOCK", 0)
)


@dataclass(frozen=True)
class Listed:
    """An entry of a folder, or of one below it.

    Attributes:
        path: its path, beginning with the folder's.
        fault: why it is not a file that can be read, if so.
    """

    path: str
    fault: str | None = None


def list_files(folder: str | os.PathLike[str]) -> Iterator[Listed]:
    """Yield the files below a folder, and what is named with it but is no file: folders with an
    ending, FIFOs, sockets, links to nothing, folders that can't be listed.
    """
    waiting = [os.fspath(folder)]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                found = list(entries)
        except OSError as error:
            yield Listed(path, f"can't be listed ({error.strerror})")
            continue
        for entry in found:
            if _is(entry.is_dir, follow_symlinks=False):
                waiting.append(entry.path)
                yield Listed(entry.path, "a folder, not a file")
            elif _is(entry.is_file):
                yield Listed(entry.path)
            else:
                yield Listed(entry.path, _kind(entry))


def _is(question: object, **options: bool) -> bool:
    try:
        return bool(question(**options))  # type: ignore[operator]
    except OSError:  # a link that leads to itself
        return False


def _kind(entry: os.DirEntry[str]) -> str:
    if not _is(entry.is_symlink):
        return "no regular file"
    return "a link to a folder" if _is(entry.is_dir) else "a link to nothing that is a file"


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, and wait for nothing.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    handle = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file, and wait for nothing.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    with open_regular(path) as file:
        return file.read()
