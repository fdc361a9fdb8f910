"""What happens when the buffer is full: a thread moves its spans to disk while recording goes on.

Memory stays below twice the budget: before that, the recording thread waits for the disk. It never
drops a span, and it never waits for a disk that takes nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

_PATIENCE: Final = 60.0
"""Seconds that a recording thread waits for room at most: memory beyond the bound is better than an
application that stands still.
"""
_NAP: Final = 0.002
_BOUND: Final = 1.25
"""Times the budget at which recording waits. What is held is an estimate, and a part is written
beside the spans it is made of: measured, a process grows by twice the budget at most.
"""


class Spiller:
    """Runs `spill` in a thread of its own, which ends when it is done.

    Args:
        spill: moves what the buffer holds to disk; returns False if that failed.
        held: returns the bytes in memory, of the spans being moved too.
        waits: returns the bytes in the buffer.
        budget: bytes from which on the buffer is full.
    """

    def __init__(
        self,
        spill: Callable[[], bool],
        held: Callable[[], int],
        waits: Callable[[], int],
        budget: int,
    ) -> None:
        self._spill = spill
        self._held = held
        self._waits = waits
        self._budget = budget
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew: no thread survives a fork."""
        self._running = threading.Lock()
        self._thread: int | None = None

    def on_full(self) -> None:
        """See to it that the spans go to disk; wait if too much is held."""
        with contextlib.suppress(Exception):  # where blocking is forbidden, nobody waits
            self._start()
            if self._held() > _BOUND * self._budget:
                self._wait_for_room()

    def _start(self) -> None:
        if not self._running.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._run, name="langchain-traces-spill", daemon=True).start()
        except RuntimeError:  # no thread starts while the interpreter shuts down
            self._run()

    def _run(self) -> None:
        self._thread = threading.get_ident()
        try:
            while self._waits() > self._budget and self._spill():
                pass
        finally:
            self._thread = None
            self._running.release()

    def _wait_for_room(self) -> None:
        # A user's redact function that the spill calls may record spans itself.
        if self._thread == threading.get_ident():
            return
        end = time.monotonic() + _PATIENCE
        while (
            self._held() > _BOUND * self._budget
            and self._running.locked()
            and time.monotonic() < end
        ):
            time.sleep(_NAP)
