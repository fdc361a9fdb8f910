"""A destination whose parts go to other backends too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from .._destinations.base import Destination
from .forward_ledger import ForwardLedger
from .forwarding import Forwarder, WaitingPart


class ForwardingDestination:
    """A destination whose parts of spans, once stored, go to backends too; parts of scores to those
    that take them.

    Args:
        inner: stores them.
        forwarders: take them then.
        ledgers: note what each forwarder's backend has not taken; what earlier processes left is
            sent first.
    """

    def __init__(
        self,
        inner: Destination,
        forwarders: Sequence[Forwarder],
        ledgers: Sequence[ForwardLedger],
    ) -> None:
        self._inner = inner
        self._forwarders = forwarders
        # What can't be read back, as from an object with nothing but log_file, needs no notes.
        can_read = callable(getattr(inner, "read", None))
        self._ledgers = list(ledgers) if can_read else [None] * len(forwarders)
        for forwarder, ledger in zip(self._forwarders, self._ledgers, strict=True):
            if ledger is None:
                continue
            for name, taken in ledger.adopt().items():
                read = partial(self._read_back, name)
                forwarder.offer(WaitingPart(name, None, read, ledger, frozenset(taken)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def wait_forwarded(self, seconds: float) -> int:
        """Wait until the backends have taken what was stored, at most so many seconds; return how
        many parts still wait.
        """
        deadline = time.monotonic() + seconds
        return sum(
            forwarder.wait(max(0.0, deadline - time.monotonic())) for forwarder in self._forwarders
        )

    def begin_anew(self) -> None:
        """In a forked child: what waits belongs to the parent."""
        for forwarder in self._forwarders:
            forwarder.after_fork()
        for ledger in self._ledgers:
            if ledger is not None:
                ledger.after_fork()

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Store one part and return its address."""
        return self._store(self._inner.write, name, data, list(self._targets()))

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Store a part of scores and return its address."""
        takers = [target for target in self._targets() if target[0].takes_scores]
        return self._store(self._inner.write_scores, name, data, takers)

    def _targets(self) -> Iterable[tuple[Forwarder, ForwardLedger | None]]:
        return zip(self._forwarders, self._ledgers, strict=True)

    def _store(
        self,
        write: Callable[[str, bytes | bytearray], str],
        name: str,
        data: bytes | bytearray,
        targets: Sequence[tuple[Forwarder, ForwardLedger | None]],
    ) -> str:
        for _, ledger in targets:
            if ledger is not None:
                ledger.note_offered(name)
        uri = write(name, data)
        for forwarder, ledger in targets:
            read = partial(bytes, data) if ledger is None else partial(self._read_back, name)
            forwarder.offer(WaitingPart(name, data, read, ledger))
        return uri

    def _read_back(self, name: str) -> bytes:
        inner: Any = self._inner
        data: bytes = inner.read(inner.address_of(name))
        return data
