"""A flush: brings all that waits to the destination, then its parameters and metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .._destinations import Destination
from .._masking.masked_logger import masked_logger
from .._storage.failure_advice import explain
from ..exceptions import FlushError
from .flush_result import FlushResult
from .parts import MetricsLog
from .pipeline import Pipeline
from .upload_pool import Uploads

logger = masked_logger(__name__)


def flush(
    pipeline: Pipeline, find_destination: Callable[[], Destination], *, patience: float = -1
) -> FlushResult:
    """Bring all that waits to the destination, then its parameters and metrics.

    Args:
        pipeline: what holds the spans.
        find_destination: where to; may raise.
        patience: seconds to wait for another flush of this pipeline before this one goes ahead
            beside it; -1 waits forever.

    Raises:
        FlushError: something failed. What has not arrived stays and goes with the next flush.
    """
    if patience < 0:
        with pipeline.flushing:
            return _flush(pipeline, find_destination)
    # The last flush of a process. The one at work may never go on: then this one does its work. Two
    # at a time send a part twice at most, under one name.
    held = pipeline.flushing.acquire(timeout=patience)
    try:
        return _flush(pipeline, find_destination)
    finally:
        if held:
            pipeline.flushing.release()


def _flush(pipeline: Pipeline, find_destination: Callable[[], Destination]) -> FlushResult:
    began = time.perf_counter()
    pipeline.flusher = threading.get_ident()
    for source in list(pipeline.sources):
        source.open_spans.close_abandoned()
        source.on_flush()
    if pipeline.provenance is not None and pipeline.is_waiting and pipeline.sources:
        pipeline.provenance.note(list(pipeline.sources))
    uploads: Uploads | None = None
    try:
        destination = find_destination()
        destination.check()
        uploads = Uploads(destination)
        _send(pipeline, uploads)
        if uploads.arrived:
            destination.register(uploads.arrived[-1].uri)
        if uploads.error is not None:
            raise uploads.error
        scores = pipeline.scores.send(destination)
        parameters, metrics = _log_numbers(pipeline, destination)
    except Exception as error:
        pipeline.keep_within_budget()
        arrived = sum(one.spans for one in uploads.arrived) if uploads is not None else 0
        raise _failure(pipeline, error, arrived) from error
    pipeline.forget_finished()
    pipeline.flushes += 1
    faults = _take_faults(pipeline, destination)
    return FlushResult(
        spans=sum(one.spans for one in uploads.arrived),
        uris=[one.uri for one in uploads.arrived],
        bytes=sum(one.size for one in uploads.arrived),
        scores=scores,
        parameters=parameters,
        metrics=metrics,
        faults=faults,
        duration_ms=round((time.perf_counter() - began) * 1e3, 3),
    )


def _send(pipeline: Pipeline, uploads: Uploads) -> None:
    """Send what lies on disk, what an earlier flush could not send, and what waits in the buffer,
    in this order.
    """
    try:
        pipeline.seal()
        for part in pipeline.waiting():
            uploads.send(part)
        pipeline.take_all()
        # After a failure the rest becomes parts too, and stays.
        for part in pipeline.make_parts(pipeline.pace()):
            uploads.send(part)
        for part in pipeline.waiting():  # what a spill at work has made meanwhile
            uploads.send(part)
        uploads.finish()
    except BaseException:  # Ctrl-C in the middle of a long flush
        uploads.abandon()
        raise
    for part in uploads.gone:
        pipeline.drop_deleted(part)


def _log_numbers(
    pipeline: Pipeline, destination: Destination
) -> tuple[dict[str, str | int | float], dict[str, float]]:
    log = MetricsLog()
    uncounted = [part for part in pipeline.parts() if part.arrived is not None and not part.counted]
    for part in uncounted:
        part.log = log
    # The settings logged so far keep their names.
    figures = pipeline.writer.summary.plus(*(part.figures for part in uncounted))
    existing = destination.parameters()
    parameters = figures.parameters(existing)
    if pipeline.provenance is not None:
        parameters.update(pipeline.provenance.parameters(existing))
    metrics = {**figures.metrics(), **pipeline.scores.metrics()}
    if parameters:
        destination.log_parameters(parameters)
    if metrics:
        destination.log_metrics(metrics, pipeline.flushes)
    log.done = True
    pipeline.scores.note_logged()
    figures.reset()
    pipeline.writer.summary = figures
    return parameters, metrics


def _take_faults(pipeline: Pipeline, destination: Destination) -> dict[str, int]:
    faults: dict[str, int] = {}
    counts = [source.faults.drain() for source in list(pipeline.sources)]
    for some in [*counts, pipeline.writer.faults, destination.faults]:
        for what, count in some.items():
            faults[what] = faults.get(what, 0) + count
        some.clear()
    if faults:
        logger.warning("Recorded with faults since the last flush: %s", faults)
    return faults


def _failure(pipeline: Pipeline, error: Exception, done: int) -> FlushError:
    kept, size = pipeline.pending_spans, pipeline.pending_bytes()
    folder = pipeline.folder()
    arrived = f" {done} spans had arrived before." if done else ""
    told = pipeline.writer.masker.message(explain(error))
    return FlushError(
        f"The flush failed. {told}{arrived} Nothing is lost: {_kept(pipeline)}.",
        kept_spans=kept,
        kept_bytes=size,
        spool_dir=str(folder) if folder else None,
    )


def _kept(pipeline: Pipeline) -> str:
    """Say what is kept, and what becomes of it."""
    kept, size, folder = pipeline.pending_spans, pipeline.pending_bytes(), pipeline.folder()
    where = f"in memory and in {folder}" if folder else "in memory"
    spans = f"{kept} spans ({size:,} bytes) are kept {where}"
    uncounted = sum(
        part.spans for part in pipeline.parts() if part.arrived is not None and not part.counted
    )
    if not uncounted:
        return f"{spans}, and the next flush_tracker() sends them"
    figures = f"the metrics and parameters of {uncounted} spans that have arrived"
    if not kept:
        return f"{figures} are kept, and the next flush_tracker() logs them"
    return f"{spans}, with {figures}, and the next flush_tracker() sends all of it"
