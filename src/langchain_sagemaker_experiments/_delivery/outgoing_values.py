"""Values on their way out: without media, masked, and cut where they are too long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from .._encoding.media import replace_media, replace_media_in_text
from .._encoding.truncation import truncate_json
from .._masking.masking import Masker
from .._record.value import GrownList, ListPrefix, Reference, Value, numbers_in
from .._recording.live_span import LiveSpan

_UNBOUNDED: Final = 1 << 62
_MOST_BYTES: Final = 6
"""Bytes of JSON that one character of a text may take, as an escape."""


class OutgoingValues:
    """Makes of values what may be written.

    Args:
        masker: the user's function and known secrets.
        count_fault: takes what went wrong.
        max_bytes: bound of one value in bytes of JSON; None keeps it whole.
        keep_media: leave base64 data as it is.
    """

    def __init__(
        self,
        masker: Masker,
        count_fault: Callable[[str], None],
        *,
        max_bytes: int | None,
        keep_media: bool,
    ) -> None:
        self._masker = masker
        self._count_fault = count_fault
        self._max_bytes = _UNBOUNDED if max_bytes is None else max_bytes
        self._keep_media = keep_media

    def without_media(self, data: bytes) -> bytes:
        """Return JSON without embedded media, unless it is to be kept."""
        return data if self._keep_media else replace_media(data)

    def are_plain(self, spans: Sequence[LiveSpan]) -> bool:
        """Return True if the values of all these spans are whole in themselves and within the
        bound: they are masked with their lines.
        """
        most = self._max_bytes
        return not any([  # noqa: C419 - a list is faster
            span.references is not None or len(span.inputs) > most or len(span.outputs) > most
            for span in spans
        ])  # fmt: skip

    def of_part(self) -> ValuesOfPart:
        """Return what a part's values go through."""
        return ValuesOfPart(self)

    def text(self, text: str) -> str:
        """Return a text that a value holds by reference, as it may be written."""
        if not self._keep_media:
            text = replace_media_in_text(text)
        return self._masker.text(text)

    def json(self, data: bytes) -> bytes:
        """Return the JSON of a value, with its marks, as it may be written."""
        return self._masker.json(self.without_media(data))

    def withhold(self, error: Exception) -> Value:
        """Return what stands for a value for which the user's function raised."""
        self._count_fault("redact function raised")
        data = orjson.dumps(f"<withheld: the redact function raised {type(error).__name__}>")
        return Value(data, len(data))

    def is_too_long(self, value: Value) -> bool:
        """Return True if a value is beyond the bound. What a list shares with earlier values, and
        is stored once, does not count.
        """
        size, exact = len(value.json), True
        for reference in (value.references or {}).values():
            if isinstance(reference, str):
                size += len(reference)
                exact = exact and reference.isascii()
            else:
                size += reference.size
        if size > self._max_bytes:
            return True
        if exact and 2 * size <= self._max_bytes:
            return False
        return _MOST_BYTES * size > self._max_bytes and self._joined_is_too_long(value)

    def _joined_is_too_long(self, value: Value) -> bool:
        references = (value.references or {}).values()
        if any(isinstance(reference, ListPrefix) for reference in references):
            return False
        return len(value.join()) > self._max_bytes

    def cut(self, value: Value) -> Value:
        """Return a value within the bound, whole in itself."""
        data = truncate_json(value.join(), self._max_bytes)
        return Value(data, len(data))

    def is_within_bound(self, data: bytes) -> bool:
        """Return True if JSON without marks needs no cut."""
        return len(data) <= self._max_bytes


class ValuesOfPart:
    """The values of one part: each text and each list that they share is done once."""

    def __init__(self, rules: OutgoingValues) -> None:
        self._rules = rules
        self._texts: dict[str, str] = {}
        self._lists: dict[int, GrownList] = {}
        self._originals: list[GrownList] = []

    def outgoing(self, data: bytes, references: Mapping[int, Reference] | None) -> Value:
        """Return a span's value as it may be written. One without marks, and within the bound, is
        masked with its line.

        Args:
            data: its JSON.
            references: what the marks of the span stand for.
        """
        rules = self._rules
        numbers = numbers_in(data) if references else []
        if not numbers and rules.is_within_bound(data):
            return Value(data, len(data))
        held = {number: references[number] for number in numbers} if references else None
        try:
            # Masked first: a cut secret is recognised no more.
            value = self._masked(Value(data, len(data), held))
        except Exception as error:
            return rules.withhold(error)
        return rules.cut(value) if rules.is_too_long(value) else value

    def _masked(self, value: Value) -> Value:
        data = self._rules.json(value.json)
        if not value.references:
            return Value(data, len(data)) if data is not value.json else value
        kept = value.references
        # A mark under a telling name is masked as a whole: what it stands for is not written.
        numbers = kept if data is value.json else numbers_in(data)
        references = {number: self._reference(kept[number]) for number in numbers}
        return Value(data, value.size, references or None)

    def _reference(self, reference: Reference) -> Reference:
        if isinstance(reference, str):
            text = self._texts.get(reference)
            if text is None:
                text = self._texts[reference] = self._rules.text(reference)
            return text
        grown = self._list(reference.grown, reference.count)
        return ListPrefix(grown, reference.count, reference.size)

    def _list(self, original: GrownList, count: int) -> GrownList:
        """Return the list with its first `count` items as they may be written."""
        grown = self._lists.get(id(original))
        if grown is None:
            grown = self._lists[id(original)] = GrownList()
            self._originals.append(original)  # so that its id stays its own
        for item in original.items[len(grown.items) : count]:
            grown.append(self._masked(item), {})
        return grown
