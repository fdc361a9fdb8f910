"""The places of a finished span between the buffer and its arrival: a batch, then a part.

A span is in exactly one place, and each move is one operation that no signal and no exception can
divide:

- buffer → batch: one call takes spans out of the buffer and puts them into the batch.
- batch → part: one `dict.setdefault` makes a part the owner of its spans. When two threads write
  the same spans (an exit takes over from a flush), one part wins and the other is thrown away.
- part in memory → part on disk → arrived: one attribute each.

So the end of a process finds every span, whatever was at work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._recording.live_span import LiveSpan

if TYPE_CHECKING:
    from .run_summary import Summary
    from .spool import SpoolFile


@dataclass(frozen=True)
class Arrived:
    """A part that its destination has stored."""

    uri: str
    size: int
    spans: int


class MetricsLog:
    """One logging of metrics. The parts it counts belong to it; `done` makes all of them counted
    at once.
    """

    done = False


class Part:
    """Lines that travel together under one name, which they keep through every try.

    Args:
        name: the part's name.
        spans: how many lines it holds.
        figures: the sums of its spans, for the Run's metrics.
        data: its bytes, while it is in memory.
        file: its file, once it is on disk.
    """

    def __init__(
        self,
        name: str,
        spans: int,
        figures: Summary,
        data: bytearray | None = None,
        file: SpoolFile | None = None,
    ) -> None:
        self.name = name
        self.spans = spans
        self.figures = figures
        self.data = data
        self.size = len(data) if data is not None else 0
        self.file = file
        self.arrived: Arrived | None = None
        self.log: MetricsLog | None = None

    @property
    def counted(self) -> bool:
        """Whether the Run's metrics count its spans."""
        return self.log is not None and self.log.done

    def read(self) -> bytes | bytearray:
        """Return the bytes, from memory or from disk.

        Raises:
            FileNotFoundError: something else deleted the file.
        """
        data = self.data
        if data is not None:
            return data
        assert self.file is not None  # noqa: S101 - a part is in memory or on disk
        return self.file.read()

    def note_arrival(self, uri: str, size: int) -> None:
        """Note that the destination has stored it, and free what it held."""
        self.arrived = Arrived(uri, size, self.spans)
        self.free()

    def free(self) -> None:
        """Free the memory and the file of a part that has arrived; any number of times."""
        self.data = None
        # The file stays known: another thread may be writing it just now, and removes it then.
        if self.file is not None:
            self.file.remove()

    def move_to(self, file: SpoolFile, data: bytes | bytearray) -> None:
        """Write it to disk and free its memory. A part that arrives meanwhile needs no file.

        Raises:
            OSError: the file can't be written; the part is as it was.
        """
        before, self.file = self.file, file  # known before it is there, so that it is removed
        try:
            file.write(data)
        except Exception:
            self.file = before
            raise
        self.data = None
        if self.arrived is not None:
            self.free()

    @property
    def is_on_disk(self) -> bool:
        """Whether its bytes are in the spool folder only."""
        return self.data is None and self.file is not None and self.arrived is None

    def close_copy(self) -> None:
        """In a forked child: close the copy of the parent's file."""
        if self.file is not None:
            self.file.close()


class Batch:
    """Spans that left the buffer together, and the parts that were made of them, in order."""

    def __init__(self) -> None:
        self.spans: list[LiveSpan | None] = []
        """Filled in one call by `Buffer.move_to`; None in the place of a span that is in a part."""
        self.parts: dict[int, Part] = {}
        """Position of a first span to its part. Each begins where the one before ends."""
        self.size = 0
        """Approximate bytes of all its spans."""

    def made(self) -> int:
        """Return how many spans are in parts."""
        last = next(reversed(self.parts.items()), None)
        return last[0] + last[1].spans if last is not None else 0

    def left(self) -> int:
        """Return how many spans are in no part yet."""
        return len(self.spans) - self.made()

    def bytes_left(self) -> int:
        """Return the approximate bytes of the spans that are in no part yet."""
        return self.size * self.left() // len(self.spans) if self.spans else 0

    def next_spans(self, bound: int) -> tuple[int, list[LiveSpan]]:
        """Return the spans for the next part, and the position of the first.

        Args:
            bound: bytes of a part: a span refers to texts of its own part only.
        """
        while True:
            first = self.made()
            chosen = _within(self.spans[first:], bound)
            if first == self.made():  # else another thread has made a part of them meanwhile
                return first, chosen

    def add_part(self, first: int, part: Part) -> Part:
        """Make a part the owner of the spans from `first` on, and return it; or the part of another
        thread that was faster.
        """
        owner = self.parts.setdefault(first, part)
        # What is in a part takes no memory twice.
        self.spans[first : first + owner.spans] = [None] * owner.spans
        return owner

    def is_finished(self) -> bool:
        """Return True if it had spans, and all are in parts that have arrived and are counted."""
        return bool(self.spans) and not self.left() and all(part.counted for part in self)

    def __iter__(self) -> Iterator[Part]:
        return iter(list(self.parts.values()))


def _within(spans: Sequence[LiveSpan | None], bound: int) -> list[LiveSpan]:
    chosen: list[LiveSpan] = []
    size = 0
    for span in spans:
        if span is None or (chosen and size + span.size > bound):
            break
        size += span.size
        chosen.append(span)
    return chosen
