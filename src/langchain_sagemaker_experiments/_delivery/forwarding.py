"""Finished spans on their way to backends beside the Run, from the parts that have been stored.

S3 stays the truth: a backend that is down, slow or refuses delays and fails no flush. A thread for
each backend reads the parts in the order they were stored, sends their finished spans, and tries
again what may go well another time.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from .._conventions.otlp import batches_of
from .._destinations.base import Destination
from .._destinations.otlp import Backend

logger = logging.getLogger(__name__)

ReadRecords = Callable[[str, bytes], list[dict[str, Any]]]
"""Gives the span records of a part, from its name and bytes."""

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries."""
_LONGEST_WISH: Final = 300.0
"""Seconds that a backend may ask to be left alone."""
_jitter = random.SystemRandom()
"""Not the global generator, which belongs to the application."""
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Bytes of parts that wait in memory for one backend; beyond it they are read back when they are
sent.
"""


@dataclass(frozen=True)
class WaitingPart:
    """A stored part that a backend has not taken yet.

    Attributes:
        name: the part's name.
        data: its bytes, or None where `read` gives them.
        read: reads it back.
    """

    name: str
    data: bytes | bytearray | None
    read: Callable[[], bytes | bytearray]


class Forwarder:
    """Sends the finished spans of stored parts to backends.

    Args:
        backends: where to.
        read_records: reads a part.
        count_fault: called with what went wrong for good, and how many spans it concerns.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        read_records: ReadRecords,
        count_fault: Callable[[str, int], None],
    ) -> None:
        self._lines = [_Line(backend, read_records, count_fault) for backend in backends]

    def offer(self, name: str, data: bytes | bytearray, read: Callable[[], bytes]) -> None:
        """Take a part that has been stored. Returns at once."""
        for line in self._lines:
            line.offer(name, data, read)

    def wait(self, timeout: float) -> int:
        """Wait until all is sent, at most so many seconds; return how many parts still wait."""
        deadline = time.monotonic() + timeout
        return sum(line.wait(deadline) for line in self._lines)

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent, whose threads send it."""
        for line in self._lines:
            line.begin()


class _Line:
    """The parts that wait for one backend, and the thread that sends them."""

    def __init__(
        self,
        backend: Backend,
        read_records: ReadRecords,
        count_fault: Callable[[str, int], None],
    ) -> None:
        self._backend = backend
        self._read_records = read_records
        self._count_fault = count_fault
        self.begin()

    def begin(self) -> None:
        """Start with nothing that waits and no thread."""
        self._waiting: deque[WaitingPart] = deque()
        self._held_bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def offer(self, name: str, data: bytes | bytearray, read: Callable[[], bytes]) -> None:
        with self._changed:
            held = self._held_bytes + len(data) <= MAX_WAITING_BYTES
            self._waiting.append(WaitingPart(name, data if held else None, read))
            self._held_bytes += len(data) if held else 0
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name=f"langchain-traces-to-{self._backend.name}", daemon=True
                )
                self._thread.start()

    def wait(self, deadline: float) -> int:
        with self._changed:
            while self._waiting and (rest := deadline - time.monotonic()) > 0:
                self._changed.wait(rest)
            return len(self._waiting)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                part = self._waiting[0]
            try:
                self._send_part(part)
            except Exception as error:
                self._fault(f"could not be read ({type(error).__name__})", 1)
                logger.warning("%s was not sent to %s: %s", part.name, self._backend.name, error)
            with self._changed:
                self._waiting.popleft()
                self._held_bytes -= len(part.data) if part.data is not None else 0
                self._changed.notify_all()

    def _send_part(self, part: WaitingPart) -> None:
        data = part.data if part.data is not None else part.read()
        records = self._read_records(part.name, bytes(data))
        backend = self._backend
        for batch in batches_of(records, backend.convention, backend.limits, backend.resource):
            self._send(batch.body, batch.spans)

    def _send(self, body: bytes, spans: int) -> None:
        refused = send_until_answered(self._backend, body, spans)
        if refused is not None:
            self._fault(refused.reason, refused.spans)

    def _fault(self, what: str, count: int) -> None:
        self._count_fault(f"{self._backend.name} {what}", count)


@dataclass(frozen=True)
class Refused:
    """What a backend will not take, however often it is sent.

    Attributes:
        spans: how many spans.
        reason: why, in the backend's words.
    """

    spans: int
    reason: str


def send_until_answered(
    backend: Backend, body: bytes, spans: int, deadline: float = math.inf
) -> Refused | None:
    """Send one request, again and again while that may help; return what was refused for good.

    Args:
        backend: where to.
        body: the request.
        spans: how many spans it holds.
        deadline: the `time.monotonic()` after which it is given up.
    """
    pause = _FIRST_PAUSE
    while True:
        answer = backend.send(body)
        if answer.accepted:
            if not answer.refused:
                return None
            return Refused(answer.refused, f"refused spans ({answer.message})")
        if not answer.again:
            return Refused(spans, f"refused a request ({answer.message})")
        if time.monotonic() > deadline:
            return Refused(spans, f"could not be reached ({answer.message})")
        logger.info("%s: %s; trying again", backend.name, answer.message)
        # So that processes that were refused together do not come again together.
        wanted = pause * (0.5 + _jitter.random())
        time.sleep(min(answer.pause or wanted, _LONGEST_WISH))
        pause = min(pause * 2, _LONGEST_PAUSE)


@dataclass
class Forwarded:
    """What a replay did.

    Attributes:
        spans: finished spans that the backend has taken.
        requests: requests sent.
        refused: what it refused: reasons and how many spans.
    """

    spans: int = 0
    requests: int = 0
    refused: dict[str, int] = field(default_factory=dict)


def replay(records: Iterable[Mapping[str, Any]], backend: Backend, timeout: float) -> Forwarded:
    """Send the finished spans of records to a backend. What is sent a second time is one span to
    it, since ids are derived from the spans' own.

    Args:
        records: span records.
        backend: where to.
        timeout: seconds for which one request is tried again.

    Raises:
        MissingExtraError: opentelemetry-proto is not installed.
    """
    done = Forwarded()
    for batch in batches_of(records, backend.convention, backend.limits, backend.resource):
        deadline = time.monotonic() + timeout
        refused = send_until_answered(backend, batch.body, batch.spans, deadline)
        done.requests += 1
        done.spans += batch.spans - (refused.spans if refused else 0)
        if refused is not None:
            done.refused[refused.reason] = done.refused.get(refused.reason, 0) + refused.spans
    return done


class ForwardingDestination:
    """A destination whose parts of spans, once stored, go to backends too.

    Args:
        inner: stores them.
        forwarders: take them then.
    """

    def __init__(self, inner: Destination, forwarders: Sequence[Forwarder]) -> None:
        self._inner = inner
        self._forwarders = forwarders

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def wait_forwarded(self, seconds: float) -> None:
        """Wait until the backends have taken what was stored."""
        deadline = time.monotonic() + seconds
        for forwarder in self._forwarders:
            forwarder.wait(max(0.0, deadline - time.monotonic()))

    def begin_anew(self) -> None:
        """In a forked child: what waits belongs to the parent."""
        for forwarder in self._forwarders:
            forwarder.after_fork()

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Store one part and return its address."""
        uri = self._inner.write(name, data)
        read = getattr(self._inner, "read", None)
        # What can't be read back, as from an object with nothing but log_file, is held.
        read_back = partial(read, uri) if callable(read) else lambda: bytes(data)
        for forwarder in self._forwarders:
            forwarder.offer(name, data, read_back)
        return uri
