"""Cells of a frame of spans as reports and exports want them: presence, times, JSON text."""

from __future__ import annotations

import datetime
import json
from typing import Any

import orjson

_UTC = datetime.timezone.utc


def known(value: Any) -> bool:
    """Tell whether a cell holds something: neither None, nor NaN, nor NaT."""
    if value is None:
        return False
    kind = type(value)
    return bool(value == value) if kind is float else kind.__name__ != "NaTType"


def rfc3339(moment: Any) -> str | None:
    """Return a UTC timestamp as text with microseconds and a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if known(moment) else None


def moment_of(text: Any) -> datetime.datetime | None:
    """Return the time that RFC 3339 text tells, in UTC, which a text without a zone is taken for;
    None of anything else.
    """
    if not isinstance(text, str):
        return None
    try:
        # Before Python 3.11 fromisoformat knows no Z.
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment.replace(tzinfo=_UTC) if moment.tzinfo is None else moment.astimezone(_UTC)
    except (
        ValueError,
        OverflowError,
    ):  # OverflowError: a zone takes it out of the years that Python knows
        return None


def microseconds(moment: Any) -> int | None:
    """Return a UTC timestamp as whole microseconds since the epoch."""
    return round(moment.timestamp() * 1e6) if known(moment) else None


def json_bytes(value: Any) -> bytes:
    """Return JSON of any value; what orjson refuses (a number beyond 64 bits) json writes."""
    try:
        return orjson.dumps(
            value, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        )
    except TypeError:
        return json.dumps(value, default=str, ensure_ascii=True).encode()


def json_text(value: Any) -> str | None:
    """Return JSON text of a cell, None of an empty one."""
    return json_bytes(value).decode() if known(value) else None
