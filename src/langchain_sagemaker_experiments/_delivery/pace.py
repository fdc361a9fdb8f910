"""Long work that lets other threads run.

A thread that computes keeps the interpreter lock for a whole switch interval (5 ms) again and again
while others wait for it. A flush beside a service gives the lock back after each piece of work.
"""

from __future__ import annotations

import contextlib
import time
from typing import Final

_PIECE_NS: Final = 1_000_000
"""Work at a stretch: what the event loop of a service waits for at most, beside one long value."""
_PAUSE_SECONDS: Final = 0.000_05
"""Long enough for a waiting thread to wake up and take the lock; `sleep(0)` is not."""


class Pace:
    """Pauses between pieces of work.

    Args:
        hurry: never pause, as at the end of a process.
    """

    def __init__(self, *, hurry: bool = False) -> None:
        self._hurry = hurry
        self._began = time.perf_counter_ns()

    def step(self) -> None:
        """Give the interpreter lock back if this thread has worked for a piece."""
        if self._hurry or time.perf_counter_ns() - self._began < _PIECE_NS:
            return
        # In a coroutine sleeping may be forbidden (blockbuster).
        with contextlib.suppress(Exception):
            time.sleep(_PAUSE_SECONDS)
        self._began = time.perf_counter_ns()
