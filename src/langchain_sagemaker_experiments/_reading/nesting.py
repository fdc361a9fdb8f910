"""The bound on how deep values are nested: what JSON is read from, JSON must be written of again.

orjson reads 1,024 levels and writes 254; Python's own recursion ends somewhere behind that. The
recorder writes 200 levels of a value at most.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

_MANY: Final = 240
_ROOM: Final = 10
"""Levels that a record, a table or a report puts around a value."""


def may_be_deep(text: bytes) -> bool:
    """Return True if JSON has so many opening brackets that it may be nested too deeply."""
    return text.count(b"{") + text.count(b"[") >= _MANY


def is_deep(value: Any) -> bool:
    """Return True if a value from JSON is nested too deeply to be written again."""
    for _ in range(_ROOM):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False
