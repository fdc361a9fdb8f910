"""Values that are nothing but texts: kept as their texts, since a text can't change, and written at
the flush.

Most of what goes through a chain is such a value: `{"topic": "fish"}`, a prompt's messages, an
answer. To put its texts aside takes half of what it takes to make JSON of it, and what is put aside
is one string: no dictionaries and lists for Python's cyclic collector to go through again and again
    while the buffer fills. Long texts are not copied but kept by reference: one that
several events pass on is one object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .text import LARGE_TEXT

SHARED: Final = "$shared"
"""A value `{"$shared": key}` stands for the text under `key` in the `shared` field of a record of
the same part.
"""

SEPARATOR: Final = "\x00"
"""Stands between parts that are kept as one string."""
SHAPE_AT: Final = 1
"""Place among the parts of the name of their shape. The first part is empty, so that joined ones
begin with `SEPARATOR`.
"""

MAX_BYTES_PER_CHARACTER: Final = 7
"""Of JSON: a lone surrogate is written as the escape of an escape, `\\\\udc00`."""
MAX_FRAME: Final = 100
"""Bytes of JSON that a value has at most beside those of its parts and their separators."""

Kept = str | tuple[str, ...]
"""A text that does not begin with `SEPARATOR`; or parts: in one string, with separators, or by
themselves where one is long.
"""

Keep = Callable[[Any], str | list[str] | tuple[str, ...] | None]
"""A value → what it holds, or None when that is more than texts. May raise, which means the same.

A text is kept as it is. Of another value the parts are kept: a list of short ones, a tuple where
one is long. From the name of a shape among them `Thaw` knows what the others are.
"""

Thaw = Callable[[Sequence[Any]], Any]
"""Parts → the value, as plain dictionaries and lists."""


def long_texts(kept: Kept) -> Sequence[str]:
    """Return the texts of `LARGE_TEXT` characters and more: other values may hold them too, and
    they are then written once.
    """
    if isinstance(kept, tuple):
        return [text for text in kept if len(text) >= LARGE_TEXT]
    return (kept,) if len(kept) >= LARGE_TEXT and not kept.startswith(SEPARATOR) else ()


def plain_of(kept: Kept, thaw: Thaw, shared: Mapping[str | int, str] | None = None) -> Any:
    """Return a kept value as plain dictionaries, lists and texts; a text may hold lone surrogates.

    Args:
        kept: the value.
        thaw: puts its parts together.
        shared: long text → key under which it is stored elsewhere; in its place is a reference to
            that.
    """
    if isinstance(kept, tuple):
        if shared:
            return thaw(
                [part if (key := shared.get(part)) is None else {SHARED: key} for part in kept]
            )
        return thaw(kept)
    if kept[:1] == SEPARATOR:
        return thaw(kept.split(SEPARATOR))
    return kept if not shared or (key := shared.get(kept)) is None else {SHARED: key}
