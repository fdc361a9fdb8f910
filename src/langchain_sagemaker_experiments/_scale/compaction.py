"""`compact`: many small parts of runs become Parquet, and readers see each span once before, during
and after.

The order makes it safe. (1) What an interrupted compaction left is removed. (2) The new Parquet
files are written; nobody counts them yet. (3) The manifest is replaced in one piece: from this
moment they count, and their parts do not. (4) Parts that an earlier compaction took, at least
`grace` ago, are removed: who listed them before has long read them. Killed at any moment, the next
    compaction goes on from what the manifest says.

Spans that were still open are left to their parts' readers: they are written to a part of their
own, which stays a part until their end is known.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from .._experiments.clients import s3_client
from .._reading import Problem
from .._reading.parquet import COMPRESSION, schema, to_table
from .._reading.parse import parse_part
from .._reading.parts import Part, read_all
from .._reading.sources import find_parts
from .._record.cells import json_bytes
from .._record.limits import DEFAULT_COMPACTION_GRACE
from .._record.merge import merge_records
from .._record.schema import Record
from .._record.times import moment_of
from .._storage.failure_advice import explain
from .._storage.keys import (
    COMPACTED_FOLDER,
    MANIFEST_KEY,
    OPEN_PREFIX,
    compacted_name,
    is_parquet,
    is_part_name,
    is_s3_address,
    join,
    join_folder,
    name_of,
    new_part_name,
    split_address,
    traces_folder_of,
)
from .._storage.manifest import Manifest, load_manifest
from .._storage.object_store import FolderStore, S3Store, Store
from ..exceptions import CompactionError
from .lease import Lease

_ROWS: Final = 20_000
"""Rows of a row group: what a reader that looks for little has to read at least."""
_GROUP_BYTES: Final = 128 * 1024 * 1024
"""JSON of a row group."""
_BATCH_BYTES: Final = 256 * 1024 * 1024
"""JSON put into one set of Parquet files; memory holds a few times as much."""


@dataclass
class Compacted:
    """What a compaction did.

    Attributes:
        runs: how many runs had something to do.
        parts: parts put into Parquet.
        spans: spans written.
        files: Parquet files written.
        removed: parts and left-over files removed.
        open_spans: spans without an end, left as they are.
        problems: what could not be read, and was left where it is.
    """

    runs: int = 0
    parts: int = 0
    spans: int = 0
    files: int = 0
    removed: int = 0
    open_spans: int = 0
    problems: list[Problem] = field(default_factory=list)


def compact_runs(
    source: Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    grace: float = DEFAULT_COMPACTION_GRACE,
    extra_args: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Compacted:
    """Put the parts of a run, an experiment, or whatever lies below an address or a folder, into
    Parquet. `compact` is the older name of this function and goes on working.

    The Parquet files lie beside the parts, in
    `langchain-traces/compacted/experiment_name=X/run_name=Y/date=Z/`, zstd-compressed, and are read
    by `load_spans`, `scan_spans`, DuckDB, Spark, Athena, … Handlers may go on writing, readers
    reading.

    Args:
        source: as of `load_spans`.
        experiment_name: as of `load_spans`.
        run_name: as of `load_spans`.
        sagemaker_session: as of `load_spans`.
        grace: seconds after which parts that a compaction before this one took are removed;
            infinity keeps them.
        extra_args: boto3's ExtraArgs for every upload, such as `ServerSideEncryption`.
        progress: called with a line of text at each step.

    Raises:
        SpanReadError: the source does not exist or can't be reached.
        CompactionError: another compaction of a run is at work, or something can't be written or
            removed; nothing is lost.
        MissingExtraError: pyarrow is not installed.
    """
    result = Compacted()
    tell = progress or (lambda line: None)
    places: dict[str, list[Part]] = {}
    for part in find_parts(source, experiment_name, run_name, sagemaker_session, result.problems):
        folder = traces_folder_of(part.address)
        if folder is not None:
            places.setdefault(folder, []).append(part)
    for folder in places:
        store = _store(folder, sagemaker_session, extra_args)
        try:
            with Lease(store) as lease:
                # Listed again, now that nobody else is at work here.
                parts = [
                    part
                    for part in find_parts(folder, None, None, sagemaker_session, [])
                    if not is_parquet(part.address)
                ]
                before = {part.address: part for part in places[folder]}
                owned = [before.get(part.address, part) for part in parts]
                _compact_run(store, owned, grace, lease, result, tell)
        except (ClientError, BotoCoreError, OSError, ValueError, MemoryError) as error:
            raise CompactionError(
                f"The compaction of {folder} stopped. {explain(error, 'compact again')} Nothing is "
                f"lost: {result.spans:,} spans were compacted before, all others are read from "
                "their parts as ever. What it left unfinished does not count, and the next "
                "compaction removes it."
            ) from error
    return result


compact = compact_runs


def _store(folder: str, sagemaker_session: Any, extra_args: Mapping[str, Any] | None) -> Store:
    if is_s3_address(folder):
        bucket, prefix = split_address(folder)
        return S3Store(s3_client(sagemaker_session), bucket, prefix, extra_args=extra_args)
    return FolderStore(Path(folder))


def _compact_run(
    store: Store,
    parts: list[Part],
    grace: float,
    lease: Lease,
    result: Compacted,
    tell: Callable[[str], None],
) -> None:
    manifest = load_manifest(store.get(MANIFEST_KEY))
    _remove_left_over(store, manifest, result)
    _remove_old_parts(store, manifest, grace, result)
    before = result.parts
    for batch in _batches(parts, result):
        lease.renew()
        _write_batch(store, manifest, batch, result)
        tell(f"{store.address}: {result.spans:,} spans of {result.parts:,} parts compacted")
    result.runs += result.parts > before


def _remove_left_over(store: Store, manifest: Manifest, result: Compacted) -> None:
    """Remove Parquet files that no manifest names: a compaction was interrupted before they
    counted.
    """
    for name in store.names():
        inner = name.removeprefix(join_folder(COMPACTED_FOLDER, ""))
        if inner != name and is_parquet(name) and inner not in manifest.files:
            store.delete(name)
            result.removed += 1


def _remove_old_parts(store: Store, manifest: Manifest, grace: float, result: Compacted) -> None:
    """Remove parts taken long enough ago, and then their names: the manifest must not grow for
    ever.
    """
    old = [name for name, when in manifest.parts.items() if time.time() - when >= grace]
    for name in old:
        store.delete(name)
        result.removed += 1
    if old:
        for name in old:
            del manifest.parts[name]
        store.put(MANIFEST_KEY, manifest.dump())


@dataclass
class _Batch:
    names: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    size: int = 0
    experiment: str | None = None
    run: str | None = None


def _batches(parts: Iterable[Part], result: Compacted) -> Iterable[_Batch]:
    batch = _Batch()
    for part, contents in read_all(parts, result.problems):
        before = len(result.problems)
        records = parse_part(part.address, contents.data, result.problems)
        if not is_part_name(name_of(part.address)):
            why = "the name is not one that every system takes, so it stays a part"
            result.problems.append(Problem(part.address, why))
        if len(result.problems) > before:
            # A damaged part stays where it is, for a person to look at; readers go on with what is
            # whole of it.
            continue
        if batch.names and batch.size + len(contents.data) > _BATCH_BYTES:
            yield batch
            batch = _Batch()
        batch.names.append(name_of(part.address))
        batch.records += records
        batch.size += len(contents.data)
        batch.experiment = contents.experiment or batch.experiment
        batch.run = contents.run or batch.run
    if batch.names:
        yield batch


def _write_batch(store: Store, manifest: Manifest, batch: _Batch, result: Compacted) -> None:
    merged = merge_records(batch.records)
    ended = [record for record in merged if record["status"] != "running"]
    still_open = [record for record in merged if record["status"] == "running"]
    if still_open and not ended and all(name.startswith(OPEN_PREFIX) for name in batch.names):
        result.open_spans += len(still_open)
        return  # Nothing but what an earlier compaction left open, and still is.
    digest = hashlib.sha256("\n".join(sorted(batch.names)).encode()).hexdigest()[:16]
    days: dict[str, list[Record]] = {}
    for record in ended:
        days.setdefault(_day(record), []).append(record)
    for day, records in sorted(days.items()):
        records.sort(key=lambda record: record.get("start_time") or "")
        name = compacted_name(batch.experiment, batch.run, day, digest)
        data = parquet_bytes(records, batch.experiment, batch.run)
        store.put(join(COMPACTED_FOLDER, name), data)
        manifest.files[name] = {"spans": len(records), "bytes": len(data)}
        result.files += 1
    if still_open:
        carried = new_part_name(OPEN_PREFIX)
        store.put(carried, b"".join(orjson.dumps(record) + b"\n" for record in still_open))
    now = time.time()
    manifest.parts.update(dict.fromkeys(batch.names, now))
    store.put(MANIFEST_KEY, manifest.dump())
    result.parts += len(batch.names)
    result.spans += len(ended)
    result.open_spans += len(still_open)


def _day(record: Record) -> str:
    """The day a span started on, as part of a file's name: nothing else that the field may hold
    gets there.
    """
    start = moment_of(record.get("start_time"))
    return f"{start:%Y-%m-%d}" if start is not None else "unknown"


def parquet_bytes(records: list[Record], experiment: str | None, run: str | None) -> bytes:
    """Return span records of a run as a Parquet file: zstd, with statistics of times and kinds for
    each row group.

    A row group has at most 20,000 rows. Shared values make records of little JSON large: memory
    holds the JSON of one row group at a time.
    """
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema(), **COMPRESSION) as writer:
        for begin in range(0, len(records), _ROWS):
            for table in _tables(records[begin : begin + _ROWS], experiment, run):
                writer.write_table(table)
    return sink.getvalue()


def _tables(records: list[Record], experiment: str | None, run: str | None) -> Iterator[Any]:
    """Tables of records, cut where their JSON would be too much for one."""
    if len(records) > 1 and _json_size(records) > _GROUP_BYTES:
        middle = len(records) // 2
        yield from _tables(records[:middle], experiment, run)
        yield from _tables(records[middle:], experiment, run)
    else:
        yield to_table(records, experiment, run)


def _json_size(records: list[Record]) -> int:
    """Bytes of the JSON of records, approximately; counting ends beyond the bound."""
    size = 0
    for record in records:
        size += len(json_bytes([record["inputs"], record["outputs"]]))
        if size > _GROUP_BYTES:
            break
    return size
