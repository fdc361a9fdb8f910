"""Parts on their way to a destination: several at a time where it bears that, and each accounted
for once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from .._destinations import Destination

Read = Callable[[], bytes | bytearray]
"""Gives the bytes of a part at the moment it is sent, so that those on disk are not all in
memory.
"""


@dataclass(frozen=True)
class Arrived:
    """A part that has been stored."""

    uri: str
    size: int
    spans: int


@dataclass(frozen=True)
class _Job:
    """A part to be sent, and what is called when it is stored."""

    name: str
    read: Read
    spans: int | None
    then: Callable[[], None]


class Uploads:
    """Sends parts while the next ones are being made.

    One part alone, as most flushes have, is sent by the calling thread. From the second on threads
    send, so that the network works while the caller writes JSON. What is on its way is bounded; the
    caller waits for the oldest.

    Args:
        destination: where to; its `workers` say how many parts it takes at a time.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._pool: ThreadPoolExecutor | None = None
        self._first: _Job | None = None
        self._waiting: deque[tuple[Future[Arrived], _Job]] = deque()
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
        job = _Job(name, read, spans, then)
        if self._destination.workers == 1:
            self._note(partial(self._write, job), job)
        elif self._pool is not None:
            self._submit(self._pool, job)
        elif self._first is None:
            self._first = job  # it may stay the only one
        else:
            self._pool = ThreadPoolExecutor(
                self._destination.workers, thread_name_prefix="langchain-traces-upload"
            )
            first, self._first = self._first, None
            self._submit(self._pool, first)
            self._submit(self._pool, job)

    def finish(self) -> None:
        """Wait for all that is on its way."""
        if self._first is not None:
            self._note(partial(self._write, self._first), self._first)
            self._first = None
        while self._waiting:
            self._settle()
        if self._pool is not None:
            self._pool.shutdown()

    def abandon(self) -> None:
        """Send nothing that is not on its way yet, and wait for nothing."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, job: _Job) -> None:
        self._waiting.append((pool.submit(self._write, job), job))
        while len(self._waiting) > self._destination.workers:
            self._settle()

    def _settle(self) -> None:
        future, job = self._waiting.popleft()
        self._note(future.result, job)

    def _note(self, result: Callable[[], Arrived], job: _Job) -> None:
        try:
            self.arrived.append(result())
            job.then()
        except Exception as error:
            self.error = self.error or error

    def _write(self, job: _Job) -> Arrived:
        data = job.read()
        spans = data.count(b"\n") if job.spans is None else job.spans
        return Arrived(self._destination.write(job.name, data), len(data), spans)
