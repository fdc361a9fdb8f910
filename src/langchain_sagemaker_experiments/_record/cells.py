"""Cells of tables of spans: whether one holds a value, and its JSON. The one place that makes JSON
of values that anybody may have put into a record.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def has_value(value: Any) -> bool:
    """Return True if a cell holds something: neither None, nor NaN, nor NaT."""
    if value is None:
        return False
    kind = type(value)
    return bool(value == value) if kind is float else kind.__name__ != "NaTType"


def json_bytes(value: Any) -> bytes:
    """Return JSON of any value; what orjson refuses (a number beyond 64 bits) json writes."""
    try:
        return orjson.dumps(value, default=str, option=_OPTIONS)
    except TypeError:
        return json.dumps(value, default=str, ensure_ascii=True).encode()


def json_text(value: Any) -> str | None:
    """Return JSON text of a cell, None of an empty one."""
    return json_bytes(value).decode() if has_value(value) else None
