"""Puts a handler together: the one place that knows which part is given which other.

LangChain's events, spans by hand ─▶ SpanCapture ─▶ OpenSpans ─▶ Pipeline ─▶ destination
Encoder                     RecordWriter ─ Masker
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .._encoding.encoder import Encoder
from .._langchain_values import ComponentCache, run_parameters, value_kinds
from .._masking.masking import Masker, Redact
from .._recording.faults import Faults
from .._recording.manual_spans import ManualSpans
from .._recording.nesting import connect
from .._recording.open_spans import OpenSpans
from .._recording.sampling import Sampling
from .._recording.span_capture import SpanCapture
from .flush import Pipeline
from .record_writer import RecordWriter
from .run_summary import Summary
from .score_buffer import ScoreBuffer
from .score_lines import score_line
from .spool import Spool


@dataclass(frozen=True)
class HandlerSettings:
    """The handler's arguments that its parts are made of; see `SageMakerCallbackHandler`."""

    durable: bool
    spool_dir: str | Path | None
    redact: Redact | str | None
    max_field_bytes: int | None
    keep_media: bool
    buffer_bytes: int
    sample_rate: float
    keep_slower_than: float | None
    record_content: bool
    max_open_spans: int
    abandoned_after: float


@dataclass(frozen=True)
class HandlerParts:
    """What a handler is made of."""

    masker: Masker
    faults: Faults
    encoder: Encoder
    capture: SpanCapture
    manual: ManualSpans
    open_spans: OpenSpans
    pipeline: Pipeline


def assemble(settings: HandlerSettings) -> HandlerParts:
    """Return the parts of a handler, connected."""
    connect()
    redact = settings.redact
    masker = Masker(redact if callable(redact) else None, secrets=redact is not None)
    faults = Faults(masker.message)
    kinds = value_kinds(keep_media=settings.keep_media)
    # A line that is written at once stands alone: there is nothing it could share a list with.
    encoder = Encoder(kinds.choose, fields_of=None if settings.durable else kinds.fields_of)
    pipeline = _pipeline(settings, masker)
    open_spans = OpenSpans(
        pipeline.sink,
        max_open_spans=settings.max_open_spans,
        abandoned_after=settings.abandoned_after,
        sampling=_sampling(settings, faults),
    )
    components = ComponentCache(encoder.encode_json, content=settings.record_content)
    capture = SpanCapture(
        open_spans, encoder, components, faults, record_content=settings.record_content
    )
    return HandlerParts(
        masker, faults, encoder, capture, ManualSpans(capture), open_spans, pipeline
    )


def _sampling(settings: HandlerSettings, faults: Faults) -> Sampling | None:
    if settings.sample_rate >= 1:
        return None
    return Sampling(settings.sample_rate, settings.keep_slower_than, faults.count)


def _pipeline(settings: HandlerSettings, masker: Masker) -> Pipeline:
    writer = RecordWriter(
        Summary(partial(_masked_parameters, masker, run_parameters)),
        masker,
        max_bytes=settings.max_field_bytes,
        keep_media=settings.keep_media,
    )
    spool = Spool(settings.spool_dir)
    scores = ScoreBuffer(partial(score_line, masker=masker), spool, durable=settings.durable)
    return Pipeline(
        writer, scores, budget=settings.buffer_bytes, spool=spool, durable=settings.durable
    )


def _masked_parameters(
    masker: Masker,
    parameters_of: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    attributes: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Return Run parameters as they may be recorded: they stand in SageMaker's own fields."""
    masked: Mapping[str, Any] = masker.value(dict(parameters_of(attributes)))
    return masked
