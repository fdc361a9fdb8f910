"""One compaction, or one `forget`, at a time on a run: a lease beside its parts, which a
dead one's successor takes over.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Final

import orjson

from .._storage.keys import LEASE_KEY
from .._storage.object_store import Store
from .._storage.writer_lock import process_state, this_process
from ..exceptions import CompactionError

LEASE_SECONDS: Final = 900.0
"""After this a compaction that no longer tells that it lives is taken for dead."""

_claiming = threading.Lock()
_at_work: set[str] = set()
"""Where this process is compacting. A lease with our own process number that is not among them was
left by one before us: in a container the process after a restart often has the number of the one
that died.
"""


class Lease:
    """Holds a run for one compaction, from the beginning of a `with` to its end.

    Args:
        store: the run's folder of parts.

    Raises:
        CompactionError: another compaction holds it, or the server can't tell who was first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def renew(self) -> None:
        """Tell that this compaction lives."""
        self._store.put(LEASE_KEY, _dump())

    def __enter__(self) -> Lease:
        place = self._store.address
        with _claiming:
            if place in _at_work:
                raise self._busy("in this process")
            _at_work.add(place)
        try:
            self._check_server()
            if not self._store.create(LEASE_KEY, _dump()):
                held = self._store.get(LEASE_KEY)
                if held is not None and not _is_dead(held):
                    raise self._busy(held.decode(errors="replace")[:200])
                self.renew()
        except BaseException:
            _at_work.discard(place)
            raise
        return self

    def _check_server(self) -> None:
        """A server that ignores `If-None-Match` lets everybody be first."""
        if not self._store.refuses_second_create():
            raise CompactionError(
                f"The server of {self._store.address} ignores If-None-Match: it let a file be "
                "created a second time, so two compactions could work on one run at a time and "
                "spans could be lost. Nothing was changed. Use a server with conditional writes "
                "(Amazon S3 and SeaweedFS have them), or compact a copy of the folder on a disk."
            )

    def _busy(self, who: str) -> CompactionError:
        return CompactionError(
            f"Another compaction is at work in {self._store.address}, or something is being "
            f"forgotten there ({who}). Nothing was changed. "
            f"Wait for it; one that has died is taken over after {LEASE_SECONDS / 60:.0f} minutes."
        )

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        _at_work.discard(self._store.address)
        try:
            self._store.delete(LEASE_KEY)
        except Exception:
            if error is None:  # else the error that stopped the work is the one to be seen
                raise


def _dump() -> bytes:
    return orjson.dumps({**this_process(), "time": time.time()})


def _is_dead(held: bytes) -> bool:
    """Return True if a lease is torn, too old, or that of a process which is no more."""
    try:
        lease: Any = orjson.loads(held)
        age = time.time() - float(lease["time"])
    except (ValueError, KeyError, TypeError):
        return True
    # A moment in the future is no clock's: it would hold the run forever.
    if not -LEASE_SECONDS <= age <= LEASE_SECONDS:
        return True
    state = process_state(lease)
    return state == "dead" or (state == "alive" and lease.get("pid") == os.getpid())
