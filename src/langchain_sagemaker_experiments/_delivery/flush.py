"""From a finished span to an uploaded part: buffer, spool, flush. The one place that decides what
is kept and what is done.

A span is in exactly one of four places until its upload has succeeded: the buffer, a part in
memory, a part in the spool folder, or the spool's live file. A part keeps its name through every
try, so that a second upload doubles nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .._destinations import Destination
from .._record.limits import MAX_PART_BYTES
from .._record.plurals import counted
from .._recording.faults import Faults
from .._recording.live_span import LiveSpan
from .._recording.open_spans import OpenSpans
from .._storage.failure_advice import explain
from .._storage.keys import new_part_name
from ..exceptions import FlushError
from . import spool as _spool
from .buffer import Buffer
from .held_traces import HeldTraces
from .record_writer import RecordWriter
from .score_buffer import ScoreBuffer
from .upload_pool import Uploads

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FlushResult:
    """What one `flush_tracker` wrote.

    Attributes:
        spans: records written, running ones included.
        uris: where the parts lie: `s3://` addresses, or paths of an `OfflineRun`.
        bytes: size of the parts, JSON Lines before any compression.
        parameters: Run parameters set, by name.
        metrics: Run metrics logged, by name.
        scores: scores written.
        faults: what went wrong inside callbacks since the last flush, and how often; empty when all
            was recorded.
        duration_ms: wall time of the flush.
    """

    spans: int = 0
    uris: list[str] = field(default_factory=list)
    bytes: int = 0
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    scores: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    duration_ms: float = 0.0

    def __str__(self) -> str:
        where = f" to {self.uris[-1]}" if self.uris else ""
        more = f" (+{counted(len(self.uris) - 1, 'part')})" if len(self.uris) > 1 else ""
        text = f"{counted(self.spans, 'span')}, {self.bytes:,} bytes written{where}{more} in {self.duration_ms:.0f} ms"
        return text + (
            f"; {counted(sum(self.faults.values()), 'fault')}: {self.faults}" if self.faults else ""
        )

    def _repr_html_(self) -> str:
        from .._views.notebook import flush_html

        return flush_html(self.spans, self.bytes, self.uris, self.metrics, self.faults)


@dataclass(eq=False)
class _Part:
    name: str
    data: bytes | bytearray
    spans: int


class _Taken:
    """Spans taken out of the buffer, of the first of which parts have been made: what an
    interruption must not lose.
    """

    def __init__(self) -> None:
        self.spans: list[LiveSpan] = []
        self.made = 0

    def begin(self, spans: list[LiveSpan]) -> None:
        """Take these; none of them is a part yet."""
        self.spans, self.made = spans, 0

    def rest(self) -> list[LiveSpan]:
        """Return those that are no part yet."""
        return self.spans[self.made :]


class Pipeline:
    """Takes finished spans and brings them to a destination.

    Args:
        writer: makes lines of spans.
        scores: the scores that go with a flush.
        budget: bytes in memory before spans go over into the spool.
        spool: the folder for what does not fit, and for everything when `durable`.
        durable: write each span to the spool as it ends.
    """

    def __init__(
        self,
        writer: RecordWriter,
        scores: ScoreBuffer,
        *,
        budget: int,
        spool: _spool.Spool,
        durable: bool,
    ) -> None:
        self._writer = writer
        self._budget = budget
        self._spool = spool
        self._buffer: Buffer[LiveSpan] = Buffer(budget, self._spill)
        self._parts: list[_Part] = []
        self._spooled: dict[str, int] = {}
        self._live_spans = 0
        self._flushing = threading.RLock()
        self._flushes = 0
        self.scores = scores
        # What the flush at work has taken, and the spill at work.
        self._flushed = _Taken()
        self._spilled = _Taken()

        self.sink: Callable[[LiveSpan], None] = self._append if durable else self._buffer.add
        """Takes a finished span: into memory, or straight to disk when durable."""

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
        """Return a sink that holds chosen traces until they are done; all others go the usual
        way.
        """
        return HeldTraces(
            self.sink, lambda spans: list(self._writer.lines(spans)), self._append_lines
        )

    def _append_lines(self, lines: list[bytes]) -> None:
        self._spool.append(b"\n".join(lines))
        self._live_spans += len(lines)

    def _append(self, span: LiveSpan) -> None:
        try:
            self._spool.append(self._writer.line(span))
            self._live_spans += 1
        except OSError as error:
            self._writer.count_fault(f"spool not writable ({error}), span kept in memory")
            self._buffer.add(span)

    def _spill(self, spans: list[LiveSpan]) -> None:
        self._spilled.begin(spans)
        try:
            for part in self._make_parts(spans):
                self._to_spool(part)
                self._spilled.made += part.spans
        except BaseException:  # Ctrl-C
            self._buffer.put_back(self._spilled.rest())
            raise
        finally:
            self._spilled.begin([])

    def _to_spool(self, part: _Part) -> None:
        try:
            self._spool.write_part(part.name, part.data)
            self._spooled[part.name] = part.spans
        except OSError as error:
            # Memory beyond the budget is better than a lost record.
            self._writer.count_fault(f"spool not writable ({error}), part kept in memory")
            self._parts.append(part)

    def _make_parts(self, spans: list[LiveSpan]) -> Iterator[_Part]:
        """Write spans as parts, each within the bound: a span refers to texts of its own part
        only.
        """
        chosen: list[LiveSpan] = []
        size = 0
        for span in spans:
            more = span.size
            if chosen and size + more > MAX_PART_BYTES:
                yield self._make_part(chosen)
                chosen, size = [], 0
            chosen.append(span)
            size += more
        if chosen:
            yield self._make_part(chosen)

    def _make_part(self, spans: list[LiveSpan]) -> _Part:
        data = bytearray()
        for line in self._writer.lines(spans):
            data += line
            data += b"\n"
        return _Part(new_part_name(), data, len(spans))

    # --- the flush --------------------------------------------------------------------------------
    @property
    def pending_spans(self) -> int:
        """Finished spans that no flush has written yet."""
        return (
            len(self._buffer)
            + len(self._flushed.rest())
            + sum(part.spans for part in self._parts)
            + sum(self._spooled.values())
            + self._live_spans
        )

    def pending_bytes(self) -> int:
        """Approximate size in bytes of what waits."""
        return self._buffer.size + sum(len(part.data) for part in self._parts) + self._spool.size()

    def flush(
        self,
        find_destination: Callable[[], Destination],
        recorder: OpenSpans,
        handler_faults: Faults,
    ) -> FlushResult:
        """Bring all that waits to the destination, then its parameters and metrics.

        Raises:
            FlushError: something of it failed. What has not arrived stays and goes with the next
                flush.
        """
        with self._flushing:
            began = time.perf_counter()
            recorder.close_abandoned()
            uploads: Uploads | None = None
            try:
                destination = find_destination()
                destination.check()
                uploads = Uploads(destination)
                self._send(uploads, recorder)
                if uploads.arrived:
                    destination.register(uploads.arrived[-1].uri)
                if uploads.error is not None:
                    raise uploads.error
                scores = self.scores.send(destination)
                parameters, metrics = self._log_numbers(destination)
            except Exception as error:
                self._keep_within_budget()
                arrived = sum(one.spans for one in uploads.arrived) if uploads is not None else 0
                raise self._failure(error, arrived) from error
            faults = {**handler_faults.drain(), **self._writer.faults, **destination.faults}
            self._writer.faults = {}
            destination.faults.clear()
            self._flushes += 1
            result = FlushResult(
                spans=sum(one.spans for one in uploads.arrived),
                uris=[one.uri for one in uploads.arrived],
                bytes=sum(one.size for one in uploads.arrived),
                parameters=parameters,
                metrics=metrics,
                scores=scores,
                faults=faults,
                duration_ms=round((time.perf_counter() - began) * 1e3, 3),
            )
            if faults:
                logger.warning("Recorded with faults since the last flush: %s", faults)
            return result

    def _send(self, uploads: Uploads, recorder: OpenSpans) -> None:
        """Send what lies on disk, what an earlier flush could not send, and what waits in the
        buffer, in this order.
        """
        self._seal()
        try:
            for path in self._spool.parts():
                uploads.send(path.name, path.read_bytes, None, partial(self._forget_spooled, path))
            for part in list(self._parts):
                self._send_part(uploads, part)
            self._flushed.begin(self._take_all(recorder))
            # Each part is kept until it has arrived; after a failure the rest becomes parts too,
            # and stays.
            for part in self._make_parts(self._flushed.spans):
                self._parts.append(part)
                self._flushed.made += part.spans
                self._send_part(uploads, part)
            uploads.finish()
        except BaseException:
            # Ctrl-C in the middle of a long flush: what is no part yet waits again. Spans still
            # open have not gone anywhere.
            uploads.abandon()
            self._buffer.put_back(
                [span for span in self._flushed.rest() if span.end_ns is not None]
            )
            raise
        finally:
            self._flushed.begin([])

    def _send_part(self, uploads: Uploads, part: _Part) -> None:
        uploads.send(part.name, lambda: part.data, part.spans, lambda: self._parts.remove(part))

    def _take_all(self, recorder: OpenSpans) -> list[LiveSpan]:
        """Take all that is no part yet, spans still open included.

        A signal may come in the middle of a flush, and its handler flush or save in this very
        thread: then what the flush had taken goes with it.
        """
        taken = self._flushed.rest() + self._buffer.take() + recorder.running()
        self._flushed.made = len(self._flushed.spans)
        return taken

    def _forget_spooled(self, path: Path) -> None:
        self._spooled.pop(path.name, None)
        self._spool.remove(path)

    def _seal(self) -> None:
        sealed = self._spool.seal()
        if sealed is not None:
            self._spooled[sealed], self._live_spans = self._live_spans, 0

    def _log_numbers(
        self, destination: Destination
    ) -> tuple[dict[str, str | int | float], dict[str, float]]:
        summary = self._writer.summary
        parameters = summary.parameters(destination.parameters())
        metrics = {**summary.metrics(), **self.scores.metrics()}
        if parameters:
            destination.log_parameters(parameters)
        if metrics:
            destination.log_metrics(metrics, self._flushes)
        summary.reset()
        return parameters, metrics

    def _keep_within_budget(self) -> None:
        """After a failed upload: what exceeds the memory budget goes to disk, oldest first."""
        while self._parts and sum(len(part.data) for part in self._parts) > self._budget:
            before = len(self._parts)
            self._to_spool(self._parts.pop(0))
            if len(self._parts) >= before:
                break

    def _failure(self, error: Exception, done: int) -> FlushError:
        kept, size = self.pending_spans, self.pending_bytes()
        on_disk = self._spool.path if self._spool.parts() else None
        where = f"in memory and in {on_disk}" if on_disk else "in memory"
        arrived = f" {done} spans had arrived before." if done else ""
        return FlushError(
            f"The flush failed. {explain(error)}{arrived} Nothing is lost: {kept} spans ({size:,} bytes) are kept {where}, "
            "and the next flush_tracker() sends them.",
            kept_spans=kept,
            kept_bytes=size,
            spool_dir=str(on_disk) if on_disk else None,
        )

    # --- the end of the process -------------------------------------------------------------------
    def save(self, recorder: OpenSpans, target: dict[str, object]) -> Path | None:
        """Write everything that waits to the spool folder; return the folder, or None when nothing
        waited.
        """
        with self._flushing:
            recorder.close_abandoned()
            # A spill cut short by the signal is at work in this thread; one of another thread is
            # then written twice, and read once.
            self._parts += self._make_parts(self._spilled.rest() + self._take_all(recorder))
            self._seal()
            for part in self._parts:
                self._spool.write_part(part.name, part.data)
            self._parts = []
            self.scores.save()
            if not self._spool.parts() and not self._spool.score_files():
                return None
            self._spool.write_target(target)
            return self._spool.path

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent, which sends it."""
        self._flushing = threading.RLock()
        self._buffer.forget()
        self._parts = []
        self._flushed.begin([])
        self._spilled.begin([])
        self._spooled = {}
        self._live_spans = 0
        self._spool.after_fork()
        self.scores.after_fork()
        self._writer.summary.reset()
