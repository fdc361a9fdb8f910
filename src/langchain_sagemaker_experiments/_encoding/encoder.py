"""Values to JSON, never raising. Knows JSON; the chosen converters know LangChain.

The fast way is one `orjson.dumps` with a conversion hook. What orjson refuses (cycles, lone
surrogates, huge integers, keys that are no strings) or would change without notice (NaN becomes
null) goes the thorough way of `any_value.to_plain`.

orjson's own support for numpy stays off: it imports numpy at the first object it does not know, a
quarter of a second in the middle of a user's call. Arrays go through the hook.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from .._record.text import LARGE_TEXT
from .._record.value import MARK_BEGIN, NO_VALUE, Holder, Reference, Value, mark, numbers_in
from .any_value import (
    Choose,
    Convert,
    LargeText,
    LongList,
    convert_object,
    holds_non_finite,
    to_plain,
    type_name,
)
from .growing_lists import MANY, FieldsOf, GrowingLists

_LOOSE_BYTES: Final = 16_384
"""orjson's bytes hold on to the 4 KiB and more they were written into (3.13); shorter ones are
copied to their true size.
"""
_MAX_CHOSEN: Final = 4_096
"""Types whose converter is remembered; classes made at run time could otherwise pile up."""
_MAX_CHARGED: Final = 16
"""Texts that are remembered as charged already."""
_UNBOUNDED: Final = 1 << 62


class _Found(threading.local):
    """What the value that this thread is encoding holds by reference, by its `id`."""

    def __init__(self) -> None:
        self.references: dict[int, Reference] = {}


class _Converters(dict[type, Convert]):
    """A type and its converter, chosen when the type is first seen; later it is looked up."""

    def __init__(self, choose: Callable[[type], Convert], fixed: Mapping[type, Convert]) -> None:
        super().__init__(fixed)
        self._choose = choose

    def __missing__(self, cls: type) -> Convert:
        converter = self._choose(cls)
        # When full, nothing is forgotten: other threads are looking things up.
        if len(self) < _MAX_CHOSEN:
            self[cls] = converter
        return converter


class Encoder:
    """Turns values into JSON as they are at this moment: later changes do not show.

    Args:
        choose: a type unknown to JSON → what takes its values one step towards a known one; None
            leaves it to `convert_object`.
        fields_of: items of a list to the fields each is encoded from (see `growing_lists`); without
            it no list is held by reference.
    """

    def __init__(self, choose: Choose | None = None, *, fields_of: FieldsOf | None = None) -> None:
        choose = choose or (lambda cls: None)
        self._found = _Found()
        self._charged: dict[int, int] = {}
        self._many = MANY if fields_of is not None else _UNBOUNDED
        self._lists: GrowingLists | None = None
        if fields_of is not None:
            # Items have an encoder of their own: a list within an item is part of the item.
            self._lists = GrowingLists(fields_of, Encoder(choose).encode)
        self._by_reference = _Converters(
            lambda cls: choose(cls) or self._object_by_reference,
            {LargeText: self._text_by_reference, LongList: self._list_by_reference},
        )
        self._whole = _Converters(
            lambda cls: choose(cls) or convert_object,
            {LargeText: lambda value: value.text, LongList: lambda value: value.items},
        )

    # --- whole ------------------------------------------------------------------------------------
    def encode_json(self, value: Any) -> bytes:
        """Return `value` as JSON bytes (UTF-8, one line)."""
        try:
            data = orjson.dumps(value, self._convert_whole)
            if b"null" in data and holds_non_finite(value, self._convert_whole):
                data = self._encode_thoroughly(value)
        except Exception:
            data = self._encode_thoroughly(value)
        return b"%b" % data if len(data) < _LOOSE_BYTES else data

    def encode_settings(self, value: Any) -> bytes:
        """Return `value` as JSON bytes, for what only attributes are computed from: NaN may become
        null.
        """
        try:
            return b"%b" % orjson.dumps(value, self._convert_whole)
        except Exception:
            return self._encode_thoroughly(value)

    def _convert_whole(self, value: Any) -> Any:
        try:
            return self._whole[type(value)](value)
        except Exception:
            return convert_object(value)

    def _encode_thoroughly(self, value: Any) -> bytes:
        try:
            return orjson.dumps(to_plain(value, self._convert_whole))
        except Exception as error:
            note = f"<{type_name(value)}: can't be encoded: {type(error).__name__}>"
            return orjson.dumps(note)

    # --- with references --------------------------------------------------------------------------
    def encode(self, value: Any) -> Value:
        """Return `value` with long texts, and known parts of lists, held by reference."""
        alone = Value(b"", 0)
        alone.json = self.encode_for(alone, value)
        return alone

    def encode_for(self, holder: Holder, value: Any) -> bytes:
        """Return the JSON of `value`, with marks for long texts and known parts of lists; the
        holder gets what they stand for, and is charged.
        """
        if value is None:
            return NO_VALUE
        try:
            # One call less for each event: what most values are is looked at here.
            cls = type(value)
            if cls is str and len(value) < LARGE_TEXT:
                data = orjson.dumps(value)
                holder.size += len(data)
                return data
            if cls is dict:
                for item in value.values():
                    kind = type(item)
                    if (kind is str and len(item) >= LARGE_TEXT) or (
                        kind is list and self._is_long(item)
                    ):
                        value = {key: self._marked(item) for key, item in value.items()}
                        break
            elif cls is str or cls is list:
                value = self._marked(value)
            data = orjson.dumps(value, self._convert_by_reference)
            if b"null" in data and holds_non_finite(value, self._convert_whole):
                self._found.references.clear()
                data = self.encode_json(value)
            elif MARK_BEGIN in data:
                self._hand_over(holder, data)
        except Exception:
            # Among the rest: a value whose own code was itself recorded here while it was being
            # encoded took the references away.
            self._found.references.clear()
            data = self.encode_json(value)
        size = len(data)
        holder.size += size
        return b"%b" % data if size < _LOOSE_BYTES else data

    def _hand_over(self, holder: Holder, data: bytes) -> None:
        """Give the holder what the marks in `data` stand for."""
        found = self._found.references
        references = {number: found[number] for number in numbers_in(data)}
        found.clear()
        holder.size += self._charge(references)
        if holder.references:
            references.update(holder.references)
        holder.references = references

    def _marked(self, item: Any) -> Any:
        if type(item) is str and len(item) >= LARGE_TEXT:
            return LargeText(item)
        if type(item) is list and self._is_long(item):
            return LongList(item) if len(item) >= self._many else [LongList(item[0])]
        return item

    def _is_long(self, items: list[Any]) -> bool:
        """Return True if the list, or the single list it wraps, has at least MANY items."""
        return len(items) >= self._many or (
            len(items) == 1 and type(items[0]) is list and len(items[0]) >= self._many
        )

    def _convert_by_reference(self, value: Any) -> Any:
        # May raise: `encode` then goes another way.
        return self._by_reference[type(value)](value)

    def _text_by_reference(self, value: LargeText) -> orjson.Fragment:
        text = value.text
        self._found.references[id(text)] = text
        return orjson.Fragment(mark(id(text)))

    def _object_by_reference(self, value: Any) -> Any:
        """Convert an object; the state of a graph may be one."""
        plain = convert_object(value)
        if type(plain) is dict and type(plain.get("messages")) is list:
            plain["messages"] = self._marked(plain["messages"])
        return plain

    def _list_by_reference(self, value: LongList) -> Any:
        items = value.items
        split = self._lists.split(items) if self._lists is not None else None
        if split is None:
            return items
        prefix, rest = split
        references = self._found.references
        pieces = []
        if prefix.count:
            references[id(prefix)] = prefix
            pieces.append(mark(id(prefix)))
        for item in rest:
            references.update(item.references or {})
            pieces.append(item.json)
        return orjson.Fragment(b"[%b]" % b",".join(pieces))

    def _charge(self, references: Mapping[int, Reference]) -> int:
        """Return the bytes that a value with these references is the first to hold.

        A text that values pass on is charged once, as long as it is remembered; a list with what it
        has grown by.
        """
        charged, charge = self._charged, 0
        for number, reference in references.items():
            if not isinstance(reference, str):
                charge += reference.size
            elif charged.get(number) != len(reference):
                charged[number] = len(reference)
                charge += len(reference)
        if len(charged) > _MAX_CHARGED:
            charged.clear()
        return charge

    def charge_anew(self) -> None:
        """Forget which texts were charged: what held them has been written."""
        self._charged.clear()
