"""Lists that grow, such as the messages of an agent: each step passes on the list of the step
before, and a few more.

Encoding and storing such a list at each event would cost state × steps. Here every item is encoded
once, when it is first seen; a value then holds the list it continues and how many of its items.
Items may be changed in place between two events (LangGraph gives messages their ids that way), so a
snapshot of each item's fields is kept and compared. The comparison is Python's equality: a number
that is changed in place into an equal one of another type (1 into True) is taken for unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from .._record.value import Fields, GrownList, ListPrefix, Value

MANY: Final = 8
"""Items from which a list is held this way; shorter ones cost less as they are."""
_MAX_LISTS: Final = 8
"""Lists that a handler remembers; a further value is compared with the eight used last."""
_MAX_ITEMS: Final = 20_000
"""Items of one remembered list; one that is longer is encoded as a whole."""
_MAX_BYTES: Final = 16 * 1024 * 1024
"""Approximate bytes of JSON in all remembered lists together."""

FieldsOf = Callable[[list[Any]], list[Fields] | None]
"""Items → the fields that each is encoded from, or None where an item is of another kind."""


class GrowingLists:
    """Finds, for a list, the remembered one that it continues.

    Args:
        fields_of: gives the fields that items are encoded from.
        encode: an item → its value.
    """

    def __init__(self, fields_of: FieldsOf, encode: Callable[[Any], Value]) -> None:
        self._fields_of = fields_of
        self._encode = encode
        self._remembered: list[GrownList] = []  # the one used last is the last
        self._lock = threading.Lock()

    def split(self, items: list[Any]) -> tuple[ListPrefix, list[Value]] | None:
        """Return the remembered part of a list and the items after it; None for a list that is not
        to be held this way.
        """
        if len(items) > _MAX_ITEMS:
            return None
        fields = self._fields_of(items)
        if fields is None:
            return None
        with self._lock:
            return self._split(items, fields)

    def _split(self, items: list[Any], fields: list[Fields]) -> tuple[ListPrefix, list[Value]]:
        grown, common = self._best(fields)
        if grown is None:
            grown = GrownList()
            self._remember(grown)
        before = grown.ends[common]
        if common == len(grown.items):
            for item, its_fields in zip(items[common:], fields[common:], strict=True):
                grown.append(self._encode(item), snapshot(its_fields))
            return ListPrefix(grown, len(items), grown.ends[len(items)] - before), []
        # It leaves the remembered list before that one's end: a branch, or an item that was
        # changed.
        return ListPrefix(grown, common, 0), [self._encode(item) for item in items[common:]]

    def _remember(self, grown: GrownList) -> None:
        remembered = self._remembered
        remembered.append(grown)
        while len(remembered) > 1 and (
            len(remembered) > _MAX_LISTS or sum(each.ends[-1] for each in remembered) > _MAX_BYTES
        ):
            del remembered[0]

    def _best(self, fields: list[Fields]) -> tuple[GrownList | None, int]:
        """Return the remembered list with which at least half of the items begin, and how many."""
        for place in range(len(self._remembered) - 1, -1, -1):
            grown = self._remembered[place]
            if not grown.snapshots or grown.snapshots[0] != fields[0]:
                continue
            length = min(len(grown.snapshots), len(fields))
            # Two comparisons of whole lists, in C, before items are compared one by one.
            common = (
                length
                if grown.snapshots[:length] == fields[:length]
                else _common(grown.snapshots, fields)
            )
            if 2 * common >= len(fields):
                self._remembered.append(self._remembered.pop(place))
                return grown, common
        return None, 0


def _common(left: list[Any], right: list[Any]) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
        min(len(left), len(right)),
    )


# A message has four empty fields: one object for all, since comparing is a matter of how much
# memory it goes through.
_EMPTY_DICT: Final[dict[Any, Any]] = {}
_EMPTY_LIST: Final[list[Any]] = []


def snapshot(value: Any) -> Any:
    """Return a copy of plain values that shares nothing that others can change."""
    if type(value) is dict:
        if not value:
            return _EMPTY_DICT
        return {key: item if type(item) is str else snapshot(item) for key, item in value.items()}
    if type(value) is list:
        return [snapshot(item) for item in value] if value else _EMPTY_LIST
    if value is None or type(value) in (str, int, float, bool):
        return value
    from copy import deepcopy

    return deepcopy(value)
