"""The file to which a durable handler appends a line at the end of each span.

What the file holds and what is known of it change in one assignment. So a line that was cut short
(a full disk, an exception, a signal whose handler seals the file) is written again from its
beginning. A line that was written is never written twice.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from .._storage.append_logs import write_all
from .._storage.keys import LIVE_PREFIX

if TYPE_CHECKING:
    from .run_summary import Summary
    from .spool import Spool

_FLAGS: Final = (
    os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
CLOSED: Final = -1
"""In place of the handle of a file that is not open any more."""
_COPY_BYTES: Final = 1 << 20


class _State(NamedTuple):
    """What the file holds: whole lines of `size` bytes, and perhaps a line that is being written.

    Attributes:
        size: bytes of the whole lines.
        lines: how many they are.
        figures: the sums of their spans; None before the first.
        pending: the line that is being written, and its figures.
    """

    size: int = 0
    lines: int = 0
    figures: Summary | None = None
    pending: tuple[bytes, Summary, int] | None = None


class LiveFile:
    """An open file of lines. Used under the lock of its spool.

    Args:
        spool: the spool whose folder it lies in.
        name: what follows `live-` or `part-` in its name.
    """

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool = spool
        self._name = name
        self._state = _State()
        self._sealed: Path | None = None
        self.handle, self._path = self._open()

    def _open(self) -> tuple[int, Path]:
        path = self._spool.path / f"{LIVE_PREFIX}{self._name}"
        return os.open(path, _FLAGS, 0o600), path

    @property
    def name(self) -> str:
        """What follows the prefix in the file's name."""
        return self._name

    @property
    def is_sealed(self) -> bool:
        """Whether it has become a part."""
        return self._sealed is not None

    @property
    def size(self) -> int:
        """Bytes of the whole lines."""
        return self._state.size

    @property
    def lines(self) -> int:
        """How many lines were written, one that is being written included."""
        pending = self._state.pending
        return self._state.lines + (pending[2] if pending is not None else 0)

    @property
    def figures(self) -> Summary | None:
        """The sums of the spans; None when there are none."""
        return self._state.figures

    def append(self, line: bytes, figures: Summary, lines: int = 1) -> None:
        """Append one line, or several that belong together. It survives the death of the process
        from the moment this returns.

        Raises:
            OSError: the line can't be written. The file is as it was before.
        """
        self._finish()
        self._state = self._state._replace(pending=(line + b"\n", figures, lines))
        try:
            self._finish()
        except Exception:
            self._state = self._state._replace(pending=None)
            with contextlib.suppress(Exception):
                self._cut_torn_line()
            raise

    def _finish(self) -> None:
        """Write the line that an exception or a signal cut short."""
        size, lines, figures, pending = self._state
        if pending is None:
            return
        self._cut_torn_line()
        line, more, count = pending
        write_all(self.handle, line)
        figures = more if figures is None else figures.plus(more)
        self._state = _State(size + len(line), lines + count, figures)

    def _cut_torn_line(self) -> None:
        status = os.fstat(self.handle)
        if status.st_nlink == 0:
            self._move_to_new_folder()
        elif status.st_size > self._state.size:
            os.ftruncate(self.handle, self._state.size)

    def _move_to_new_folder(self) -> None:
        """Something else deleted the file, which stays readable while it is open: copy it."""
        self._spool.make_folder()
        old = self.handle
        handle, path = self._open()
        os.lseek(old, 0, os.SEEK_SET)
        left = self._state.size
        while left and (data := os.read(old, min(left, _COPY_BYTES))):
            write_all(handle, data)
            left -= len(data)
        self.handle, self._path = handle, path
        os.close(old)

    def seal(self, prefix: str) -> Path:
        """Rename the file to a part and return its path. It takes no lines afterwards."""
        self._finish()
        if self._sealed is None:
            self._cut_torn_line()
            sealed = self._path.with_name(f"{prefix}{self._name}")
            if os.name == "nt" and self.handle != CLOSED:  # Windows renames no open file
                os.close(self.handle)
                self.handle = CLOSED
            with contextlib.suppress(FileNotFoundError):  # renamed by a call that was cut short
                self._path.rename(sealed)
            self._sealed = sealed
        return self._sealed

    def close_copy(self) -> None:
        """In a forked child: close the copy of the parent's file."""
        if self.handle != CLOSED:
            os.close(self.handle)
