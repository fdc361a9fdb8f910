"""What several values of one part hold is written once: planned, written and resolved here.

A record's field `shared` holds texts and lists under keys. Where a value holds such a text, its
JSON has `{"$shared": key}`; where a list begins with the items of a shared list, it has
`{"$shared": key, "$take": n}` in the place of the first n items. Keys are known within one part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from .limits import (
    MAX_SHARED_PART_BYTES,
    MAX_SHARED_PART_ITEMS,
    MAX_SHARED_RECORD_BYTES,
)
from .schema import Record
from .text import dump_text
from .value import GrownList, ListPrefix, Value

SHARED: Final = "$shared"
"""`{"$shared": key}` stands for what is under `key` in the `shared` field of a record of the
part.
"""
_FIELDS: Final = ("inputs", "outputs")
TAKE: Final = "$take"
"""With it, `{"$shared": key, "$take": n}` in a list stands for the first n items of that list."""


class SharedValues:
    """What the values of one part have in common.

    Args:
        owners: span id and values of each record of the part, in their order. Their references are
            what is to be written: masking comes before.
    """

    def __init__(self, owners: Sequence[tuple[str, Sequence[Value]]]) -> None:
        self._first: dict[str | int, int] = {}
        self._again: dict[str | int, str | GrownList] = {}
        self._counts: dict[int, int] = {}
        for place, (_, values) in enumerate(owners):
            for value in values:
                self._note_all(value, place)
        self._held_at: dict[int, list[tuple[str, str | GrownList]]] = {}
        self._keys: dict[str | int, str] = {}
        numbers: dict[str, int] = {}  # two records of one span may stand in a part
        for identity, shared in self._again.items():
            place = self._first[identity]
            span_id = owners[place][0]
            number = numbers[span_id] = numbers.get(span_id, -1) + 1
            key = self._keys[identity] = f"{span_id}/{number}"
            self._held_at.setdefault(place, []).append((key, shared))

    def _note_all(self, value: Value, place: int) -> None:
        for reference in (value.references or {}).values():
            if isinstance(reference, str):
                self._note(reference, reference, place)
                continue
            grown = reference.grown
            before = self._counts.get(id(grown), 0)
            for item in grown.items[before : reference.count]:
                self._note_all(item, place)
            self._counts[id(grown)] = max(reference.count, before)
            self._note(id(grown), grown, place)

    def _note(self, identity: str | int, shared: str | GrownList, place: int) -> None:
        if identity in self._first:
            self._again[identity] = shared
        else:
            self._first[identity] = place

    def field(self, place: int) -> dict[str, orjson.Fragment] | None:
        """Return the `shared` field of a record of the part; None where it needs none."""
        held = self._held_at.get(place)
        if held is None:
            return None
        return {key: orjson.Fragment(self._dump(shared)) for key, shared in held}

    def _dump(self, shared: str | GrownList) -> bytes:
        if isinstance(shared, str):
            return dump_text(shared)
        return b"[%b]" % self._join(shared.items[: self._counts[id(shared)]])

    def json(self, value: Value) -> bytes:
        """Return the JSON of a value, with references to what stands in `shared` fields."""
        return value.join(self._text, self._items)

    def _join(self, items: Sequence[Value]) -> bytes:
        return b",".join([item.join(self._text, self._items) for item in items])

    def _text(self, text: str) -> bytes:
        key = self._keys.get(text)
        return dump_text(text) if key is None else orjson.dumps({SHARED: key})

    def _items(self, prefix: ListPrefix) -> bytes:
        key = self._keys.get(id(prefix.grown))
        if key is None:
            return self._join(prefix.items())
        return orjson.dumps({SHARED: key, TAKE: prefix.count})


# --- rewriting ----------------------------------------------------------------------------------
def share_again(kept: Sequence[Record], gone: Iterable[Record]) -> set[int]:
    """Let records that stay in a part hold what they refer to, and nothing else: what only records
    that go refer to goes with them, also the last items of a list that those that stay begin with.

    Args:
        kept: the records that stay; their `shared` fields are set anew.
        gone: the records that go.

    Returns:
        The positions of the records that were changed.
    """
    holders: dict[str, int] = {}
    shared: dict[str, Any] = {}
    for record in gone:
        shared.update(_shared_of(record))
    for place, record in enumerate(kept):
        shared.update(_shared_of(record))
        holders.update(dict.fromkeys(_shared_of(record), place))
    fields: dict[int, dict[str, Any]] = {}
    for key, count in _counts_referred_to(kept, shared).items():
        value = shared[key]
        held = value[:count] if isinstance(value, list) else value
        fields.setdefault(holders.get(key, 0), {})[key] = held
    changed = set()
    for place, record in enumerate(kept):
        if fields.get(place, {}) != _shared_of(record):
            changed.add(place)
            record.pop("shared", None)
            if place in fields:
                record["shared"] = fields[place]
    return changed


def _shared_of(record: Record) -> dict[str, Any]:
    fields = record.get("shared")
    return fields if isinstance(fields, dict) else {}


def _counts_referred_to(records: Iterable[Record], shared: dict[str, Any]) -> dict[str, int]:
    """The keys that records refer to, directly or by what they refer to, and of how many items."""
    counts: dict[str, int] = {}
    waiting: list[Any] = [record.get(name) for record in records for name in _FIELDS]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            key, found = value.get(SHARED), _count_of(value, shared)
            if found is None or not isinstance(key, str):
                waiting += value.values()
            elif found > counts.get(key, -1):
                whole = shared[key]
                waiting.append(
                    whole[counts.get(key, 0) : found] if isinstance(whole, list) else whole
                )
                counts[key] = found
    return counts


def _count_of(value: dict[str, Any], shared: dict[str, Any]) -> int | None:
    """Of how many items a reference is, of one where it is to a text; None of no reference."""
    key, count = value.get(SHARED), value.get(TAKE)
    if not isinstance(key, str) or key not in shared:
        return None
    whole = len(shared[key]) if isinstance(shared[key], list) else 1
    if len(value) == 1:
        return whole
    return min(max(count, 0), whole) if len(value) == 2 and type(count) is int else None


# --- reading ----------------------------------------------------------------------------------
# References may lie within shared lists, so a few kilobytes can stand for any amount: what a record
# and a part may expand to is bounded.
_POINTER: Final = 8
_MAX_CHAIN: Final = 50
"""Shared lists that may be resolved within one another before they come in order of their keys."""
_MAX_DEPTH: Final = 240
"""Levels of a value with what is shared in it; orjson writes 254."""


class _TooLargeError(ValueError):
    """A value stands for more than the bound."""


def resolve_shared(records: Iterable[Record]) -> list[tuple[int, str]]:
    """Put what a part holds once, in `shared` fields, where it is referred to.

    Returns:
        Index of the record and name of the field, of those that would have become too large: they
        are None.
    """
    rows = list(records)
    shared: dict[str, Any] = {}
    for record in rows:
        fields = record.pop("shared", None)
        if isinstance(fields, dict):
            shared.update(fields)
    if not shared:
        return []
    resolver = _Resolver(shared)
    refused: list[tuple[int, str]] = []
    for index, record in enumerate(rows):
        resolver.begin_record()
        for name in _FIELDS:
            try:
                record[name] = resolver.resolve(record.get(name), 0)
            except _TooLargeError:
                record[name] = None
                refused.append((index, name))
    return refused


class _Resolver:
    def __init__(self, shared: dict[str, Any]) -> None:
        self._raw = shared
        self._values: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._depths: dict[str, int] = {}
        self._open: list[str] = []
        self._added = 0
        self._deepest = 0
        self._part_bytes = MAX_SHARED_PART_BYTES
        self._part_items = MAX_SHARED_PART_ITEMS
        self._base = 0
        for key in shared:  # a shared list mostly refers to lists before it
            self._values[key] = self._resolved_value(key, 0)

    def begin_record(self) -> None:
        """Count anew what a record's references add."""
        self._part_bytes -= self._added
        self._added = 0

    def resolve(self, value: Any, depth: int) -> Any:
        """Return a value with what it refers to in place.

        Raises:
            _TooLargeError: that would be too large or too deep.
        """
        if self._base + depth > _MAX_DEPTH:
            raise _TooLargeError
        self._deepest = max(self._deepest, depth)
        if isinstance(value, dict):
            if SHARED in value and len(value) == 1 and self._has(value[SHARED]):
                return self._whole(value[SHARED], depth)
            return {key: self.resolve(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            items: list[Any] = []
            for item in value:
                first = self._first_items(item, depth)
                if first is None:
                    items.append(self.resolve(item, depth + 1))
                else:
                    items += first
            return items
        return value

    def _has(self, key: Any) -> bool:
        return isinstance(key, str) and key in self._raw and key not in self._open

    def _whole(self, key: str, depth: int) -> Any:
        value = self._value(key, depth)
        self._add(self._sizes[key], depth + self._depths[key])
        return value

    def _first_items(self, item: Any, depth: int) -> list[Any] | None:
        """The items of a shared list that stand in the place of this one; None where it is an item
        itself.
        """
        if not isinstance(item, dict) or len(item) != 2 or TAKE not in item or SHARED not in item:
            return None
        key, count = item[SHARED], item[TAKE]
        if not self._has(key) or type(count) is not int or count < 0:
            return None
        value = self._value(key, depth)
        if not isinstance(value, list):
            return None
        count = min(count, len(value))
        self._part_items -= count
        share = self._sizes[key] * count // max(len(value), 1)
        self._add(share + _POINTER * count, depth + self._depths[key])
        return value[:count]

    def _add(self, size: int, depth: int) -> None:
        self._added += size
        self._deepest = max(self._deepest, depth)
        if (
            self._added > min(MAX_SHARED_RECORD_BYTES, self._part_bytes)
            or self._part_items < 0
            or self._base + depth > _MAX_DEPTH
        ):
            raise _TooLargeError

    def _value(self, key: str, depth: int) -> Any:
        """The value under a key, itself resolved, for a place at this depth.

        Raises:
            _TooLargeError: it is too large.
        """
        if key not in self._values:
            self._values[key] = self._resolved_value(key, depth)
        value = self._values[key]
        if value is _REFUSED:
            raise _TooLargeError
        return value

    def _resolved_value(self, key: str, depth: int) -> Any:
        if key in self._values:
            return self._values[key]
        raw = self._raw[key]
        self._sizes[key] = self._depths[key] = 0
        if isinstance(raw, str):
            self._sizes[key] = len(raw)
            return raw
        if len(self._open) >= _MAX_CHAIN:
            return _REFUSED
        outside = self._added, self._deepest, self._base
        self._added, self._deepest, self._base = 0, 0, self._base + depth
        self._open.append(key)
        try:
            value = self.resolve(raw, 0)
            self._sizes[key] = len(orjson.dumps(raw)) + self._added
            self._depths[key] = self._deepest
            return value
        except _TooLargeError:
            return _REFUSED
        finally:
            self._open.pop()
            self._added, self._deepest, self._base = outside


_REFUSED: Final = object()
