"""A finished (or still running) `LiveSpan` → its line of JSON, as `docs/record.md` says. Runs at
the flush.

Each value goes the same way: media out, the user's function, secrets masked, cut where it is too
long; what several values share is planned after that, and the lines are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from .._encoding.any_value import convert_object, to_plain
from .._masking.masking import Masker, mask_value
from .._record.limits import MAX_STACKTRACE_CHARS
from .._record.schema import SCHEMA_VERSION
from .._record.shared_values import SharedValues
from .._record.times import rfc3339_of_ns
from .._record.value import MARK_BEGIN
from .._recording.attributes import SpanAttributes
from .._recording.joined_traces import TRACEPARENT
from .._recording.live_span import LiveSpan
from .outgoing_values import OutgoingValues
from .run_summary import Summary
from .token_events import mask_tokens

_EMPTY: Final = orjson.Fragment(b"{}")
_NO_EVENTS: Final[list[dict[str, Any]]] = []
_MAX_METADATA: Final = 256
"""Metadata that is remembered: most spans have that of another one."""
_MAX_METADATA_BYTES: Final = 4_096
_MAX_NAMES: Final = 1_024
"""Names of spans that are remembered as holding no secret."""
_MAX_NAME: Final = 100
"""Characters of such a name."""
_OF_THE_USER: Final = frozenset(
    (
        "name", "session_id", "inputs", "outputs", "error", "attributes", "events", "tags",
        "metadata", "component",
    )
)  # fmt: skip
"""Fields that may hold the user's data; all others are our own."""


