"""Parts: where each lies, whose it is, and how to get its bytes, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from .._storage.failure_advice import explain
from .._storage.tombstone import Tombstone
from ..exceptions import SpanReadError
from .forgotten import remaining
from .problems import Problem

_WORKERS: Final = 10
"""Parts read at a time: as many as botocore keeps connections (`max_pool_connections`), a Run's own
client too.
"""
_OF_ONE_OBJECT: Final = ("AccessDenied", "403", "Forbidden", "InvalidObjectState")
"""Refusals that may concern one object: another key, another owner, an archive."""
_AHEAD: Final = 2 * _WORKERS
"""Parts that are read and wait at most, so that memory does not grow with the source."""


@dataclass(frozen=True)
class Contents:
    """What a part holds, and whose it is as far as the store itself tells."""

    data: bytes
    experiment: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Part:
    """One part: its address, whose it is as far as its place tells, and how to get its bytes.

    `etag` is what S3's listing says of its content; empty in folders. `tombstone` is what `forget`
    left in the run's folder; what it names is not read.
    """

    address: str
    read: Callable[[], Contents]
    experiment: str | None = None
    run: str | None = None
    etag: str = ""
    tombstone: Tombstone | None = field(default=None, compare=False)


def read_all(
    parts: Iterable[Part], problems: list[Problem] | None = None
) -> Iterator[tuple[Part, Contents]]:
    """Yield each part with its contents, in order, several read at a time.

    Args:
        parts: the parts.
        problems: takes the parts that can't be read, while others can. None: the first such part is
            an error.

    Raises:
        SpanReadError: a part can't be read, or with `problems` none can.
    """
    coming = iter(parts)
    refused: UnreadablePartError | None = None
    done = 0
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting = deque((part, pool.submit(read_part, part)) for part in islice(coming, _AHEAD))
        while waiting:
            part, future = waiting.popleft()
            waiting.extend((more, pool.submit(read_part, more)) for more in islice(coming, 1))
            try:
                contents = future.result()
            except UnreadablePartError as error:
                if problems is None:
                    raise
                refused = refused or error
                problems.append(Problem(part.address, error.reason))
                continue
            done += 1
            yield part, contents
    if refused is not None and not done:
        raise refused


class UnreadablePartError(SpanReadError):
    """One part can't be read, which says nothing about others.

    Attributes:
        reason: why.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} can't be read. {reason}")
        self.reason = reason


def read_part(part: Part) -> Contents:
    """Return what a part holds.

    Raises:
        UnreadablePartError: it can't be read; others may.
        SpanReadError: it can't be read, for a reason that concerns others too.
    """
    try:
        contents = part.read()
        if part.tombstone is not None:
            left = remaining(part.address, contents.data, part.tombstone)
            contents = replace(contents, data=left)
    except (ClientError, BotoCoreError, OSError, MemoryError) as error:
        what = explain(error, "try again")
        if _is_of_one_part(error):
            raise UnreadablePartError(part.address, what) from error
        raise SpanReadError(f"{part.address} can't be read. {what}") from error
    return replace(
        contents, experiment=contents.experiment or part.experiment, run=contents.run or part.run
    )


def _is_of_one_part(error: BaseException) -> bool:
    """Return True if what went wrong may be right with the next part. One that is gone is not: a
    compaction may have moved it, and everything is to be listed again.
    """
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") in _OF_ONE_OBJECT
    return isinstance(error, (OSError, MemoryError)) and not isinstance(error, FileNotFoundError)
