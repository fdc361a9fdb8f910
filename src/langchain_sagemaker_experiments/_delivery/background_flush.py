"""Flushes from a thread of its own, by time and by size, for services that never leave their `with
Run(...)`. Off by default.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class BackgroundFlush:
    """Calls `flush` every `interval` seconds, and as soon as it is woken.

    Args:
        flush: what to call; its errors are logged, and the next turn tries again.
        interval: seconds between two flushes.
    """

    def __init__(self, flush: Callable[[], object], interval: float) -> None:
        self._flush = flush
        self._interval = interval
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        """Start the thread; also after a fork, which the thread does not survive."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="langchain-sagemaker-flush", daemon=True
        )
        self._thread.start()

    def wake(self) -> None:
        """Flush as soon as possible."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread and wait for a flush that is under way. The last flush is the caller's."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._interval)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self._flush()
            except Exception as error:
                logger.warning("Background flush: %s", error)