@lru_cache(maxsize=4_096)
def _id_text(number: int) -> str:
    """Return the text of a UUID, by its number: spans of a trace name each other."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class RecordWriter:
    """Makes JSON lines of spans.

    Args:
        summary: what the figures of parts are made from; remembers the settings logged so far.
        masker: what everything goes through.
        max_bytes: bound of one span's inputs or outputs in bytes of JSON; None keeps them whole.
        keep_media: leave base64 data as it is.
    """

    def __init__(
        self,
        summary: Summary,
        masker: Masker,
        *,
        max_bytes: int | None = None,
        keep_media: bool = False,
    ) -> None:
        self.summary = summary
        self.masker = masker
        self.faults: dict[str, int] = {}
        """Faults by kind since the last flush, for its report: user functions that raised,
        attributes that failed.
        """
        self._values = OutgoingValues(
            masker, self.count_fault, max_bytes=max_bytes, keep_media=keep_media
        )
        self._attributes = SpanAttributes()
        self._metadata: dict[bytes, tuple[orjson.Fragment, str | None]] = {}
        self._clean_names: set[str] = set()

    def count_fault(self, what: str, count: int = 1) -> None:
        """Count something that went wrong, for the report of the next flush."""
        self.faults[what] = self.faults.get(what, 0) + count

    def lines(
        self, spans: Sequence[LiveSpan], figures: Summary, pause: Callable[[], None] = lambda: None
    ) -> Iterator[bytes]:
        """Yield one line for each span, without the line end. They belong into one part, and
        `figures` counts the finished ones. Before the first line, `pause` is called after each span
        whose values were masked.
        """
        if self._values.are_plain(spans):
            for span in spans:
                yield self._line(span, figures, span.inputs, span.outputs, None)
            return
        outgoing = self._values.of_part().outgoing
        values = []
        for span in spans:
            references = span.references
            values.append((outgoing(span.inputs, references), outgoing(span.outputs, references)))
            pause()
        ids = [_id_text(span.span_id.int) for span in spans]
        shared = SharedValues(list(zip(ids, values, strict=True)))
        for place, (span, pair) in enumerate(zip(spans, values, strict=True)):
            inputs, outputs = map(shared.json, pair)
            yield self._line(span, figures, inputs, outputs, shared.field(place), _held(span))

    def line(self, span: LiveSpan, figures: Summary) -> bytes:
        """Return the line of one span that stands alone; `figures` counts it."""
        return next(self.lines([span], figures))

    def _line(
        self,
        span: LiveSpan,
        figures: Summary,
        inputs: bytes,
        outputs: bytes,
        shared: dict[str, orjson.Fragment] | None,
        masked: Sequence[str] = (),
    ) -> bytes:
        """Return a line. Never raises: what can't be derived is left out and counted.

        Args:
            span: the span.
            figures: counts it if it is finished.
            inputs: JSON of its inputs.
            outputs: JSON of its outputs.
            shared: the `shared` field.
            masked: fields that have been masked already. They are long: nothing looks at them
                again.
        """
        record = self._record(span, inputs, outputs)
        if span.end_ns is not None:
            try:
                figures.add(record)
            except Exception as error:
                self._count_failure(f"figures of a {span.kind} span", error)
        done = {field: record[field] for field in masked}
        whole = _dump({**record, **dict.fromkeys(done)} if done else record)
        line = self._values.without_media(whole)
        clean = self._is_clean_name(span.name) and self.masker.is_clean(line, _after_frame(line))
        if not clean or (done and line is not whole):
            line = self._masked_line(line, done, span.is_our_record)
        elif done:
            line = _dump(record)
        if shared:
            line = b'%b,"shared":%b}' % (line[:-1], orjson.dumps(shared))
        return line

    def _is_clean_name(self, name: str) -> bool:
        if name in self._clean_names:
            return True
        clean = self.masker.is_clean(name.encode("utf-8", "replace"))
        if clean and len(name) <= _MAX_NAME and len(self._clean_names) < _MAX_NAMES:
            self._clean_names.add(name)
        return clean

    def _masked_line(
        self, line: bytes, done: dict[str, orjson.Fragment], is_our_record: bool
    ) -> bytes:
        """Return a line with each field of the user masked, and encoded by itself: orjson reads
        deeper values than it writes.

        Args:
            line: the record.
            done: fields that have been masked already, which the record does not have.
            is_our_record: the attributes are ours, and a user's `redact=` does not see them;
                without them readers would take the record for a trace.
        """
        record = orjson.loads(line)
        for field in _OF_THE_USER - done.keys():
            if record[field] in (None, [], {}):
                continue
            if field == "events":
                events = mask_tokens(record[field], self.masker)
                record[field] = [self._masked(field, event) for event in events]
            elif field == "attributes" and is_our_record:
                record[field] = mask_value(record[field])
            else:
                record[field] = self._masked(field, record[field])
        return orjson.dumps({**record, **done})

    def _masked(self, field: str, value: Any) -> Any:
        try:
            return orjson.Fragment(orjson.dumps(self.masker.value(value)))
        except Exception as error:
            self.count_fault("redact function raised")
            return withheld(field, error)

    def _record(self, span: LiveSpan, inputs: bytes, outputs: bytes) -> dict[str, Any]:
        offset = span.start_wall_ns - span.start_ns
        metadata, session = self._metadata_of(span.metadata) if span.metadata else (_EMPTY, None)
        attributes = self._attributes_of(span)
        if session is not None:
            attributes["gen_ai.conversation.id"] = session
        end_ns = span.end_ns
        parent = span.parent_span_id
        return {
            "schema_version": SCHEMA_VERSION,
            "trace_id": _id_text(span.trace_id.int),
            "span_id": _id_text(span.span_id.int),
            "parent_span_id": _id_text(parent.int) if parent is not None else None,
            "kind": span.kind,
            "name": span.name,
            "status": span.status,
            "start_time": rfc3339_of_ns(span.start_wall_ns),
            "end_time": rfc3339_of_ns(end_ns + offset) if end_ns is not None else None,
            "duration_ms": round((end_ns - span.start_ns) / 1e6, 3) if end_ns is not None else None,
            "session_id": session,
            "inputs": orjson.Fragment(inputs),
            "outputs": orjson.Fragment(outputs),
            "error": self._error_of(span),
            "attributes": attributes,
            "events": _events(span, offset) if span.events else _NO_EVENTS,
            "tags": span.tags or [],
            "metadata": metadata,
            "component": (orjson.Fragment(span.component) if span.component is not None else None),
        }

    def _attributes_of(self, span: LiveSpan) -> dict[str, Any]:
        try:
            attributes = self._attributes.of(span)
        except Exception as error:
            attributes = {}
            self._count_failure(f"attributes of a {span.kind} span", error)
        if span.token_count:
            if span.first_token_ns:
                first = round((span.first_token_ns - span.start_ns) / 1e9, 6)
                attributes["gen_ai.response.time_to_first_chunk"] = first
            attributes["langchain.stream.chunks"] = span.token_count
        if span.traceparent is not None:
            attributes[TRACEPARENT] = span.traceparent
        if span.attributes:
            attributes.update(span.attributes)
        if span.run_id != span.span_id:
            attributes["langchain.run_id"] = str(span.run_id)
        if span.error is not None:
            attributes["error.type"] = span.error["type"]
        return attributes

    def _error_of(self, span: LiveSpan) -> dict[str, str] | None:
        """Return an error whose stack trace is within its bound: masked first, since a secret that
        is cut is recognised no more.
        """
        error = span.error
        if error is None or len(error.get("stacktrace", "")) <= MAX_STACKTRACE_CHARS:
            return error
        trace = self.masker.message(error["stacktrace"])
        return {**error, "stacktrace": trace[-MAX_STACKTRACE_CHARS:]}

    def _count_failure(self, what: str, error: Exception) -> None:
        self.count_fault(self.masker.message(f"{what}: {type(error).__name__}: {error}"))

    def _metadata_of(self, data: bytes) -> tuple[orjson.Fragment, str | None]:
        """Return metadata as it is written, and the session it names."""
        before = self._metadata.get(data)
        if before is not None:
            return before
        value = orjson.loads(data)
        if isinstance(value, dict):
            written = (orjson.Fragment(data), session_of(value))
        else:
            written = (orjson.Fragment(orjson.dumps({"metadata": value})), None)
        if len(data) <= _MAX_METADATA_BYTES:
            if len(self._metadata) >= _MAX_METADATA:
                self._metadata.clear()
            self._metadata[data] = written
        return written


def _after_frame(line: bytes) -> int:
    """Return where the fields begin that may hold the user's data; only the name stands before."""
    return max(line.find(b'"session_id":'), 0)


