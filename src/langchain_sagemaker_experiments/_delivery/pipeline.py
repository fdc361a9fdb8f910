"""Where finished spans are until they have arrived; `flush.py` sends them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from .._record.limits import MAX_PART_BYTES
from .._recording.live_span import LiveSpan
from .._storage.keys import PART_PREFIX, new_part_name
from .buffer import Buffer
from .held_traces import HeldTraces
from .live_file import LiveFile
from .pace import Pace
from .parts import Batch, Part
from .provenance_log import ProvenanceLog
from .record_writer import RecordWriter
from .run_summary import Summary
from .running_spans import add_running
from .score_buffer import ScoreBuffer
from .source import Source
from .spiller import Spiller
from .spool import Spool

_LOCK_SECONDS: Final = 1.0
"""How long an ending process waits for a thread that writes a part, before it writes it itself."""


class Pipeline:
    """Holds finished spans and moves them from place to place; see `parts.py` for the places.

    Args:
        writer: makes lines of spans.
        scores: the scores that go with a flush.
        budget: bytes in memory before spans go to the spool.
        spool: the folder for what does not fit, and for everything when `durable`.
        durable: write each span to the spool as it ends.
        provenance: records with what traces are made, if that is asked for.
    """

    def __init__(
        self,
        writer: RecordWriter,
        scores: ScoreBuffer,
        *,
        budget: int,
        spool: Spool,
        durable: bool,
        provenance: ProvenanceLog | None = None,
    ) -> None:
        self.writer = writer
        self.provenance = provenance
        self.scores = scores
        self.spool = spool
        self.budget = budget
        self._spiller = Spiller(
            self._spill, self._bytes_in_memory, lambda: self._buffer.size, budget
        )
        self._buffer: Buffer[LiveSpan] = Buffer(budget, self._spiller.on_full)
        self._batches: list[Batch] = []
        self._files: dict[str, LiveFile | Part] = {}
        self._live: LiveFile | None = None
        # Saves work: without it two threads may write the same spans, and one part is thrown away.
        self._making = threading.RLock()
        self.flushing = threading.RLock()
        self.flusher = 0
        """The thread of the newest flush."""
        self.flushes = 0
        self.sources: list[Source] = []
        self.sink: Callable[[LiveSpan], None] = self._append if durable else self._buffer.add
        """Takes a finished span: into memory, or straight to disk when durable."""

    def attach(self, source: Source) -> None:
        """Take the open spans and the faults of a handler along at each flush."""
        self.sources.append(source)

    def detach(self, source: Source) -> None:
        """A handler is given up: keep its open spans, which nothing will end, as running ones."""
        if source not in self.sources:
            return
        self._take_running(source)
        for what, count in source.faults.drain().items():
            self.writer.count_fault(what, count)
        self.sources.remove(source)

    # --- the request path -------------------------------------------------------------------------
    def wake_at(self, size: int, wake: Callable[[], None]) -> Callable[[LiveSpan], None]:
        """Return a sink that calls `wake` after each span that leaves more than `size` bytes
        waiting in memory.
        """
        inner, buffer = self.sink, self._buffer

        def sink(span: LiveSpan) -> None:
            inner(span)
            if buffer.size > size:
                wake()

        return sink

    def hold_traces(self) -> HeldTraces:
        """Return a sink that holds chosen traces until they are done; others go the usual way."""
        return HeldTraces(self.sink, self._lines_of, self._append_lines)

    def _lines_of(self, spans: Sequence[LiveSpan]) -> tuple[list[bytes], Summary]:
        figures = self.writer.summary.empty()
        return list(self.writer.lines(spans, figures)), figures

    def _append_lines(self, lines: list[bytes], figures: Summary) -> None:
        with self.spool.lock:
            self._live_file().append(b"\n".join(lines), figures, len(lines))

    def _append(self, span: LiveSpan) -> None:
        figures = self.writer.summary.empty()
        try:
            line = self.writer.line(span, figures)
            with self.spool.lock:
                self._live_file().append(line, figures)
        except Exception as error:
            # A full disk, a folder that can't be made, a watchdog that forbids blocking calls.
            self.writer.count_fault(f"spool not writable ({error}), span kept in memory")
            self._buffer.add(span)

    def _live_file(self) -> LiveFile:
        live = self._live
        if live is None or live.is_sealed:
            live = self.spool.open_live()
            self._files[live.name] = live
            self._live = live
        return live

    # --- from the buffer to parts -----------------------------------------------------------------
    def _take_finished(self) -> Batch:
        batch = Batch()
        self._batches.append(batch)  # known before it holds anything
        batch.size = self._buffer.size
        self._buffer.move_to(batch.spans)
        self._drop_if_empty(batch)
        return batch

    def _take_running(self, source: Source) -> None:
        batch = Batch()
        self._batches.append(batch)
        add_running(source.open_spans, batch.spans)
        self._drop_if_empty(batch)

    def _drop_if_empty(self, batch: Batch) -> None:
        if not batch.spans:
            self._batches.remove(batch)

    def take_all(self) -> None:
        """Take all that is in no batch yet, spans still open included."""
        self._take_finished()
        for source in list(self.sources):
            self._take_running(source)

    def make_parts(self, pace: Pace) -> Iterator[Part]:
        """Make parts of all batches; one may be on disk already, when a spill was faster."""
        for batch in list(self._batches):
            yield from self._parts_of(batch, pace)

    def _parts_of(self, batch: Batch, pace: Pace) -> Iterator[Part]:
        while True:
            with self._making:
                part = self._make_next(batch, pace)
            if part is None:
                return
            yield part

    def _make_next(self, batch: Batch, pace: Pace) -> Part | None:
        first, spans = batch.next_spans(MAX_PART_BYTES)
        return batch.add_part(first, self._write(spans, pace)) if spans else None

    def _write(self, spans: Sequence[LiveSpan], pace: Pace) -> Part:
        data = bytearray()
        figures = self.writer.summary.empty()
        for line in self.writer.lines(spans, figures, pace.step):
            data += line
            data += b"\n"
            pace.step()
        return Part(new_part_name(), len(spans), figures, data)

    def parts(self) -> list[Part]:
        """Return all parts that are known, oldest first; of files only the sealed ones."""
        files = [one for one in list(self._files.values()) if isinstance(one, Part)]
        return files + [part for batch in list(self._batches) for part in batch]

    def waiting(self) -> list[Part]:
        """Return the parts that have not arrived."""
        return [part for part in self.parts() if part.arrived is None]

    def forget_finished(self) -> None:
        """Let go of parts that have arrived and are counted."""
        for part in self.parts():
            if part.arrived is not None:
                part.free()  # an exception may have come between its arrival and that
        for name, one in list(self._files.items()):
            if isinstance(one, Part) and one.counted:
                self._files.pop(name, None)
        for batch in list(self._batches):
            if batch.is_finished():
                with contextlib.suppress(ValueError):
                    self._batches.remove(batch)
        self.spool.tidy(self.spool.path)

    # --- to disk ----------------------------------------------------------------------------------
    def seal(self) -> None:
        """Make parts of the files that are appended to."""
        with self.spool.lock:
            for name, live in list(self._files.items()):
                if isinstance(live, LiveFile):
                    file = self.spool.seal(live)
                    figures = live.figures or self.writer.summary.empty()
                    part = Part(f"{PART_PREFIX}{live.name}", live.lines, figures, file=file)
                    part.size = live.size
                    self._files[name] = part

    def _spill(self) -> bool:
        """Move what the buffer holds to disk; return False if that failed."""
        batch = self._take_finished()
        for part in self._parts_of(batch, self.pace()):
            self.to_disk(part)
        return all(part.data is None for part in batch)

    def to_disk(self, part: Part) -> bool:
        """Move a part in memory to disk; return False, and keep it, if that failed."""
        data = part.data
        if data is None or part.arrived is not None:
            return True
        try:
            part.move_to(self.spool.file(part.name), data)
        except Exception as error:
            # Memory beyond the budget is better than a lost record.
            self.writer.count_fault(f"spool not writable ({error}), part kept in memory")
            return False
        return True

    def keep_within_budget(self) -> None:
        """After a failed upload: move to disk what exceeds the budget, oldest first."""
        for part in self.waiting():
            if sum(len(one.data) for one in self.waiting() if one.data is not None) <= self.budget:
                return
            if part.data is not None and not self.to_disk(part):
                return

    def save(self, target: dict[str, object]) -> bool:
        """Write everything that waits to the spool folder, and return True if all of it is there.

        Another thread that is writing a part when the process ends can't be waited for: then its
        spans are written here, and whichever part is first counts.
        """
        self.take_all()
        held = self._making.acquire(timeout=_LOCK_SECONDS)
        try:
            pace = Pace(hurry=True)
            for batch in list(self._batches):
                while self._make_next(batch, pace) is not None:
                    pass
            for part in self.waiting():
                self._restore(part)
            failed = sum(not self.to_disk(part) for part in self.waiting())
            self.seal()
        finally:
            if held:
                self._making.release()
        self.scores.save()
        if self.folder() is not None:
            self.spool.write_target(target)
        return not failed

    def _restore(self, part: Part) -> None:
        """Something else deleted the part's file, which is still open: write it anew."""
        if part.is_on_disk and part.file is not None and part.file.is_deleted():
            with contextlib.suppress(FileNotFoundError):
                part.move_to(self.spool.file(part.name), part.read())

    def drop_deleted(self, part: Part) -> None:
        """Count a part whose file something else deleted, for good, and let go of it."""
        what = "span lost: something else deleted its file from the spool folder"
        self.writer.count_fault(what, part.spans)
        part.note_arrival("", 0)

    def folder(self) -> Path | None:
        """Return the spool folder, or None if nothing that waits is there."""
        on_disk = any(part.is_on_disk for part in self.waiting()) or self.spool.score_files()
        return self.spool.path if on_disk else None

    # --- figures ----------------------------------------------------------------------------------
    @property
    def pending_spans(self) -> int:
        """Finished spans that have not arrived yet."""
        live = [one for one in list(self._files.values()) if isinstance(one, LiveFile)]
        return (
            len(self._buffer)
            + sum(batch.left() for batch in list(self._batches))
            + sum(part.spans for part in self.waiting())
            + sum(one.lines for one in live)
        )

    @property
    def is_waiting(self) -> bool:
        """Whether finished spans or scores wait."""
        return bool(self.pending_spans) or bool(self.scores)

    @property
    def has_unwritten(self) -> bool:
        """Whether a flush would have anything to write, open spans included."""
        return self.is_waiting or any(
            not span.tentative and not span.written_running
            for source in list(self.sources)
            for span in list(source.open_spans.by_run.values())
        )

    def pending_bytes(self) -> int:
        """Return the approximate bytes of what waits."""
        live = [one for one in list(self._files.values()) if isinstance(one, LiveFile)]
        return (
            self._buffer.size
            + sum(batch.bytes_left() for batch in list(self._batches))
            + sum(part.size for part in self.waiting())
            + sum(one.size for one in live)
        )

    def _bytes_in_memory(self) -> int:
        held = sum(batch.bytes_left() for batch in list(self._batches))
        data = (part.data for part in self.waiting())
        return self._buffer.size + held + sum(len(one) for one in data if one is not None)

    def pace(self) -> Pace:
        """Return what makes parts in pieces; without pauses while memory is half full."""
        return Pace(is_behind=lambda: self._bytes_in_memory() > self.budget // 2)

    # --- forks ------------------------------------------------------------------------------------
    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent, which sends it."""
        self._making = threading.RLock()
        self.flushing = threading.RLock()
        self._spiller.after_fork()
        self._buffer.forget()
        self._batches = []
        for one in self._files.values():
            one.close_copy()
        self._files, self._live = {}, None
        self.spool.after_fork()
        self.scores.after_fork()
        for source in self.sources:
            source.open_spans.after_fork()
