"""Files that `forget` empties, and what else lies in a run's folder that no reader counts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from .._record.limits import DEFAULT_COMPACTION_GRACE
from .._storage.keys import (
    COMPACTED_FOLDER,
    MANIFEST_KEY,
    TRACES_FOLDER,
    is_parquet,
    is_part,
    is_s3_address,
    join_folder,
    name_of,
)
from .._storage.manifest import Manifest, load_manifest
from .._storage.object_store import Store
from .._storage.tombstone import Tombstone

_SCRATCH_SECONDS: Final = 3_600.0
"""Age after which a half-written file has no writer any more."""


def holds_records(address: str) -> bool:
    """Return True if a file holds spans or scores, as its name tells."""
    return is_part(address) or is_parquet(address)


def note_rows(store: Store, rows: Mapping[str, int]) -> None:
    """Tell a run's manifest how many spans are left in Parquet files.

    Args:
        store: the folder of the run's spans.
        rows: name in the run's folder → rows.
    """
    manifest = load_manifest(store.get(MANIFEST_KEY))
    prefix = join_folder(TRACES_FOLDER, COMPACTED_FOLDER, "")
    named = {name.removeprefix(prefix): count for name, count in rows.items()}
    changed = named.keys() & manifest.files.keys()
    for name in changed:
        told = manifest.files[name]
        told["spans"] = named[name]
        if not named[name]:
            told.setdefault("emptied", int(time.time()))
    if changed:
        store.put(MANIFEST_KEY, manifest.dump())


def tidy(
    store: Store, run_store: Store, addresses: Iterable[str], left: Tombstone
) -> tuple[set[str], list[str]]:
    """Remove files that were emptied long ago, Parquet files that no manifest names, and what a
    writer that was killed left half-written. To be called under the lease.

    Args:
        store: the folder of the run's spans.
        run_store: the run's folder.
        addresses: the files in it.
        left: the tombstone; what is removed is no longer in it.

    Returns:
        The files that were removed, and those that somebody may be writing.
    """
    now = time.time()
    manifest = load_manifest(store.get(MANIFEST_KEY))
    gone = {
        join_folder(run_store.address, name)
        for name, when in left.emptied.items()
        if now - when >= DEFAULT_COMPACTION_GRACE
    }
    _drop_emptied(store, manifest, now)
    half_written = []
    for address in addresses:
        inner = address.removeprefix(join_folder(store.address, COMPACTED_FOLDER, ""))
        age = _scratch_age(address, now)
        if (inner != address and is_parquet(inner) and inner not in manifest.files) or (
            age is not None and age > _SCRATCH_SECONDS
        ):
            gone.add(address)
        elif age is not None:
            half_written.append(f"{address}: half-written; forget again in an hour")
    for address in gone:
        name = address[len(run_store.address) + 1 :]
        run_store.delete(name)
        left.emptied.pop(name, None)
    return gone, half_written


def _drop_emptied(store: Store, manifest: Manifest, now: float) -> None:
    """Let the manifest count no more the Parquet files that were emptied long ago."""
    old = [
        name
        for name, told in manifest.files.items()
        if now - told.get("emptied", now) >= DEFAULT_COMPACTION_GRACE
    ]
    for name in old:
        del manifest.files[name]
    if old:
        store.put(MANIFEST_KEY, manifest.dump())


def _scratch_age(address: str, now: float) -> float | None:
    """Seconds since a half-written file was written to; None of any other file."""
    stem, _, ending = name_of(address)[1:].rpartition(".")
    if name_of(address)[0] != "." or len(ending) != 12 or not holds_records(stem):
        return None
    try:
        return None if is_s3_address(address) else now - Path(address).stat().st_mtime
    except OSError:
        return None
