"""Finished spans on their way to backends beside the Run, from the parts that have been stored.

What a backend has not taken is noted on disk (`forward_ledger`) for the process after this one. S3
stays the truth: a backend that is down, slow or refuses delays and fails no flush. A thread for
each backend reads the parts in the order they were stored, sends their finished spans, and tries
again what may go well another time.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import orjson

from .._conventions.otlp import Batch, batches_of
from .._destinations.otlp import Answer, Backend
from .._masking.masked_logger import masked_logger
from .._record.score import is_score
from .._storage.keys import SCORES_PREFIX
from .forward_ledger import ForwardLedger

logger = masked_logger(__name__)

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
        ledger: notes what the backend has taken.
        taken: numbers of the batches that it took from an earlier process.
    """

    name: str
    data: bytes | bytearray | None
    read: Callable[[], bytes | bytearray]
    ledger: ForwardLedger | None = None
    taken: frozenset[int] = frozenset()


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

    def offer(self, part: WaitingPart) -> None:
        """Take a part of spans or scores that has been stored. Returns at once."""
        for line in self._lines:
            line.offer(part)

    @property
    def takes_scores(self) -> bool:
        """Whether a backend has a place for scores."""
        return any(line.takes_scores for line in self._lines)

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

    @property
    def takes_scores(self) -> bool:
        return hasattr(self._backend, "send_score")

    def offer(self, part: WaitingPart) -> None:
        size = len(part.data or b"")
        with self._changed:
            held = self._held_bytes + size <= MAX_WAITING_BYTES
            self._waiting.append(part if held else replace(part, data=None))
            self._held_bytes += size if held else 0
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
                if part.ledger is not None:
                    part.ledger.note_done(part.name)
            except Exception as error:
                self._fault(f"could not be read ({type(error).__name__})", 1)
                logger.warning("%s was not sent to %s: %s", part.name, self._backend.name, error)
            with self._changed:
                self._waiting.popleft()
                self._held_bytes -= len(part.data) if part.data is not None else 0
                self._changed.notify_all()

    def _send_part(self, part: WaitingPart) -> None:
        data = part.data if part.data is not None else part.read()
        if part.name.startswith(SCORES_PREFIX):
            self._send_scores(bytes(data))
            return
        records = self._read_records(part.name, bytes(data))
        backend = self._backend
        batches = _batches(records, backend)
        for number, batch in enumerate(batches):
            if number - 1 >= 0 and part.ledger is not None:
                part.ledger.note_batch(part.name, number - 1)
            if number not in part.taken:
                self._send(partial(backend.send, batch.body), batch.spans)

    def _send_scores(self, data: bytes) -> None:
        for line in data.splitlines():
            score = orjson.loads(line)
            if is_score(score):
                send = self._backend.send_score  # type: ignore[attr-defined]
                self._send(partial(send, score), 1, "scores")

    def _send(self, send: Callable[[], Answer], count: int, noun: str = "spans") -> None:
        refused = send_until_answered(self._backend.name, send, count, noun=noun)
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
    name: str,
    send: Callable[[], Answer],
    spans: int,
    deadline: float = math.inf,
    noun: str = "spans",
) -> Refused | None:
    """Send one request, again and again while that may help; return what was refused for good.

    Args:
        name: the backend's.
        send: sends it.
        spans: how many spans, or scores, it holds.
        noun: what they are.
        deadline: the `time.monotonic()` after which it is given up.
    """
    pause = _FIRST_PAUSE
    while True:
        answer = send()
        if answer.accepted:
            if not answer.refused:
                return None
            return Refused(answer.refused, f"refused {noun} ({answer.message})")
        if not answer.again:
            return Refused(spans, f"refused a request ({answer.message})")
        if time.monotonic() > deadline:
            return Refused(spans, f"could not be reached ({answer.message})")
        logger.info("%s: %s; trying again", name, answer.message)
        # So that processes that were refused together do not come again together.
        wanted = pause * (0.5 + _jitter.random())
        time.sleep(min(answer.pause or wanted, _LONGEST_WISH))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _batches(records: Iterable[Mapping[str, Any]], backend: Backend) -> Iterator[Batch]:
    return batches_of(records, backend.convention, backend.limits, backend.resource, backend.join)


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
    for batch in _batches(records, backend):
        deadline = time.monotonic() + timeout
        refused = send_until_answered(
            backend.name, partial(backend.send, batch.body), batch.spans, deadline
        )
        done.requests += 1
        done.spans += batch.spans - (refused.spans if refused else 0)
        if refused is not None:
            done.refused[refused.reason] = done.refused.get(refused.reason, 0) + refused.spans
    return done
