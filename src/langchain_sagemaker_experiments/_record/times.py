"""Times of records: RFC 3339 text in UTC with microseconds, and back."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Any

from .cells import has_value

_UTC = datetime.timezone.utc


def rfc3339(moment: Any) -> str | None:
    """Return a UTC timestamp (of Python or pandas) as text with microseconds and a Z; None of no
    time.
    """
    if not has_value(moment):
        return None
    # Not strftime: on some systems its %Y has fewer than four digits for the years before 1000.
    return f"{moment.isoformat()[:19]}.{moment.microsecond:06d}Z"


def rfc3339_of_ns(wall_ns: int) -> str:
    """Return nanoseconds since the epoch as text."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000:06d}Z"


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, _UTC).strftime("%Y-%m-%dT%H:%M:%S")


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
    except (ValueError, OverflowError):  # a zone may take it out of the years that Python knows
        return None


def microseconds(moment: Any) -> int | None:
    """Return a UTC timestamp as whole microseconds since the epoch."""
    return round(moment.timestamp() * 1e6) if has_value(moment) else None


def milliseconds_between(start: Any, end: Any) -> float | None:
    """Return the milliseconds from one RFC 3339 text to another; None where either tells none."""
    begin, finish = moment_of(start), moment_of(end)
    if begin is None or finish is None:
        return None
    return round((finish - begin).total_seconds() * 1e3, 3)
