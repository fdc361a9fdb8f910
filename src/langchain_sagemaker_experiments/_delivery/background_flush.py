"""Flushes from a thread of its own, by time and by size, for services that never leave their `with
Run(...)`. Off by default.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from .._masking.masked_logger import masked_logger

logger = masked_logger(__name__)


class BackgroundFlush:
    """Calls `flush` every `interval` seconds, and as soon as it is woken.

    Args:
        flush: what to call; its errors are logged, and the next turn tries again.
        interval: seconds between two flushes.
    """

    def __init__(self, flush: Callable[[], object], interval: float) -> None:
        self._flush = flush
        self._interval = interval
        self.start()

    def start(self) -> None:
        """Start the thread; also after a fork, which the thread does not survive."""
        # A signal handler may put while the thread it interrupted does, which no Event allows.
        self._wakes: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, name="langchain-sagemaker-flush", daemon=True
        )
        self._thread.start()

    def wake(self) -> None:
        """Flush as soon as possible."""
        if self._wakes.empty():
            self._wakes.put(True)

    def stop(self, *, wait: bool = True) -> None:
        """End the thread. The last flush is the caller's.

        Args:
            wait: for a flush that is under way.
        """
        thread, self._thread = self._thread, None
        self._wakes.put(False)
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        wakes = self._wakes
        while True:
            try:
                if not wakes.get(timeout=self._interval):
                    return
            except Empty:
                pass
            try:
                self._flush()
            except Exception as error:
                logger.warning("Background flush: %s", error)
