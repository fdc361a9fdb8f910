"""A value on its way from an event to a part: JSON, with marks for what is held by reference.

A prompt of a hundred kilobytes that goes through a chain is one text object that many events pass
on, and so are the messages of an agent's state. Held by reference they cost little at the event,
and at the flush they are masked and written once.

A mark is a JSON string of its own, so that the JSON of a value can be read with its marks in place.
It begins with a number that is new in each process and never written anywhere: no text that an
application passes on can be one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final, Protocol

from .text import dump_text

_NONCE: Final = secrets.token_hex(8)
MARK_BEGIN: Final = f'"\\u0000{_NONCE}:'.encode()
"""With this begins each mark in the JSON of a value."""
_BEGIN_TEXT: Final = f"\0{_NONCE}:"

Fields = dict[str, Any]


class Holder(Protocol):
    """What holds the JSON of one or more values, such as a span.

    Attributes:
        references: the number in a mark → the text or the list that it stands for; None where no
            value has a mark.
        size: approximate bytes that its values are the first to hold, and what it holds besides.
    """

    references: dict[int, Reference] | None
    size: int


class Value:
    """One value, as it was at its event.

    Attributes:
        json: its JSON, with a mark for each reference.
        references: the number in a mark → the text or the list that it stands for; None where the
            JSON is whole.
        size: approximate bytes that this value is the first to hold.
    """

    __slots__ = ("json", "references", "size")

    def __init__(
        self, json: bytes, size: int, references: dict[int, Reference] | None = None
    ) -> None:
        self.json = json
        self.size = size
        self.references = references

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Value
            and self.json == other.json
            and (self.references or None) == (other.references or None)
        )

    __hash__ = None  # type: ignore[assignment]

    def join(
        self,
        text: Callable[[str], bytes] | None = None,
        items: Callable[[ListPrefix], bytes] | None = None,
    ) -> bytes:
        """Return the JSON with each mark replaced.

        Args:
            text: a text → what is written for it; its own JSON by default.
            items: the first items of a list → what is written for them; their JSON with commas
                between them by default.
        """
        if not self.references:
            return self.json
        text = text or dump_text
        items = items or (lambda prefix: b",".join(item.join(text) for item in prefix.items()))
        pieces = self.json.split(MARK_BEGIN)
        for place in range(1, len(pieces)):
            number, _, rest = pieces[place].partition(b'"')
            reference = self.references[int(number)]
            written = text(reference) if isinstance(reference, str) else items(reference)
            pieces[place] = written + rest
        return b"".join(pieces)


class GrownList:
    """The items of one list as it grew, such as the messages of an agent's state.

    Attributes:
        items: each item's JSON.
        snapshots: the fields each item was made of when it was encoded.
        ends: size of the first n items.
    """

    __slots__ = ("ends", "items", "snapshots")

    def __init__(self) -> None:
        self.items: list[Value] = []
        self.snapshots: list[Fields] = []
        self.ends: list[int] = [0]

    def append(self, item: Value, snapshot: Fields) -> None:
        """Add an item."""
        self.items.append(item)
        self.snapshots.append(snapshot)
        self.ends.append(self.ends[-1] + item.size + 1)


class ListPrefix:
    """The first `count` items of a list that grew.

    Attributes:
        grown: the list.
        count: how many of its items.
        size: approximate bytes that this value was the first to hold.
    """

    __slots__ = ("count", "grown", "size")

    def __init__(self, grown: GrownList, count: int, size: int) -> None:
        self.grown = grown
        self.count = count
        self.size = size

    def items(self) -> list[Value]:
        """Return the items."""
        return self.grown.items[: self.count]

    def __eq__(self, other: object) -> bool:
        return type(other) is ListPrefix and self.grown is other.grown and self.count == other.count

    __hash__ = None  # type: ignore[assignment]


Reference = str | ListPrefix

NO_VALUE: Final = b"null"
"""JSON of the inputs or outputs that a span does not have."""


def mark(number: int) -> bytes:
    """Return the mark for a reference: a JSON string."""
    return b'%b%d"' % (MARK_BEGIN, number)


def is_mark(text: str) -> bool:
    """Return True if a string, read from the JSON of a value, is a mark."""
    return text.startswith(_BEGIN_TEXT)


def numbers_in(json: bytes) -> list[int]:
    """Return the numbers of the marks in the JSON of a value, in order."""
    return [int(piece.partition(b'"')[0]) for piece in json.split(MARK_BEGIN)[1:]]
