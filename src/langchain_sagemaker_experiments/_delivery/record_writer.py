"""A finished (or still running) `LiveSpan` → its line of JSON, as the span record of
`docs/record.md` says. Runs at the flush.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from .._encoding.any_value import convert_object, to_plain
from .._encoding.encoder import Encoded, join_pieces, replace_media
from .._encoding.growing_lists import GrownList
from .._masking.masking import Redact, apply_redact, mask_secrets
from .._record.kept import Kept, Thaw, long_texts, plain_of
from .._record.schema import SCHEMA_VERSION
from .._record.text import dump_text
from .._recording.live_span import LiveSpan
from .run_summary import Summary

_EMPTY: Final = orjson.Fragment(b"{}")
_NO_EVENTS: Final[list[dict[str, Any]]] = []


@lru_cache(maxsize=4_096)
def _id_text(number: int) -> str:
    """Text of a UUID, by its number: spans of a trace name each other."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S"
    )


def rfc3339(wall_ns: int) -> str:
    """Return nanoseconds since the epoch as RFC 3339 text, UTC, microseconds."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000:06d}Z"


class RecordWriter:
    """Makes JSON lines of spans: derives attributes, replaces media, masks secrets.

    Args:
        summary: counts each finished span.
        thaw: puts together again what is kept in parts.
        redact: the user's function over strings, or None.
        mask: mask known secrets; False only when the user asked for it.
        keep_media: leave base64 data as it is.
    """

    def __init__(
        self,
        summary: Summary,
        thaw: Thaw,
        *,
        redact: Redact | None = None,
        mask: bool = True,
        keep_media: bool = False,
    ) -> None:
        self.summary = summary
        self._thaw = thaw
        self._redact = redact
        self._mask = mask
        self._keep_media = keep_media
        self.faults: dict[str, int] = {}
        """Faults by kind since the last flush, for its report: user functions that raised,
        attributes that failed.
        """

    def lines(self, spans: Sequence[LiveSpan]) -> Iterator[bytes]:
        """Yield one line for each span, without the line end. They belong into one part.

        A long text, or a list that grew, that more than one value of theirs holds is written once,
        in the `shared` field of the first.
        """
        owners, counts = _owners(spans)
        shared: dict[str | int, str] = {}
        for span in spans:
            own = owners.get(id(span))
            held: dict[str, orjson.Fragment] | None = None
            if own is not None:
                keys = {f"{span.span_id}/{number}": one for number, one in enumerate(own)}
                shared.update({_identity(one): key for key, one in keys.items()})
                held = {key: _shared_value(one, counts, shared) for key, one in keys.items()}
            yield self.line(span, shared, held)

    def line(
        self,
        span: LiveSpan,
        shared: Mapping[str | int, str] | None = None,
        held: dict[str, orjson.Fragment] | None = None,
    ) -> bytes:
        """Return the JSON line of one span. Never raises: what can't be derived is left out and
        counted.

        Args:
            span: what to write.
            shared: a long text, or the `id` of a list → its key, for those that stand in a `shared`
                field.
            held: the `shared` field of this line.
        """
        record = self._record(span, shared)
        if held:
            record["shared"] = held
        if span.end_ns is not None:
            try:
                self.summary.add(record)
            except Exception as error:
                self.count_fault(f"figures of a {span.kind} span: {type(error).__name__}: {error}")
        try:
            data = orjson.dumps(record)
        except Exception:
            # A text, a name or an attribute that JSON can't hold: values of more than texts are
            # bytes already.
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

    def _record(
        self, span: LiveSpan, shared: Mapping[str | int, str] | None = None
    ) -> dict[str, Any]:
        offset = span.start_wall_ns - span.start_ns
        metadata, session = _metadata(span.metadata) if span.metadata else (_EMPTY, None)
        attributes = self._attributes(span)
        if session is not None:
            attributes["gen_ai.conversation.id"] = session
        end_ns = span.end_ns
        return {
            "schema_version": SCHEMA_VERSION,
            "trace_id": _id_text(span.trace_id.int),
            "span_id": _id_text(span.span_id.int),
            "parent_span_id": _id_text(span.parent_span_id.int)
            if span.parent_span_id is not None
            else None,
            "kind": span.kind,
            "name": span.name,
            "status": span.status,
            "start_time": rfc3339(span.start_wall_ns),
            "end_time": rfc3339(end_ns + offset) if end_ns is not None else None,
            "duration_ms": round((end_ns - span.start_ns) / 1e6, 3) if end_ns is not None else None,
            "session_id": session,
            "inputs": _value(span.inputs, self._thaw, shared),
            "outputs": _value(span.outputs, self._thaw, shared),
            "error": span.error,
            "attributes": attributes,
            "events": _events(span.events, offset) if span.events else _NO_EVENTS,
            "tags": span.tags or [],
            "metadata": metadata,
            "component": orjson.Fragment(span.component) if span.component is not None else None,
        }

    def _attributes(self, span: LiveSpan) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        if span.derive is not None:
            try:
                attributes.update(span.derive(span))
            except Exception as error:
                self.count_fault(
                    f"attributes of a {span.kind} span: {type(error).__name__}: {error}"
                )
        if span.token_count:
            attributes["gen_ai.response.time_to_first_chunk"] = round(
                (span.first_token_ns - span.start_ns) / 1e9, 6
            )
            attributes["langchain.stream.chunks"] = span.token_count
        if span.attributes:
            attributes.update(span.attributes)
        if span.run_id != span.span_id:
            attributes["langchain.run_id"] = str(span.run_id)
        if span.error is not None:
            attributes["error.type"] = span.error["type"]
        return attributes


@lru_cache(maxsize=512)
def _metadata(data: bytes) -> tuple[orjson.Fragment, str | None]:
    """Metadata as it is written, and the session it names. Most spans have the metadata of another
    one.
    """
    value = orjson.loads(data)
    if isinstance(value, dict):
        return orjson.Fragment(data), session_of(value)
    return orjson.Fragment(orjson.dumps({"metadata": value})), None


def _events(events: list[tuple[int, str, bytes | None]], offset: int) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "time": rfc3339(time_ns + offset),
            "attributes": orjson.Fragment(data) if data is not None else _EMPTY,
        }
        for time_ns, name, data in events
    ]


def _value(
    value: bytes | Encoded | Kept, thaw: Thaw, shared: Mapping[str | int, str] | None
) -> Any:
    if isinstance(value, bytes):
        return orjson.Fragment(value)
    return (
        orjson.Fragment(value.join(shared))
        if isinstance(value, Encoded)
        else plain_of(value, thaw, shared)
    )


def _shared_value(
    one: str | GrownList, counts: Mapping[int, int], shared: Mapping[str | int, str]
) -> orjson.Fragment:
    if isinstance(one, str):
        return orjson.Fragment(dump_text(one))
    return orjson.Fragment(b"[" + join_pieces(one.pieces[: counts[id(one)]], shared) + b"]")


def _identity(one: str | GrownList) -> str | int:
    """What two values that hold the same have in common. A text is one by its characters: Python
    keeps the hash it has taken.
    """
    return one if isinstance(one, str) else id(one)


def _owners(spans: Sequence[LiveSpan]) -> tuple[dict[int, list[str | GrownList]], dict[int, int]]:
    """Return, under the `id` of a span, what it holds first and what comes again; and of each list
    how many items are held.
    """
    first: dict[str | int, LiveSpan] = {}
    again: dict[str | int, str | GrownList] = {}
    counts: dict[int, int] = {}

    def note(one: str | GrownList, span: LiveSpan) -> None:
        identity = _identity(one)
        if identity in first:
            again[identity] = one
        else:
            first[identity] = span

    for span in spans:
        for value in (span.inputs, span.outputs):
            if isinstance(value, bytes):
                continue
            if isinstance(value, (str, tuple)):
                for text in long_texts(value):
                    note(text, span)
            else:
                _note_held(value, span, counts, note)
    owners: dict[int, list[str | GrownList]] = {}
    for identity, one in again.items():
        owners.setdefault(id(first[identity]), []).append(one)
    return owners, counts


def _note_held(
    value: Encoded,
    span: LiveSpan,
    counts: dict[int, int],
    note: Callable[[str | GrownList, LiveSpan], None],
) -> None:
    for held in value.held.values():
        if isinstance(held, str):
            note(held, span)
            continue
        grown = held.grown
        for piece in grown.pieces[counts.get(id(grown), 0) : held.count]:
            if type(piece) is Encoded:
                for text in piece.held.values():
                    note(text, span)  # type: ignore[arg-type] # an item holds texts, not lists
        counts[id(grown)] = max(held.count, counts.get(id(grown), 0))
        note(grown, span)


def _plain_field(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return value
    if isinstance(value, dict) and any(
        isinstance(item, orjson.Fragment) for item in value.values()
    ):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{key: _plain_field(item) for key, item in entry.items()} for entry in value]
    return to_plain(value, convert_object)


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
