"""How far an evaluation is: a line on a terminal with rate and estimate, or the user's function."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final, Literal, TextIO

_SECONDS: Final = 0.2
_WIDTH: Final = 24

Told = Callable[[int, int], None]
"""Called with how many calls are done, of how many."""


class ProgressLine:
    """A line that is written again and again.

    Args:
        total: how many calls there are.
        done: how many were done before.
        shown: True or False; "auto" shows it on a terminal; a function takes the numbers instead.
        stream: where to write; standard error by default.
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        *,
        shown: bool | Literal["auto"] | Told = "auto",
        stream: TextIO | None = None,
    ) -> None:
        self._total = total
        self._done = self._before = done
        self._failed = 0
        self._stream = stream if stream is not None else sys.stderr
        self._tell = shown if callable(shown) else None
        self._shown = self._is_terminal() if shown == "auto" else shown is True
        self._began = time.monotonic()
        self._written = 0.0

    def _is_terminal(self) -> bool:
        try:
            return self._stream.isatty()
        except (AttributeError, ValueError):
            return False

    def set(self, done: int, failed: int) -> None:
        """Tell how many calls are done, and how many of them failed."""
        self._done, self._failed = done, failed
        if self._tell is not None:
            self._tell(done, self._total)
        now = time.monotonic()
        if self._shown and now - self._written >= _SECONDS:
            self._written = now
            self._write(self.text())

    def text(self) -> str:
        """Return the line: bar, counts, rate, estimate, failures."""
        share = self._done / self._total if self._total else 1.0
        bar = "█" * round(share * _WIDTH)
        took = max(time.monotonic() - self._began, 1e-9)
        rate = (self._done - self._before) / took
        left = (self._total - self._done) / rate if rate > 0 else None
        pieces = [f"{bar:░<{_WIDTH}} {self._done:,}/{self._total:,}", f"{rate:.1f}/s"]
        pieces.append(f"{_minutes(left)} left" if left is not None else "waiting")
        if self._failed:
            pieces.append(f"{self._failed} failed")
        return "  ".join(pieces)

    def close(self) -> None:
        """Write the last state and end the line."""
        if self._shown:
            self._write(self.text())
            self._stream.write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text}\x1b[K")
        self._stream.flush()


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3_600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def no_progress(*numbers: Any) -> None:
    """Take the numbers and show nothing."""
