"""Values that come again, such as the metadata and the settings of one model's calls: encoded once,
recognised by comparing.

Only what holds nothing but texts and None is recognised. Python's equality tells such values apart
as JSON does, while it would take 1 for True and 1.0. (An object that claims to equal a text, such
as an array of that one text, is taken at its word.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .growing_lists import copy_of

_MAX_KNOWN: Final = 4
_MAX_SEEN: Final = 64
_PATIENCE: Final = 16
_REST: Final = 500
"""After so many values in a row that are new, or more than texts, so many are only encoded: a
graph's metadata names each step.
"""
_COMES_AGAIN: Final = True
_MORE_THAN_TEXTS: Final = False


class Repeated:
    """Encodes values, those that come again once.

    Args:
        encode: value → JSON bytes.
    """

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self._encode = encode
        self._known: tuple[tuple[Any, bytes], ...] = ()
        # A value is looked at more closely when its JSON comes a second time: most that differ once
        # always do.
        self._seen: dict[bytes, bool] = {}
        self._in_vain = 0
        self._rest = 0

    def encode(self, value: Any) -> bytes:
        """Return the value as JSON bytes."""
        for known, data in self._known:
            try:
                if known == value:
                    return data
            except Exception:  # an array, or whatever else does not compare
                break
        if self._rest > 0:  # threads may count below it
            self._rest -= 1
            return self._encode(value)
        return self._meet(value)

    def _meet(self, value: Any) -> bytes:
        data = self._encode(value)
        seen = self._seen.get(data)
        self._in_vain += 1
        if self._in_vain >= _PATIENCE:
            self._in_vain, self._rest = 0, _REST
        if seen is None:
            if len(self._seen) >= _MAX_SEEN:
                self._seen = {}
            self._seen[data] = _COMES_AGAIN
        elif seen is _COMES_AGAIN:
            if _holds_only_texts(value):
                self._known = ((copy_of(value), data), *self._known[: _MAX_KNOWN - 1])
                self._in_vain = 0
            else:
                self._seen[data] = _MORE_THAN_TEXTS
        return data


def _holds_only_texts(value: Any, depth: int = 0) -> bool:
    cls = type(value)
    if cls is dict and depth < 5:
        return all(
            type(name) is str and _holds_only_texts(item, depth + 1) for name, item in value.items()
        )
    if cls is list and depth < 5:
        return all(_holds_only_texts(item, depth + 1) for item in value)
    return cls is str or value is None
