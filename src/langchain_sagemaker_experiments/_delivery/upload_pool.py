"""Parts on their way to a destination: several at a time where it allows that.

The threads are daemons of our own. Those of `concurrent.futures` take no work once the interpreter
shuts down, and keep a process alive for as long as a dead network lets them hang.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

from .._destinations import Destination
from .parts import Arrived, Part


class Uploads:
    """Sends parts while the next ones are being made.

    One part alone, as most flushes have, is sent by the calling thread. From the second on threads
    send, so that the network works while the caller writes JSON. One part more than there are
    threads is on its way; then the caller waits.

    Args:
        destination: where to; its `workers` say how many parts it takes at a time.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._first: Part | None = None
        self._threads: list[threading.Thread] = []
        # Its `put` may be interrupted by a signal whose handler puts, too.
        self._jobs: SimpleQueue[Part | None] = SimpleQueue()
        self._room = threading.Semaphore(destination.workers + 1)
        self._abandoned = False
        self._sent: dict[Part, None] = {}
        self.gone: list[Part] = []
        """Parts whose file something else deleted from the spool."""
        self.error: Exception | None = None
        """The first failure; nothing is sent after it."""

    @property
    def arrived(self) -> list[Arrived]:
        """What is stored, in the order it was given."""
        sent = [part for part in list(self._sent) if part not in self.gone]
        return [part.arrived for part in sent if part.arrived is not None]

    def send(self, part: Part) -> None:
        """Send a part, unless one before it failed."""
        if self.error is not None or part in self._sent:
            return
        self._sent[part] = None
        if self._destination.workers == 1:
            self._store(part)
        elif self._threads:
            self._give(part)
        elif self._first is None:
            self._first = part  # it may stay the only one
        else:
            self._start_threads()
            first, self._first = self._first, None
            self._give(first)
            self._give(part)

    def _start_threads(self) -> None:
        for _ in range(self._destination.workers):
            thread = threading.Thread(
                target=self._work, name="langchain-traces-upload", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the interpreter is shutting down: the calling thread sends
                return
            self._threads.append(thread)

    def _give(self, part: Part) -> None:
        if not self._threads:
            self._store(part)
            return
        self._room.acquire()
        self._jobs.put(part)

    def finish(self) -> None:
        """Wait until all is stored or has failed."""
        if self._first is not None:
            self._store(self._first)
            self._first = None
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def abandon(self) -> None:
        """Send nothing that is not on its way yet, and wait for nothing."""
        self._abandoned = True
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (part := self._jobs.get()) is not None:
            self._store(part)
            self._room.release()

    def _store(self, part: Part) -> None:
        if self._abandoned or self.error is not None or part.arrived is not None:
            return
        try:
            data = part.read()
        except FileNotFoundError:
            if part.arrived is None:
                self.gone.append(part)
            return
        try:
            uri = self._destination.write(part.name, data)
        except Exception as error:
            self.error = self.error or error
            return
        part.note_arrival(uri, len(data))
