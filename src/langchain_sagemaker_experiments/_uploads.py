"""Parts on their way to a destination: several at a time where it bears that, and each accounted for once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ._destinations import Destination

Read = Callable[[], bytes | bytearray]
"""Gives the bytes of a part at the moment it is sent, so that those on disk are not all in memory."""


@dataclass(frozen=True)
class Arrived:
    """A part that has been stored."""

    uri: str
    size: int
    spans: int


class Uploads:
    """Sends parts while the next ones are being made.

    One part alone, as most flushes have, is sent by the calling thread. From the second on threads send, so that the network
    works while the caller writes JSON. What is on its way is bounded; the caller waits for the oldest.

    Args:
        destination: where to; its `workers` say how many parts it takes at a time.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._pool: ThreadPoolExecutor | None = None
        self._held: tuple[str, Read, int | None] | None = None
        self._waiting: deque[tuple[Future[Arrived], Callable[[], None]]] = deque()
        self._held_then: Callable[[], None] | None = None
        self.arrived: list[Arrived] = []
        """What is stored, in the order it was sent."""
        self.error: Exception | None = None
        """The first failure; nothing is sent after it."""

    def send(self, name: str, read: Read, spans: int | None, then: Callable[[], None]) -> None:
        """Send a part, unless one before it failed.

        Args:
            name: the part's name.
            read: gives its bytes.
            spans: how many it holds; None counts its lines.
            then: called, by the thread that calls this class, when it is stored.
        """
        if self.error is not None:
            return
        if self._pool is None and self._held is None and self._destination.workers > 1:
            self._held, self._held_then = (name, read, spans), then
            return
        if self._destination.workers == 1:
            self._here(name, read, spans, then)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._destination.workers, thread_name_prefix="langchain-traces-upload")
        self._release(self._pool)
        self._waiting.append((self._pool.submit(self._write, name, read, spans), then))
        while len(self._waiting) > self._destination.workers:
            self._settle()

    def finish(self) -> None:
        """Wait for all that is on its way."""
        if self._held is not None and self._held_then is not None:
            self._here(*self._held, self._held_then)
            self._held = None
        while self._waiting:
            self._settle()
        if self._pool is not None:
            self._pool.shutdown()

    def abandon(self) -> None:
        """Send nothing that is not on its way yet, and wait for nothing."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, pool: ThreadPoolExecutor) -> None:
        if self._held is not None and self._held_then is not None:
            self._waiting.append((pool.submit(self._write, *self._held), self._held_then))
            self._held = None

    def _here(self, name: str, read: Read, spans: int | None, then: Callable[[], None]) -> None:
        try:
            self.arrived.append(self._write(name, read, spans))
            then()
        except Exception as error:
            self.error = error

    def _settle(self) -> None:
        future, then = self._waiting.popleft()
        try:
            self.arrived.append(future.result())
            then()
        except Exception as error:
            self.error = self.error or error

    def _write(self, name: str, read: Read, spans: int | None) -> Arrived:
        data = read()
        return Arrived(self._destination.write(name, data), len(data), data.count(b"\n") if spans is None else spans)
