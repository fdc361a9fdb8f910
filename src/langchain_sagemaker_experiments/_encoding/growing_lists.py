"""Lists that grow, such as the messages of an agent: what each step passes on is the list of the
step before, and a few more.

Encoding and storing such a list at each event would cost state × steps. Here every item is encoded
once, when it is first seen; a value then holds the list it continues and how many of its items.
Items may be changed in place between two events (LangGraph gives messages their ids that way), so
what each looked like is kept and compared. The comparison is Python's equality: a number that is
changed in place into an equal one of another type (1 into True) is taken for unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

MANY: Final = 32
"""Items from which a list is kept this way; shorter ones cost less as they are."""
_MAX_LISTS: Final = 8
"""Lists that a handler remembers; a value of a ninth is compared with the eight used last."""
_MAX_ITEMS: Final = 20_000
"""Items of one remembered list; one that is longer is encoded as a whole."""

Fields = dict[str, Any]
FieldsOf = Callable[[list[Any]], list[Fields] | None]
"""Items → all that each is encoded from, or None when they are of no kind that is kept this way."""


class Piece(Protocol):
    """JSON of one item, part of which may be held by reference."""

    def __len__(self) -> int: ...


class GrownList:
    """The items of one list as it grew: their JSON, and what they looked like."""

    __slots__ = ("ends", "looks", "pieces")

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.looks: list[Fields] = []
        self.ends: list[int] = [0]
        """Bytes of the first n items."""

    def append(self, piece: Piece, look: Fields) -> None:
        """Add an item."""
        self.pieces.append(piece)
        self.looks.append(look)
        self.ends.append(self.ends[-1] + len(piece) + 1)


class Prefix:
    """The first `count` items of a list: what a value holds in their place."""

    __slots__ = ("count", "grown", "size")

    def __init__(self, grown: GrownList, count: int, size: int) -> None:
        self.grown = grown
        self.count = count
        self.size = size
        """Bytes that this value was the first to hold."""

    def pieces(self) -> list[Any]:
        """JSON of the items."""
        return self.grown.pieces[: self.count]


class GrowingLists:
    """Finds, for a list, the remembered one that it continues.

    Args:
        fields_of: tells what items are encoded from.
        encode: an item → its JSON.
    """

    def __init__(self, fields_of: FieldsOf, encode: Callable[[Any], Any]) -> None:
        self._fields_of = fields_of
        self._encode = encode
        self._known: list[GrownList] = []  # the one used last is the last
        self._lock = threading.Lock()

    def split(self, items: list[Any]) -> tuple[Prefix, list[Any]] | None:
        """Return the remembered part of a list and the JSON of the items after it; None for a list
        not to be kept this way.
        """
        if len(items) > _MAX_ITEMS:
            return None
        looks = self._fields_of(items)
        if looks is None:
            return None
        with self._lock:
            return self._split(items, looks)

    def _split(self, items: list[Any], looks: list[Fields]) -> tuple[Prefix, list[Any]]:
        grown, common = self._best(looks)
        if grown is None:
            grown = GrownList()
            self._known.append(grown)
            del self._known[:-_MAX_LISTS]
        before = grown.ends[common]
        if common == len(grown.pieces):
            for item, look in zip(items[common:], looks[common:], strict=True):
                grown.append(self._encode(item), copy_of(look))
            return Prefix(grown, len(items), grown.ends[len(items)] - before), []
        # It leaves the remembered list before that one's end: a branch, or an item that was
        # changed.
        return Prefix(grown, common, 0), [self._encode(item) for item in items[common:]]

    def _best(self, looks: list[Fields]) -> tuple[GrownList | None, int]:
        """The remembered list with which at least half of the items begin, and how many do."""
        for place in range(len(self._known) - 1, -1, -1):
            grown = self._known[place]
            if not grown.looks or grown.looks[0] != looks[0]:
                continue
            length = min(len(grown.looks), len(looks))
            # Two comparisons of whole lists, in C, before items are looked at one by one.
            common = (
                length if grown.looks[:length] == looks[:length] else _common(grown.looks, looks)
            )
            if 2 * common >= len(looks):
                self._known.append(self._known.pop(place))
                return grown, common
        return None, 0


def _common(one: list[Any], other: list[Any]) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


# A message has four empty fields: one object for all, since comparing is a matter of how much
# memory it goes through.
_EMPTY_DICT: Final[dict[Any, Any]] = {}
_EMPTY_LIST: Final[list[Any]] = []


def copy_of(value: Any) -> Any:
    """Return a copy of plain values that shares nothing that others can change."""
    if type(value) is dict:
        return (
            {key: item if type(item) is str else copy_of(item) for key, item in value.items()}
            if value
            else _EMPTY_DICT
        )
    if type(value) is list:
        return [copy_of(item) for item in value] if value else _EMPTY_LIST
    if value is None or type(value) in (str, int, float, bool):
        return value
    from copy import deepcopy

    return deepcopy(value)
