"""Span records → requests of OTLP in protobuf, each within the limits of a backend."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .._record.provenance import is_provenance
from .._record.times import microseconds, moment_of
from .._version import __version__
from ..exceptions import import_extra
from . import genai, mlflow, openinference

Record = Mapping[str, Any]
_LARGEST: Final = 2**63
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_MIN_TEXT: Final = 256
"""Characters that a shortened text keeps at least."""


@dataclass(frozen=True)
class Convention:
    """Names that a backend reads.

    Attributes:
        name: gives a span's name.
        attributes: give its attributes, in this order; of one name the first counts.
    """

    name: Callable[[Record], str]
    attributes: tuple[Callable[[Record], Iterator[tuple[str, Any]]], ...]


GENERAL: Final = Convention(genai.span_name, (genai.attributes_of, openinference.attributes_of))
"""The GenAI conventions, and OpenInference's names beside them."""
MLFLOW: Final = Convention(
    lambda row: str(row["name"]), (mlflow.attributes_of, genai.attributes_of)
)
"""MLflow's own names, and the GenAI conventions beside them."""


@dataclass(frozen=True)
class Limits:
    """What one request may hold; None for no limit.

    Attributes:
        spans: spans.
        request_bytes: bytes before compression.
        span_bytes: bytes of one span; longer texts of a larger one are shortened.
    """

    spans: int = 1_000
    request_bytes: int = 4 * 1024 * 1024
    span_bytes: int | None = None


@dataclass(frozen=True)
class Batch:
    """One request.

    Attributes:
        body: the `ExportTraceServiceRequest`, serialized.
        spans: how many spans it holds.
    """

    body: bytes
    spans: int


def batches_of(
    records: Iterable[Record],
    convention: Convention,
    limits: Limits,
    resource: Mapping[str, Any],
    join: bool = False,
) -> Iterator[Batch]:
    """Yield requests with the finished spans of records, in order.

    Args:
        records: span records; those that are still running are left out.
        convention: the names to use.
        limits: of one request.
        resource: attributes of the resource, such as `service.name`.
        join: put a trace that began within a span of OpenTelemetry below that span; else the root
            has a link to it.

    Raises:
        MissingExtraError: opentelemetry-proto is not installed.
    """
    spans = (_fitted(span_of(r, convention, join), limits) for r in records if _is_finished(r))
    chosen: list[Any] = []
    size = 0
    for span in spans:
        more = span.ByteSize() + 8
        if chosen and (len(chosen) >= limits.spans or size + more > limits.request_bytes):
            yield _request(chosen, resource)
            chosen, size = [], 0
        chosen.append(span)
        size += more
    if chosen:
        yield _request(chosen, resource)


def _is_finished(record: Record) -> bool:
    if is_provenance(record):
        return False  # it is no call
    return record["status"] != "running" and record["start_time"] is not None


def span_of(record: Record, convention: Convention, join: bool = False) -> Any:
    """Return one span as protobuf. Its ids are hashes of the record's: sent twice, it is one."""
    proto = _protobuf().trace
    start, end = moment_of(record["start_time"]), moment_of(record["end_time"])
    row = {**record, "start_time": start, "end_time": end}
    began = (microseconds(start) or 0) * 1_000
    span = proto.Span(
        trace_id=bytes.fromhex(genai.trace_id(record["trace_id"])),
        span_id=bytes.fromhex(genai.span_id(record["span_id"])),
        name=convention.name(row),
        kind=3 if record["kind"] in genai.REMOTE_KINDS else 1,
        start_time_unix_nano=began,
        end_time_unix_nano=(microseconds(end) or 0) * 1_000 or began,
    )
    if record["parent_span_id"]:
        span.parent_span_id = bytes.fromhex(genai.span_id(record["parent_span_id"]))
    _add_outside(span, record, join)
    pairs = itertools.chain.from_iterable(table(row) for table in convention.attributes)
    _fill(span.attributes, pairs)
    for at, name, attributes in genai.events_of(row):
        event = span.events.add(time_unix_nano=at, name=name)
        _fill(event.attributes, attributes.items())
    if record["status"] == "error":
        span.status.code = 2
        span.status.message = str((record["error"] or {}).get("message") or "")
    else:
        span.status.code = 1
    return span


