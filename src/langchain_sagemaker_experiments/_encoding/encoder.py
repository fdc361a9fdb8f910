"""Values → JSON bytes, within a size bound, never raising. Knows JSON and limits; what a LangChain
object is, `convert` knows.

A value that is nothing but texts is kept as it is and encoded at the flush (see `_kept`). For any
other, the fast way is one `orjson.dumps` with a conversion hook. What orjson refuses (cycles, lone
surrogates, huge integers, keys that are no strings) or would change without a word (NaN becomes
null) goes the thorough way of `_plain.to_plain`.

orjson's own support for numpy stays off: it imports numpy at the first object it does not know, a
quarter of a second in the middle of a user's call. Arrays go through the hook.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from .._masking.masking import is_telling
from .._record.kept import MAX_BYTES_PER_CHARACTER, MAX_FRAME, SEPARATOR, SHARED, Keep, Kept
from .._record.limits import DEFAULT_MAX_FIELD_BYTES
from .._record.text import LARGE_TEXT, dump_text
from .any_value import (
    Choose,
    Convert,
    LargeText,
    LongList,
    convert_object,
    describe_media,
    holds_non_finite,
    to_plain,
    type_name,
)
from .growing_lists import MANY, FieldsOf, GrowingLists, Prefix
from .truncation import truncate_json

_LOOSE_BYTES: Final = 16_384
"""orjson's bytes hold on to the 4 KiB and more they were written into (3.13); shorter ones are
copied to their true size.
"""

_MAX_CHOSEN: Final = 4_096
"""Types whose converter is remembered; classes made at run time could otherwise pile up."""

_DATA_URL: Final = re.compile(
    rb"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=_-]{32,})"
)
"""A `data:` address with base64 content inside a JSON string. Shorter ones than 32 characters are
text, not media.
"""


class Encoded:
    """JSON bytes with long texts, and the known part of lists that grow, left out: `data` has a
    mark in the place of each.

    A prompt of a hundred kilobytes that goes through a chain is one text object that many events
    pass on, and so are the messages of an agent's state. Held by reference they cost little at the
    event, and at the flush they are written once.

    Args:
        data: JSON, with marks.
        held: what the marks stand for, by its `id`: texts, and prefixes of lists.
    """

    __slots__ = ("data", "held")

    def __init__(self, data: bytes, held: dict[int, str | Prefix]) -> None:
        self.data = data
        self.held = held

    def __len__(self) -> int:
        """Return the bytes this holds, about: of a list that grew, only what it has grown by."""
        return len(self.data) + sum(
            len(one) if isinstance(one, str) else one.size for one in self.held.values()
        )

    def join(self, shared: Mapping[str | int, str] | None = None) -> bytes:
        """Return the whole JSON bytes.

        Args:
            shared: a text, or the `id` of a list → key under which it is stored elsewhere; it is
                written as a reference to that.
        """
        pieces = self.data.split(_MARK)
        for place in range(1, len(pieces), 2):
            held = self.held[int(pieces[place])]
            if isinstance(held, str):
                key = shared.get(held) if shared else None
                pieces[place] = dump_text(held) if key is None else orjson.dumps({SHARED: key})
            else:
                key = shared.get(id(held.grown)) if shared else None
                pieces[place] = (
                    join_pieces(held.pieces(), shared)
                    if key is None
                    else orjson.dumps({SHARED: key, TAKE: held.count})
                )
        return b"".join(pieces)


def join_pieces(pieces: Sequence[bytes | Encoded], shared: Mapping[str | int, str] | None) -> bytes:
    """Return the items of a list as JSON, with commas between them."""
    return b",".join(
        [piece.join(shared) if isinstance(piece, Encoded) else piece for piece in pieces]
    )


TAKE: Final = "$take"
"""With it, `{"$shared": key, "$take": n}` in a list stands for the first n items of the list under
`key`.
"""

_MARK: Final = b"\x00"
"""Stands around an `id`. JSON never holds this byte itself: in a string it is written `\\u0000`."""


class _Held(threading.local):
    """What the value that this thread is encoding holds by reference, by its `id`."""

    def __init__(self) -> None:
        self.found: dict[int, str | Prefix] = {}


class _Converters(dict[type, Convert]):
    """Type → what converts it, chosen when the type is first seen. A look-up is all that a known
    type costs.
    """

    def __init__(self, choose: Callable[[type], Convert], fixed: Mapping[type, Convert]) -> None:
        super().__init__(fixed)
        self._choose = choose

    def __missing__(self, cls: type) -> Convert:
        converter = self._choose(cls)
        # When full, nothing is forgotten: other threads are looking things up, the marks of long
        # texts among them.
        if len(self) < _MAX_CHOSEN:
            self[cls] = converter
        return converter


def _hold(data: bytes, found: Mapping[int, str | Prefix]) -> Encoded:
    """Return marked JSON with what its marks stand for, of `found`. A text under a telling name is
    put back in its place.
    """
    pieces = data.split(_MARK)
    held: dict[int, str | Prefix] = {}
    for place in range(1, len(pieces), 2):
        key = int(pieces[place])
        one = found[key]
        if isinstance(one, str) and _is_named_by_secret(pieces[place - 1]):
            # Stored apart from its name, nothing would tell that it is to be masked.
            pieces[place] = dump_text(one)
        else:
            held[key] = one
            pieces[place] = _MARK + pieces[place] + _MARK
    return Encoded(b"".join(pieces), held)


def _is_named_by_secret(before: bytes) -> bool:
    return before.endswith(b'":') and is_telling(before[before.rfind(b'"', 0, -2) + 1 : -2])


class Encoder:
    """Turns one value into JSON bytes.

    Args:
        choose: a type unknown to JSON → what takes its values one step towards a known one; None
            leaves it to `convert_object`.
        max_bytes: bound of one encoded value in bytes; longer ones are truncated with marks. None
            keeps them whole.
        keep_media: keep base64 data of images, sound and files instead of its media type, size and
            SHA-256.
        fields_of: what an item of a list that grows is encoded from (see `_growing`); without it no
            list is kept that way.
        keepers: type → what keeps those of its values that are nothing but texts.
    """

    def __init__(
        self,
        choose: Choose | None = None,
        *,
        max_bytes: int | None = DEFAULT_MAX_FIELD_BYTES,
        keep_media: bool = False,
        fields_of: FieldsOf | None = None,
        keepers: Mapping[type, Keep] | None = None,
    ) -> None:
        choose = choose or (lambda cls: None)
        self._held = _Held()
        self._lists: GrowingLists | None = None
        if fields_of is not None:
            # Items have an encoder of their own: a list within an item is part of the item.
            items = Encoder(choose, max_bytes=max_bytes, keep_media=keep_media)
            self._lists = GrowingLists(fields_of, items.take)
        self._many = MANY if fields_of is not None else 1 << 62
        self._apart = _Converters(
            lambda cls: choose(cls) or self._object_apart,
            {LargeText: self._text_apart, LongList: self._list_apart},
        )
        self._whole = _Converters(
            lambda cls: choose(cls) or convert_object,
            {LargeText: lambda value: value.text, LongList: lambda value: value.items},
        )
        self._max_bytes = max_bytes if max_bytes is not None else 1 << 62
        self._keepers = dict(keepers or {})
        self._max_kept = (self._max_bytes - MAX_FRAME) // MAX_BYTES_PER_CHARACTER
        self._keep_media = keep_media

    def _convert(self, value: Any) -> Any:
        try:
            return self._whole[type(value)](value)
        except Exception:
            return convert_object(value)

    def _convert_apart(self, value: Any) -> Any:
        # May raise: `take` then leaves it to `encode`.
        return self._apart[type(value)](value)

    def _text_apart(self, value: LargeText) -> orjson.Fragment:
        text = value.text
        self._held.found[id(text)] = text
        return orjson.Fragment(b"\x00%d\x00" % id(text))

    def _object_apart(self, value: Any) -> Any:
        """The state of a graph may be an object too."""
        plain = convert_object(value)
        if (
            type(plain) is dict
            and type(plain.get("messages")) is list
            and len(plain["messages"]) >= self._many
        ):
            plain["messages"] = LongList(plain["messages"])
        return plain

    def _list_apart(self, value: LongList) -> Any:
        items = value.items
        split = self._lists.split(items) if self._lists is not None else None
        if split is None:
            return items
        prefix, tail = split
        held = self._held.found
        held[id(prefix)] = prefix
        pieces = [b"\x00%d\x00" % id(prefix)] if prefix.count else []
        for piece in tail:
            if isinstance(piece, Encoded):
                held.update(piece.held)
                piece = piece.data
            pieces.append(piece)
        return orjson.Fragment(b"[" + b",".join(pieces) + b"]")

    def take(self, value: Any) -> bytes | Encoded | Kept:
        """Return `value` as `encode` does, but what can't change in it kept by reference: texts,
        and known parts of lists.
        """
        cls = type(value)
        keep = self._keepers.get(cls)
        if keep is not None:
            try:
                parts = keep(value)
                if isinstance(parts, list):
                    packed = SEPARATOR.join(parts)
                    if len(packed) <= self._max_kept and packed.count(SEPARATOR) == len(parts) - 1:
                        return packed
                elif isinstance(parts, tuple):
                    if sum(map(len, parts)) + len(parts) <= self._max_kept:
                        return parts
                elif parts is not None and len(parts) <= self._max_kept:
                    return parts
            except Exception:  # noqa: S110 - it is of no usual form: the ways below take any
                pass
        return self._take_parts(cls, value)

    def _take_parts(self, cls: type, value: Any) -> bytes | Encoded:
        if cls is dict:
            for item in value.values():
                kind = type(item)
                if (kind is str and len(item) >= LARGE_TEXT) or (
                    kind is list and self._is_long(item)
                ):
                    value = {key: self._mark(item) for key, item in value.items()}
                    break
        elif cls is str and len(value) >= LARGE_TEXT:
            value = LargeText(value)
        elif cls is list and self._is_long(value):
            value = self._mark(value)
        try:
            data = orjson.dumps(value, self._convert_apart)
            if data.find(b"null") >= 0 and holds_non_finite(value, self._convert):
                self._held.found.clear()
                return self.encode(value)
            if 0 not in data:  # no mark; a number is looked for eight times as quickly as bytes are
                if len(data) > self._max_bytes:
                    data = self._shorten(data)
                return b"%b" % data if len(data) < _LOOSE_BYTES else data
            encoded = _hold(data, self._held.found)
            self._held.found.clear()
        except Exception:
            # Among the rest: a value whose own code was itself recorded here while it was being
            # encoded took the texts away.
            self._held.found.clear()
            return self.encode(value)
        if 4 * len(encoded) > self._max_bytes and self._is_too_long(
            encoded
        ):  # a character is at most four bytes
            return self._shorten(encoded.join())
        return encoded

    def _is_too_long(self, encoded: Encoded) -> bool:
        """Tell whether a value is beyond the bound; what it shares with earlier ones, and is stored
        once, does not count.
        """
        if any(not isinstance(one, str) for one in encoded.held.values()):
            return len(encoded) > self._max_bytes
        return len(encoded.join()) > self._max_bytes

    def _is_long(self, items: list[Any]) -> bool:
        """Tell whether a list, or the only list in it (a chat model is given a batch of one), is
        long.
        """
        return len(items) >= self._many or (
            len(items) == 1 and type(items[0]) is list and len(items[0]) >= self._many
        )

    def _mark(self, item: Any) -> Any:
        if type(item) is str and len(item) >= LARGE_TEXT:
            return LargeText(item)
        if type(item) is list and self._is_long(item):
            return LongList(item) if len(item) >= self._many else [LongList(item[0])]
        return item

    def encode_settings(self, value: Any) -> bytes:
        """Return `value` as JSON bytes, for what only attributes are computed from: NaN may become
        null, nothing is cut.
        """
        try:
            return b"%b" % orjson.dumps(value, self._convert)
        except Exception:
            return self._encode_thoroughly(value)

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON bytes (UTF-8, one line), taken now: later changes of the value do
        not show.
        """
        try:
            data = orjson.dumps(value, self._convert)
            if data.find(b"null") >= 0 and holds_non_finite(value, self._convert):
                data = self._encode_thoroughly(value)
        except Exception:
            data = self._encode_thoroughly(value)
        if len(data) > self._max_bytes:
            data = self._shorten(data)
        return b"%b" % data if len(data) < _LOOSE_BYTES else data

    def _encode_thoroughly(self, value: Any) -> bytes:
        try:
            return orjson.dumps(to_plain(value, self._convert))
        except Exception as error:
            return orjson.dumps(f"<{type_name(value)}: can't be encoded: {type(error).__name__}>")

    def _shorten(self, data: bytes) -> bytes:
        if not self._keep_media:
            data = replace_media(data)
            if len(data) <= self._max_bytes:
                return data
        return truncate_json(data, self._max_bytes)


def replace_media(data: bytes) -> bytes:
    """Return JSON bytes with each base64 `data:` address replaced by its media type, size and
    SHA-256.
    """
    if b";base64," not in data:
        return data

    def describe(match: re.Match[bytes]) -> bytes:
        return describe_media(
            match[1].decode("ascii", "replace"), match[2].decode("ascii")
        ).encode()

    return _DATA_URL.sub(describe, data)
