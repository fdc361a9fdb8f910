"""A finished (or still running) `LiveSpan` → its line of JSON, as the span record of `docs/record.md` says. Runs at the flush."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from ._encoder import Encoded, dump_text, replace_media
from ._plain import convert_object, to_plain
from ._redaction import Redact, apply_redact, mask_secrets
from ._span import SCHEMA_VERSION, LiveSpan
from ._summary import Summary

_EMPTY: Final = orjson.Fragment(b"{}")
_NULL: Final = orjson.Fragment(b"null")


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(wall_ns: int) -> str:
    """Return nanoseconds since the epoch as RFC 3339 text, UTC, microseconds."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000:06d}Z"


class RecordWriter:
    """Makes JSON lines of spans: derives attributes, replaces media, masks secrets.

    Args:
        summary: counts each finished span.
        redact: the user's function over strings, or None.
        mask: mask known secrets; False only when the user asked for it.
        keep_media: leave base64 data as it is.
    """

    def __init__(self, summary: Summary, *, redact: Redact | None = None, mask: bool = True, keep_media: bool = False) -> None:
        self.summary = summary
        self._redact = redact
        self._mask = mask
        self._keep_media = keep_media
        self.faults: dict[str, int] = {}
        """Faults by kind since the last flush, for its report: user functions that raised, attributes that failed."""

    def lines(self, spans: Sequence[LiveSpan]) -> Iterator[bytes]:
        """Yield one line for each span, without the line end. They belong into one part.

        A long text that more than one value of theirs holds is written once, in the `shared` field of the first.
        """
        owners = _owners(spans)
        shared: dict[int, str] = {}
        for span in spans:
            own = owners.get(id(span))
            texts = None
            if own is not None:
                texts = {f"{span.span_id}/{number}": text for number, text in enumerate(own)}
                shared.update({id(text): key for key, text in texts.items()})
            yield self.line(span, shared, texts)

    def line(self, span: LiveSpan, shared: dict[int, str] | None = None, texts: dict[str, str] | None = None) -> bytes:
        """Return the JSON line of one span. Never raises: what can't be derived is left out and counted.

        Args:
            span: what to write.
            shared: `id` of a long text → its key, for texts that stand in a `shared` field.
            texts: the `shared` field of this line.
        """
        record = self._record(span, shared)
        if texts:
            record["shared"] = {key: orjson.Fragment(dump_text(text)) for key, text in texts.items()}
        if span.end_ns is not None:
            self.summary.add(record)
        try:
            data = orjson.dumps(record)
        except Exception:
            # A tag, a name or an attribute that JSON can't hold: the values themselves are bytes already.
            data = orjson.dumps({name: _plain_field(value) for name, value in record.items()})
        if not self._keep_media:
            data = replace_media(data)
        if self._redact is not None:
            data, withheld = apply_redact(data, self._redact)
            if withheld:
                self.count_fault("redact function raised", withheld)
        return mask_secrets(data) if self._mask else data

    def count_fault(self, what: str, count: int = 1) -> None:
        """Count something that went wrong, for the report of the next flush."""
        self.faults[what] = self.faults.get(what, 0) + count

    def _record(self, span: LiveSpan, shared: dict[int, str] | None = None) -> dict[str, Any]:
        offset = span.start_wall_ns - span.start_ns
        metadata = orjson.loads(span.metadata) if span.metadata else {}
        session = session_of(metadata)
        attributes = self._attributes(span)
        if session is not None:
            attributes["gen_ai.conversation.id"] = session
        ended = span.end_ns is not None
        return {
            "schema_version": SCHEMA_VERSION,
            "trace_id": str(span.trace_id),
            "span_id": str(span.span_id),
            "parent_span_id": str(span.parent_span_id) if span.parent_span_id is not None else None,
            "kind": span.kind,
            "name": span.name,
            "status": span.status,
            "start_time": rfc3339(span.start_wall_ns),
            "end_time": rfc3339(span.end_ns + offset) if span.end_ns is not None else None,
            "duration_ms": round((span.end_ns - span.start_ns) / 1e6, 3) if ended and span.end_ns is not None else None,
            "session_id": session,
            "inputs": _value(span.inputs, shared),
            "outputs": _value(span.outputs, shared),
            "error": span.error,
            "attributes": attributes,
            "events": [
                {
                    "name": name,
                    "time": rfc3339(time_ns + offset),
                    "attributes": orjson.Fragment(data) if data is not None else _EMPTY,
                }
                for time_ns, name, data in span.events or ()
            ],
            "tags": span.tags or [],
            "metadata": metadata if isinstance(metadata, dict) else {"metadata": metadata},
            "component": orjson.Fragment(span.component) if span.component is not None else None,
        }

    def _attributes(self, span: LiveSpan) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        if span.derive is not None:
            try:
                attributes.update(span.derive(span))
            except Exception as error:
                self.count_fault(f"attributes of a {span.kind} span: {type(error).__name__}: {error}")
        if span.token_count:
            attributes["gen_ai.response.time_to_first_chunk"] = round((span.first_token_ns - span.start_ns) / 1e9, 6)
            attributes["langchain.stream.chunks"] = span.token_count
        if span.attributes:
            attributes.update(span.attributes)
        if span.run_id != span.span_id:
            attributes["langchain.run_id"] = str(span.run_id)
        if span.error is not None:
            attributes["error.type"] = span.error["type"]
        return attributes


def _value(value: bytes | Encoded | None, shared: dict[int, str] | None) -> orjson.Fragment:
    if value is None:
        return _NULL
    return orjson.Fragment(value.join(shared) if isinstance(value, Encoded) else value)


def _owners(spans: Sequence[LiveSpan]) -> dict[int, list[str]]:
    """`id` of a span → the long texts that it holds first and that come again after it."""
    first: dict[int, LiveSpan] = {}
    again: dict[int, str] = {}
    for span in spans:
        for value in (span.inputs, span.outputs):
            if type(value) is Encoded:
                for identity, text in value.texts.items():
                    if identity in first:
                        again[identity] = text
                    else:
                        first[identity] = span
    owners: dict[int, list[str]] = {}
    for key, text in again.items():
        owners.setdefault(id(first[key]), []).append(text)
    return owners


def _plain_field(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return value
    if isinstance(value, dict) and any(isinstance(item, orjson.Fragment) for item in value.values()):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{key: _plain_field(item) for key, item in entry.items()} for entry in value]
    return to_plain(value, convert_object)


def session_of(metadata: Any) -> str | None:
    """Return the session a span belongs to: `session_id` of its metadata, else LangGraph's `thread_id`."""
    if not isinstance(metadata, dict):
        return None
    for name in ("session_id", "thread_id"):
        value = metadata.get(name)
        if value is not None:
            return str(value)
    return None