def _add_outside(span: Any, record: Record, join: bool) -> None:
    """Note the span outside that a trace began in: as parent, or as a link."""
    told = (record["attributes"] or {}).get("traceparent")
    outside = _TRACEPARENT.fullmatch(told) if isinstance(told, str) else None
    if outside is None:
        return
    trace_id, span_id = bytes.fromhex(outside[1]), bytes.fromhex(outside[2])
    if join:
        span.trace_id = trace_id
    if record["parent_span_id"]:
        return
    if join:
        span.parent_span_id = span_id
    else:
        span.links.add(trace_id=trace_id, span_id=span_id)


def _fill(target: Any, pairs: Iterable[tuple[str, Any]]) -> None:
    """Add attributes; of one name the first counts."""
    seen: set[str] = set()
    for name, value in pairs:
        if name not in seen:
            seen.add(name)
            _set(target.add(key=str(name)).value, value)


def _set(target: Any, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, (list, tuple)):
        target.array_value.SetInParent()
        for item in value:
            _set(target.array_value.values.add(), item)
    elif isinstance(value, Mapping):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            _set(target.kvlist_value.values.add(key=str(key)).value, item)
    elif value is not None:
        target.string_value = str(value).encode("utf-8", "replace").decode()


def _fitted(span: Any, limits: Limits) -> Any:
    """Return the span with its longest texts shortened, until it fits what a backend takes."""
    if limits.span_bytes is None:
        return span
    texts = [pair.value for pair in span.attributes if pair.value.HasField("string_value")]
    texts += [
        pair.value
        for event in span.events
        for pair in event.attributes
        if pair.value.HasField("string_value")
    ]
    while span.ByteSize() > limits.span_bytes and texts:
        longest = max(texts, key=lambda value: len(value.string_value))
        length = len(longest.string_value)
        if length <= _MIN_TEXT:
            break
        longest.string_value = _shortened(longest.string_value, max(_MIN_TEXT, length // 2))
    if span.ByteSize() > limits.span_bytes:
        del span.events[:]
    return span


def _shortened(text: str, limit: int) -> str:
    mark = f"… [{len(text)} characters, whole in S3]"
    return text[: limit - len(mark)] + mark


def _request(spans: list[Any], resource: Mapping[str, Any]) -> Batch:
    protobuf = _protobuf()
    about = protobuf.trace.ResourceSpans()
    _fill(about.resource.attributes, resource.items())
    scope = about.scope_spans.add(schema_url=genai.SCHEMA_URL)
    scope.scope.name, scope.scope.version = "langchain-sagemaker-experiments", __version__
    scope.spans.extend(spans)
    request = protobuf.collector.ExportTraceServiceRequest(resource_spans=[about])
    return Batch(request.SerializeToString(), len(spans))


def refused_of(body: bytes) -> tuple[int, str]:
    """Return how many spans a backend says that it refused, and why; 0 for an answer that says
    nothing.
    """
    try:
        answer = _protobuf().collector.ExportTraceServiceResponse.FromString(body)
    except Exception:
        return 0, ""
    return answer.partial_success.rejected_spans, answer.partial_success.error_message


@dataclass(frozen=True)
class _Protobuf:
    trace: Any
    collector: Any


def _protobuf() -> _Protobuf:
    purpose = "Sending traces to another backend"
    package = "opentelemetry.proto"
    return _Protobuf(
        import_extra(f"{package}.trace.v1.trace_pb2", "otlp", purpose),
        import_extra(f"{package}.collector.trace.v1.trace_service_pb2", "otlp", purpose),
    )
