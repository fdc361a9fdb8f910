"""Takes whole traces out of the files of runs: what `forget` does, in an order that is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from .._reading.addresses import Place
from .._reading.decompression import DecompressionError
from .._reading.forgotten import Whose, is_forgotten, remainder, rows_of
from .._reading.parts import Contents, Part, read_all
from .._reading.problems import Problem
from .._record.plurals import counted
from .._storage.failure_advice import explain
from .._storage.keys import (
    TARGET_NAME,
    TOMBSTONE_KEY,
    folder_of,
    is_parquet,
    is_s3_address,
    is_score_part,
    run_folder_of,
    split_address,
)
from .._storage.object_store import FolderStore, S3Store, Store
from .._storage.tombstone import Tombstone, load_tombstone
from .._storage.writer_lock import writer_state
from ..exceptions import CompactionError, ForgetError, MissingExtraError
from .lease import Lease
from .tidying import holds_records, note_rows, tidy

_RENEW_SECONDS: Final = 60.0


class Removal:
    """Takes what is forgotten out of the files of places.

    Args:
        places: the folders of runs.
        wanted: what to forget; takes the traces of a session that are found.
        extra_args: boto3's ExtraArgs for every upload.
        dry_run: only count.
        tell: called with a line of text at each step.

    Attributes:
        runs: places in which something was taken out.
        traces: ids of the traces.
        spans: ids of their spans.
        scores: ids of their scores.
        files: files written anew.
        removed: files removed.
        problems: what could not be read.
        unreached: where a handler is at work.
    """

    def __init__(
        self,
        places: Sequence[Place],
        wanted: Tombstone,
        extra_args: Mapping[str, Any],
        dry_run: bool,
        tell: Callable[[str], None],
    ) -> None:
        self.runs = self.files = self.removed = 0
        self.traces: set[str] = set()
        self.spans: set[str] = set()
        self.scores: set[str] = set()
        self.problems: list[Problem] = []
        self.unreached: list[str] = []
        self._places = places
        self._wanted = wanted
        self._extra_args = extra_args
        self._dry_run = dry_run
        self._tell = tell
        self._traces_of: dict[str, set[str]] = {}
        """The traces in each file that was looked at. Nobody adds to a file."""
        self._busy: set[str] = set()

    def run(self) -> None:
        """Find the traces, then take them out of each place."""
        for place in self._places:
            self._guarded(place, self._learn_tombstone)
        everything = self._find_traces()
        for place in self._places:
            self._guarded(place, partial(self._forget_in, everything=everything))

    def _guarded(self, place: Place, work: Callable[[Place], None]) -> None:
        try:
            work(place)
        except CompactionError as error:
            raise ForgetError(str(error)) from error
        except (ClientError, BotoCoreError, OSError, ValueError, MemoryError) as error:
            if isinstance(error, MissingExtraError):
                raise
            raise ForgetError(
                f"Forgetting in {place.folder} stopped: {explain(error, 'forget again')}\n"
                f"{counted(len(self.spans), 'span')} were taken out before and stay out. Readers "
                "pass over the rest where a tombstone was written, but its texts are still there: "
                "forget again."
            ) from error

    # --- what ---------------------------------------------------------------------------------
    def _learn_tombstone(self, place: Place) -> None:
        """An interrupted call left the traces it had found: their spans may be half gone."""
        if not self._is_tombstoned(place):
            return
        before = load_tombstone(self._store(place).get(TOMBSTONE_KEY))
        digests = {*self._wanted.sessions, *self._wanted.users}
        is_again = digests & {*before.sessions, *before.users}
        if is_again or (self._wanted.before and before.before):
            self._wanted.traces |= before.traces

    def _find_traces(self) -> Tombstone:
        """Note the traces of a session, a user or a time; return the tombstone with all of them.

        What a time alone chooses is known by the time, but for the later spans of traces that
        started before it.
        """
        everything = replace(self._wanted, traces=set(self._wanted.traces))
        if not (self._wanted.sessions or self._wanted.users or self._wanted.before):
            return everything
        inside: set[str] = set()
        outside: set[str] = set()
        for place in self._places:
            for part, contents in read_all(self._parts(place), self.problems):
                for row in self._rows(part.address, contents.data):
                    if row.score_id is None:
                        chosen = is_forgotten(row, self._wanted)
                        (inside if chosen else outside).add(row.trace_id)
        everything.traces |= inside
        self._wanted.traces |= inside & outside if self._wanted.before else inside
        return everything

    def _rows(self, address: str, data: bytes) -> Iterable[Whose]:
        try:
            rows, is_whole = rows_of(address, data)
        except MissingExtraError:
            raise
        except Exception:
            return ()  # it is looked at again, and then told
        if is_whole:
            self._traces_of[address] = {row.trace_id for row in rows}
        return rows

    def _parts(self, place: Place) -> list[Part]:
        store = self._run_store(place)
        return [
            Part(address, partial(_read, store, address[len(store.address) + 1 :]))
            for address in place.addresses
            if holds_records(address)
        ]

    # --- taking out ---------------------------------------------------------------------------
    def _forget_in(self, place: Place, everything: Tombstone) -> None:
        if self._dry_run or not self._is_tombstoned(place):
            self._rewrite(place, place.addresses, everything, None, Tombstone())
            return
        store = self._store(place)
        with Lease(store) as lease:
            left = load_tombstone(store.get(TOMBSTONE_KEY))
            if left:
                self._traces_of.clear()  # what arrived since the last time is to go too
            left.add(self._wanted)
            store.put(TOMBSTONE_KEY, left.dump())
            # Listed again, now that no compaction is at work here.
            addresses = self._tidied(place, self._listed(place), left)
            everything = replace(left, traces=left.traces | everything.traces)
            self._rewrite(place, addresses, everything, lease, left)
            store.put(TOMBSTONE_KEY, left.dump())

    def _rewrite(
        self,
        place: Place,
        addresses: Iterable[str],
        everything: Tombstone,
        lease: Lease | None,
        left: Tombstone,
    ) -> None:
        store, before = self._run_store(place), len(self.traces)
        renewed = time.monotonic()
        rows: dict[str, int] = {}
        files = [
            address
            for address in addresses
            if holds_records(address)
            and (
                address not in self._traces_of
                or not everything.traces.isdisjoint(self._traces_of[address])
            )
        ]
        # Scores first: by the spans of a trace, a call after an interruption finds the rest.
        for address in sorted(files, key=lambda name: (not is_score_part(name), name)):
            if lease is not None and time.monotonic() - renewed > _RENEW_SECONDS:
                lease.renew()
                renewed = time.monotonic()
            name = address[len(store.address) + 1 :]
            found = self._rewrite_file(store, name, address, everything)
            if found is None:
                continue
            rows[name] = found
            if not found and not is_parquet(name):
                left.emptied.setdefault(name, time.time())
        if rows and not self._dry_run and place.is_run:
            note_rows(self._store(place), rows)
        self.runs += len(self.traces) > before
        self._tell(f"{place.folder}: {counted(len(self.spans), 'span')} so far")

    def _rewrite_file(
        self, store: Store, name: str, address: str, everything: Tombstone
    ) -> int | None:
        """Write a file anew if it holds any of it; return how many rows are left, None if it was
        not changed.
        """
        if self._is_busy(address):
            return None
        data = store.get(name)
        if data is None:
            return None
        try:
            found = remainder(address, data, everything)
        except MissingExtraError:
            raise
        except DecompressionError as error:
            self.problems.append(Problem(address, f"{error}; it stays as it is"))
            return None
        except Exception as error:
            if not is_parquet(address):
                raise
            why = f"not a whole Parquet file ({type(error).__name__}); it stays as it is"
            self.problems.append(Problem(address, why))
            return None
        if found.unread:
            lines = counted(found.unread, "line")
            why = f"{lines} can't be read, so nobody can tell whose they are; they stay"
            self.problems.append(Problem(address, why))
        if found.data is data:
            return None if data else 0
        if not self._dry_run:
            store.rewrite(name, found.data)
        self.traces |= found.traces
        self.spans |= found.spans
        self.scores |= found.scores
        self.files += 1
        return found.rows

    def _tidied(self, place: Place, addresses: list[str], left: Tombstone) -> list[str]:
        gone, half_written = tidy(self._store(place), self._run_store(place), addresses, left)
        self.removed += len(gone)
        self.unreached += half_written
        return [address for address in addresses if address not in gone]

    # --- places -------------------------------------------------------------------------------
    def _is_tombstoned(self, place: Place) -> bool:
        """A spool is one dead writer's: nothing arrives there any more."""
        is_on_disk = place.client is None and not place.is_run
        return not (is_on_disk and Path(place.folder, TARGET_NAME).exists())

    def _store(self, place: Place) -> Store:
        return self._store_at(place, place.folder)

    def _run_store(self, place: Place) -> Store:
        return self._store_at(place, folder_of(place.folder) if place.is_run else place.folder)

    def _store_at(self, place: Place, folder: str) -> Store:
        if place.client is None:
            return FolderStore(Path(folder))
        bucket, prefix = split_address(folder)
        return S3Store(place.client, bucket, prefix, extra_args=self._extra_args)

    def _listed(self, place: Place) -> list[str]:
        if not place.is_run:
            return place.addresses
        store = self._run_store(place)
        named = (f"{store.address}/{name}" for name in store.names())
        return [address for address in named if run_folder_of(address) != address]

    def _is_busy(self, address: str) -> bool:
        """Return True if a file lies in the folder of a writer that is, or may be, at work."""
        folder = folder_of(address)
        if is_s3_address(address) or writer_state(Path(folder)) == "dead":
            return False
        if folder not in self._busy:
            self._busy.add(folder)
            self.unreached.append(
                f"{folder}: a handler may still write there; close it and forget again"
            )
        return True


def _read(store: Store, name: str) -> Contents:
    return Contents(store.get(name) or b"")
