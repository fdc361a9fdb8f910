"""Puts a handler together: the one place that knows which part is given which other.

LangChain's events, spans by hand > SpanCapture > OpenSpans > Route > Outlet > destination
Values pass the Encoder on their way in, the RecordWriter and its Masker on their way out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .._destinations import Destination, destination_for
from .._encoding.encoder import Encoder
from .._langchain_values import ComponentCache, run_parameters, value_kinds
from .._masking.masking import Masker, Redact
from .._recording.faults import Faults
from .._recording.manual_spans import ManualSpans
from .._recording.nesting import connect
from .._recording.open_spans import OpenSpans
from .._recording.sampling import Sampling
from .._recording.span_capture import SpanCapture
from .outlet import Outlet
from .pipeline import Pipeline
from .provenance_log import ProvenanceLog
from .record_writer import RecordWriter
from .route import Route
from .run_summary import Summary
from .score_buffer import ScoreBuffer
from .score_lines import score_line
from .source import Source
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
    flush_interval: float | None = None
    flush_bytes: int | None = None
    record_provenance: bool = False


@dataclass(frozen=True)
class HandlerParts:
    """What a handler is made of."""

    masker: Masker
    faults: Faults
    encoder: Encoder
    capture: SpanCapture
    manual: ManualSpans
    open_spans: OpenSpans
    route: Route


def assemble(
    settings: HandlerSettings,
    extra_args: dict[str, Any],
    with_backends: Callable[[Destination], Destination],
    backends: Hashable,
    faults: Faults,
) -> HandlerParts:
    """Return the parts of a handler, connected.

    Args:
        settings: the handler's arguments.
        extra_args: for its S3 uploads.
        with_backends: a destination → one whose parts go to other backends too.
        backends: equal for handlers with the same backends.
        faults: counts what goes wrong inside callbacks.
    """
    connect()
    redact = settings.redact
    masker = Masker(redact if callable(redact) else None, secrets=redact is not None)
    faults.mask = masker.message
    kinds = value_kinds(keep_media=settings.keep_media)
    # A line that is written at once stands alone: there is nothing it could share a list with.
    encoder = Encoder(kinds.choose, fields_of=None if settings.durable else kinds.fields_of)
    open_spans = OpenSpans(
        lambda span: None,  # the route sets it
        max_open_spans=settings.max_open_spans,
        abandoned_after=settings.abandoned_after,
        sampling=_sampling(settings, faults),
    )
    components = ComponentCache(encoder.encode_json, content=settings.record_content)
    capture = SpanCapture(
        open_spans, encoder, components, faults, record_content=settings.record_content
    )
    route = Route(
        Source(open_spans, faults, on_flush=encoder.charge_anew, capture=capture),
        (_sharing_key(settings, extra_args), backends),
        partial(_outlet, settings, masker),
        lambda run: with_backends(destination_for(run, extra_args)),
    )
    return HandlerParts(masker, faults, encoder, capture, ManualSpans(capture), open_spans, route)


def _sampling(settings: HandlerSettings, faults: Faults) -> Sampling | None:
    if settings.sample_rate >= 1:
        return None
    return Sampling(settings.sample_rate, settings.keep_slower_than, faults.count)


def _sharing_key(settings: HandlerSettings, extra_args: dict[str, Any]) -> Hashable:
    """Return what is equal for handlers that may share an outlet. A function is itself only."""
    redact = id(settings.redact) if callable(settings.redact) else settings.redact
    return replace(settings, redact=None), redact, repr(sorted(extra_args.items()))


def _outlet(
    settings: HandlerSettings,
    masker: Masker,
    find_destination: Callable[[], Destination],
    shared: bool,
) -> Outlet:
    return Outlet(
        _pipeline(settings, masker),
        find_destination,
        shared=shared,
        flush_interval=settings.flush_interval,
        flush_bytes=settings.flush_bytes,
    )


def _pipeline(settings: HandlerSettings, masker: Masker) -> Pipeline:
    writer = RecordWriter(
        Summary(partial(_masked_parameters, masker, run_parameters)),
        masker,
        max_bytes=settings.max_field_bytes,
        keep_media=settings.keep_media,
    )
    spool = Spool(settings.spool_dir)
    scores = ScoreBuffer(
        partial(score_line, masker=masker), writer.count_fault, spool, durable=settings.durable
    )
    return Pipeline(
        writer,
        scores,
        budget=settings.buffer_bytes,
        spool=spool,
        durable=settings.durable,
        provenance=ProvenanceLog() if settings.record_provenance else None,
    )


def _masked_parameters(
    masker: Masker,
    parameters_of: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    attributes: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Return Run parameters as they may be recorded: they stand in SageMaker's own fields."""
    masked: Mapping[str, Any] = masker.value(dict(parameters_of(attributes)))
    return masked
