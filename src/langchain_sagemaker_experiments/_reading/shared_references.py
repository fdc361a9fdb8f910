"""References to what a part holds once, resolved within bounds.

A record's field `shared` holds texts and lists under keys. `{"$shared": key}` stands for such a
value, and an item `{"$shared": key, "$take": n}` of a list for the first n items of a shared list.
References may lie within shared lists, so a few kilobytes can stand for any amount: what a record
and a part may expand to is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from .._encoding.encoder import TAKE
from .._record.kept import SHARED
from .._record.limits import (
    MAX_SHARED_PART_BYTES,
    MAX_SHARED_PART_ITEMS,
    MAX_SHARED_RECORD_BYTES,
)
from .._record.schema import Record

_FIELDS: Final = ("inputs", "outputs")
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
