"""What `forget` leaves behind in a run's folder, and readers, `sync` and `compact` obey: a spool
that is synced later, or a score that arrives later, must not bring back what was forgotten.

It names traces by their ids, sessions and users by a hash, and a time. It holds no text of a span.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from .keys import is_bare_name, pieces_of

VERSION: Final = 1


@dataclass
class Tombstone:
    """What is forgotten in one run's folder.

    Attributes:
        traces: ids of traces.
        sessions: hash of a session's id → the time (RFC 3339, UTC, microseconds). Spans of the
            session that started before it are forgotten; a session that goes on is recorded again.
        users: the same for users.
        before: spans that started before this time are forgotten.
        emptied: name of a file of which nothing was left → when, seconds since the epoch.
    """

    traces: set[str] = field(default_factory=set)
    sessions: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    before: str | None = None
    emptied: dict[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.traces or self.sessions or self.users or self.before)

    def add(self, other: Tombstone) -> None:
        """Forget also what another one forgets."""
        self.traces |= other.traces
        for mine, theirs in ((self.sessions, other.sessions), (self.users, other.users)):
            for digest, until in theirs.items():
                mine[digest] = max(until, mine.get(digest, ""))
        self.before = max(filter(None, (self.before, other.before)), default=None)
        self.emptied.update(other.emptied)

    def dump(self) -> bytes:
        """Return it as JSON."""
        value = {
            "version": VERSION,
            "traces": sorted(self.traces),
            "sessions": self.sessions,
            "users": self.users,
            "before": self.before,
            "emptied": self.emptied,
        }
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)

    @property
    def digest(self) -> str:
        """Changes with what is forgotten."""
        return hashlib.sha256(self.dump()).hexdigest()[:12]


def id_digest(text: object) -> str:
    """Return the hash by which a tombstone names a session or a user."""
    return hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).hexdigest()


def load_tombstone(data: bytes | None) -> Tombstone:
    """Return a tombstone from its JSON; an empty one where there is none.

    Raises:
        ValueError: it is damaged or of a newer version.
    """
    if data is None:
        return Tombstone()
    value: Any = orjson.loads(data)
    version = value.get("version") if isinstance(value, dict) else "?"
    if version != VERSION:
        raise ValueError(f"the tombstone is of version {version!r:.20}, not {VERSION}")
    traces, before = value.get("traces"), value.get("before")
    sessions, users = value.get("sessions"), value.get("users")
    emptied = value.get("emptied", {})
    if not (
        isinstance(traces, list)
        and _all_text(traces)
        and _is_text_map(sessions)
        and _is_text_map(users)
        and isinstance(before, str | None)
        and isinstance(emptied, dict)
    ):
        raise ValueError("the tombstone is damaged")
    times = {
        name: moment
        for name, moment in emptied.items()
        if all(map(is_bare_name, pieces_of(name))) and type(moment) in (int, float)
    }
    return Tombstone(set(traces), dict(sessions), dict(users), before, times)


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and _all_text(value.values())
