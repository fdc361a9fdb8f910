"""Long work that lets other threads run.

A thread that computes keeps the interpreter lock for a whole switch interval (5 ms) again and again
while others wait for it. A flush beside a service gives the lock back after each piece of work.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Final

_PIECE_NS: Final = 1_000_000
"""Work at a stretch: what the event loop of a service waits for at most, beside one long value."""
_PAUSE_SECONDS: Final = 0.000_05
"""Long enough for a waiting thread to wake up and take the lock; `sleep(0)` is not."""


class Pace:
    """Pauses between pieces of work.

    Args:
        hurry: never pause, as at the end of a process.
        is_behind: returns True as long as more is recorded than is written. Then the lock is shared
            half and half, as Python does it: a thread that always gives it back gets a sixth, and
            recording would stand still once memory is full.
    """

    def __init__(
        self, *, hurry: bool = False, is_behind: Callable[[], bool] = lambda: False
    ) -> None:
        self._hurry = hurry
        self._is_behind = is_behind
        self._began = time.perf_counter_ns()

    def step(self) -> None:
        """Give the interpreter lock back if this thread has worked for a piece."""
        if self._hurry or time.perf_counter_ns() - self._began < _PIECE_NS:
            return
        if not self._is_behind():
            # In a coroutine sleeping may be forbidden (blockbuster).
            with contextlib.suppress(Exception):
                time.sleep(_PAUSE_SECONDS)
        self._began = time.perf_counter_ns()
