"""Keeps an index up to date with its source: a list at intervals, and the difference to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .._reading.collection_pause import collection_paused
from .._reading.parts import Part
from .._reading.problems import Problem
from ..exceptions import SpanReadError
from .listing import Listing, Source, list_source
from .prepared import Prepared
from .score_table import ScoreTable
from .span_index import SpanIndex

_FIRST_BATCH: Final = 5_000
_LARGEST_BATCH: Final = 150_000
"""Spans that go into the index as one change, approximately: few at first, so that there is soon
something to look at, then as many as there are already.
"""
_BATCH_PARTS: Final = 2_000
_TRIES: Final = 20
_PAUSE: Final = 0.2
"""Attempts to pack the index while others read it, and the seconds between them."""
_MANY: Final = 8
"""Parts after which the index is packed."""
_MAX_PROBLEMS: Final = 100
_FOLDER_INTERVAL: Final = 0.5
_S3_INTERVAL: Final = 2.0
_LONGEST_INTERVAL: Final = 120.0
_DOLLARS_A_LIST: Final = 0.005 / 1_000
"""Price of one ListObjectsV2 request, S3 Standard, us-east-1."""

Prepare = Callable[[list[Part], list[Problem]], Iterable[tuple[Part, Prepared]]]


@dataclass
class Status:
    """How far the index is, and what following the source costs.

    Attributes:
        ready: everything that was there at the start is in the index.
        done: parts read of the update that is under way.
        total: parts of that update.
        seconds: how long the last look at the source took.
        interval: seconds from one look to the next.
        requests_per_hour: list requests to S3; 0 for a folder.
        dollars_per_day: what they cost at S3's list price.
        missing: why there is nothing yet.
        error: why the last look failed.
        problems: what could not be read.
    """

    ready: bool = False
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    interval: float = 0.0
    requests_per_hour: float = 0.0
    dollars_per_day: float = 0.0
    missing: str | None = None
    error: str | None = None
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class Follower:
    """Follows a source in a thread of its own until it is stopped.

    Args:
        where: the source.
        index: takes what is new.
        prepare: reads parts and makes them into what the index takes.
        on_change: called, in that thread, after each change of the index or the status.
    """

    def __init__(
        self, where: Source, index: SpanIndex, prepare: Prepare, on_change: Callable[[], None]
    ) -> None:
        self.status = Status()
        self.listing = Listing()
        self.scores = ScoreTable(index)
        self._where = where
        self._index = index
        self._prepare = prepare
        self._on_change = on_change
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="window-follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until the thread has."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Look at the source now."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            before = (self.status.ready, self.status.error, self.status.missing)
            try:
                self.update()
                self.status.error = None
            except Exception as error:  # whatever it is: the window says so, and looks again
                self.status.error = str(error) or type(error).__name__
            if before != (self.status.ready, self.status.error, self.status.missing):
                self._on_change()
            self._wake.wait(self.status.interval or _S3_INTERVAL)

    def update(self) -> None:
        """Look at the source once, and bring the index up to date.

        Raises:
            SpanReadError: the source can't be reached.
        """
        listing = self.listing = list_source(self._where)
        self._tell_cost(listing)
        known, old = self._index.parts()
        fresh = [
            part
            for address, part in listing.parts.items()
            if address not in known or known[address][1] != listing.fingerprints[address]
        ]
        old += [
            number
            for address, (number, fingerprint) in known.items()
            if listing.fingerprints.get(address) != fingerprint
        ]
        self._read(fresh, listing)
        if self.scores.update(listing.scores, listing.fingerprints, self.status.problems):
            self._on_change()
        if old and not self._stopped.is_set():
            again = self._index.remove(old)
            self._on_change()
            self._again(again, listing)
        self.status.ready = self.status.ready or not self._stopped.is_set()
        if len(fresh) >= _MANY:
            self._on_change()
            self._settle()

    def _settle(self) -> None:
        for _ in range(_TRIES):
            if self._index.settle() or self._stopped.wait(_PAUSE):
                return

    def _again(self, addresses: list[str], listing: Listing) -> None:
        """Read parts again whose records had given way to records that are gone."""
        known, _ = self._index.parts()
        self._read([listing.parts[address] for address in addresses], listing)
        self._index.remove([known[address][0] for address in addresses])
        if addresses:
            self._on_change()

    def _read(self, parts: list[Part], listing: Listing) -> None:
        self.status.done, self.status.total = 0, len(parts)
        if not parts:
            return
        with collection_paused():
            for batch in _batches(self._prepared(parts)):
                self._index.add(
                    (part.address, listing.fingerprints[part.address], prepared)
                    for part, prepared in batch
                )
                self.status.done += len(batch)
                self._on_change()

    def _prepared(self, parts: list[Part]) -> Iterator[tuple[Part, Prepared]]:
        problems: list[Problem] = []
        try:
            for part, prepared in self._prepare(parts, problems):
                for problem in prepared.problems:
                    self._problem(problem)
                yield part, prepared
                if self._stopped.is_set():
                    return
        except SpanReadError as error:
            # Compacted or removed since it was listed: the next look knows.
            self._problem(str(error))
        for refused in problems:
            self._problem(str(refused))

    def _problem(self, text: str) -> None:
        if text not in self.status.problems and len(self.status.problems) < _MAX_PROBLEMS:
            self.status.problems.append(text)

    def _tell_cost(self, listing: Listing) -> None:
        status = self.status
        status.seconds, status.missing = listing.seconds, listing.missing
        if not listing.pages:
            status.interval = max(_FOLDER_INTERVAL, min(5 * listing.seconds, _LONGEST_INTERVAL))
            return
        wanted = max(_S3_INTERVAL, float(listing.pages), 5 * listing.seconds)
        status.interval = min(wanted, _LONGEST_INTERVAL)
        status.requests_per_hour = listing.pages * 3_600 / status.interval
        status.dollars_per_day = status.requests_per_hour * 24 * _DOLLARS_A_LIST


def _batches(parts: Iterator[tuple[Part, Prepared]]) -> Iterator[list[tuple[Part, Prepared]]]:
    batch: list[tuple[Part, Prepared]] = []
    size, before = 0, 0
    for part, prepared in parts:
        batch.append((part, prepared))
        size += prepared.count
        enough = min(max(_FIRST_BATCH, before), _LARGEST_BATCH)
        if size >= enough or len(batch) >= _BATCH_PARTS:
            yield batch
            batch, size, before = [], 0, before + size
    if batch:
        yield batch