def _held(span: LiveSpan) -> list[str]:
    """Return the fields whose values hold something by reference, and so were masked on their
    way.
    """
    if span.references is None:
        return []
    values = (("inputs", span.inputs), ("outputs", span.outputs))
    return [name for name, data in values if MARK_BEGIN in data]


def _events(span: LiveSpan, offset: int) -> list[dict[str, Any]]:
    events = span.events or []
    if span.end_ns is None:
        # The pieces of a stream are masked together, so they are written when all are there.
        events = [event for event in events if event[1] != "token"]
    return [
        {
            "name": name,
            "time": rfc3339_of_ns(time_ns + offset),
            "attributes": orjson.Fragment(data) if data is not None else _EMPTY,
        }
        for time_ns, name, data in events
    ]


def _dump(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record)
    except Exception:
        # A text, a name or an attribute that JSON can't hold: values are JSON already.
        return orjson.dumps({name: _plain_field(value) for name, value in record.items()})


def _plain_field(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return value
    if isinstance(value, dict) and any(isinstance(i, orjson.Fragment) for i in value.values()):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{key: _plain_field(item) for key, item in entry.items()} for entry in value]
    return to_plain(value, convert_object)


def withheld(field: str, error: Exception) -> Any:
    """Return what is recorded in the place of a field for which the user's function raised."""
    mark = f"<withheld: the redact function raised {type(error).__name__}>"
    if field == "tags":
        return []
    if field in ("metadata", "attributes", "component"):
        return {"<withheld>": mark}
    if field == "events":
        return {"name": "withheld", "time": None, "attributes": {"<withheld>": mark}}
    if field == "error":
        return {"type": mark, "message": mark, "stacktrace": mark}
    return mark


def session_of(metadata: Any) -> str | None:
    """Return the session a span belongs to: `session_id` of its metadata, else LangGraph's
    `thread_id`.
    """
    if not isinstance(metadata, dict):
        return None
    for name in ("session_id", "thread_id"):
        value = metadata.get(name)
        if value is not None:
            return str(value)
    return None
