"""Parts as files and as objects in S3, and which of them count."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from .._storage.failure_advice import explain
from .._storage.keys import (
    EXPERIMENT_METADATA,
    MANIFEST_KEY,
    PARQUET_SUFFIX,
    PART_ENDINGS,
    RUN_METADATA,
    SCORES_FOLDER,
    TOMBSTONE_KEY,
    TRACES_FOLDER,
    is_manifest,
    is_part,
    is_tombstone,
    join_address,
    join_folder,
    name_of,
    partitions_of,
    pieces_of,
    run_folder_of,
    split_address,
    split_compacted,
    tombstone_folder_of,
)
from .._storage.manifest import Manifest, load_manifest, visible
from .._storage.object_store import list_objects, read_object
from .._storage.regular_files import read_regular
from .._storage.tombstone import Tombstone, load_tombstone
from ..exceptions import SpanReadError
from .parts import Contents, Part

MISSING: Final = ("NoSuchBucket", "NoSuchKey", "404", "NotFound")
"""Codes with which S3 says that something is not there."""


def manifest_at(address: str, read: Callable[[], bytes]) -> Manifest:
    """Return the manifest at an address, or raise a SpanReadError that says what to do."""
    try:
        return load_manifest(read())
    except (ValueError, OSError) as error:
        raise SpanReadError(
            f"{address} can't be read ({error}), so it is not known which of the files beside it "
            "count. Restore it, or remove it together with the Parquet files beside it if the "
            "parts are all still there."
        ) from error


def tombstone_at(address: str, data: bytes | None) -> Tombstone | None:
    """Return what a run's tombstone, at an address, forgets; None where nothing is forgotten.

    Raises:
        SpanReadError: it can't be read, and so nobody knows what must stay hidden.
    """
    try:
        return load_tombstone(data) or None
    except ValueError as error:
        raise SpanReadError(
            f"{address} can't be read ({error}), so it is not known what was forgotten here. "
            "Restore it from a backup, or remove it if nothing was ever forgotten."
        ) from error


def file_tombstone(folder: str) -> Tombstone | None:
    """Return the tombstone of a folder of spans."""
    path = os.path.join(folder, *TOMBSTONE_KEY.split("/"))
    return tombstone_at(path, read_regular(path)) if os.path.isfile(path) else None


def s3_tombstone(client: Any, bucket: str, folder: str) -> Tombstone | None:
    """Return the tombstone of a prefix of spans."""
    key = join_folder(folder, TOMBSTONE_KEY)
    try:
        data = read_object(client, bucket, key)
    except ClientError as error:
        # Without the right to list a bucket, what is not there is refused.
        if error.response.get("Error", {}).get("Code") in (*MISSING, "AccessDenied", "403"):
            return None
        raise
    return tombstone_at(join_address(bucket, key), data)


def file_part(address: str) -> Part:
    """Return a part that is a file."""

    def read() -> Contents:
        return Contents(read_regular(address))

    place = os.path.abspath(address)
    compacted = split_compacted(place)
    if compacted is not None:
        return _compacted_part(address, read, compacted[1])
    *_, experiment, run, folder, _ = ("", "", "", *pieces_of(place))
    if folder not in (TRACES_FOLDER, SCORES_FOLDER):
        return Part(address, read)
    return Part(address, read, experiment, run)


def _compacted_part(address: str, read: Callable[[], Contents], name: str) -> Part:
    owners = partitions_of(name)
    return Part(address, read, owners.get("experiment_name"), owners.get("run_name"))


def parts_at(address: str, client: Any) -> list[Part]:
    """Return the parts at an `s3://` address, of a part or of anything above it."""
    bucket, key = split_address(address)
    if not bucket:
        raise SpanReadError(
            f"{address!r} names no bucket; an address looks like s3://bucket/prefix."
        )
    try:
        if key.endswith((*PART_ENDINGS, PARQUET_SUFFIX)):
            client.head_object(Bucket=bucket, Key=key)
            tombstone = s3_tombstone(client, bucket, tombstone_folder_of(key))
            return [replace(s3_part(client, bucket, key), tombstone=tombstone)]
        parts = parts_below(client, bucket, key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:
            raise SpanReadError(
                f"There is nothing at {address}: {explain(error, 'try again')}"
            ) from error
        raise
    if not parts:
        raise SpanReadError(
            f"There are no spans at {address}: no object below it ends in .jsonl or .jsonl.gz, and "
            "none is compacted."
        )
    return parts


def parts_below(client: Any, bucket: str, prefix: str) -> list[Part]:
    """Return the parts below a prefix, oldest first."""
    etags: dict[str, str] = {}
    manifests: dict[str, Manifest] = {}
    tombstones: dict[str, Tombstone | None] = {}
    if run_folder_of(prefix) != prefix.rstrip("/"):  # it may begin below where the tombstone lies
        folder = tombstone_folder_of(prefix)
        tombstones[folder] = s3_tombstone(client, bucket, folder)
    for key, etag in list_objects(client, bucket, prefix):
        if is_part(key) or split_compacted(key) is not None:
            etags[key] = etag
        if is_tombstone(key):
            folder = key[: -len(TOMBSTONE_KEY) - 1]
            tombstones[folder] = s3_tombstone(client, bucket, folder)
        elif is_manifest(key):
            read = partial(read_object, client, bucket, key)
            folder = key[: -len(MANIFEST_KEY) - 1]
            manifests[folder] = manifest_at(join_address(bucket, key), read)
    return [
        replace(
            s3_part(client, bucket, key),
            etag=etags.get(key, ""),
            tombstone=tombstones.get(tombstone_folder_of(key)),
        )
        for key in sorted(visible(etags, manifests), key=lambda key: (name_of(key), key))
    ]


def s3_part(client: Any, bucket: str, key: str) -> Part:
    """Return a part that is an object in S3."""

    def read() -> Contents:
        answer = client.get_object(Bucket=bucket, Key=key)
        told = answer.get("Metadata", {})
        return Contents(
            answer["Body"].read(), told.get(EXPERIMENT_METADATA), told.get(RUN_METADATA)
        )

    # The folder is the trial component's, "{experiment}-{run}": where one ends and the other begins
    # it does not tell.
    compacted = split_compacted(key)
    if compacted is not None:
        return _compacted_part(join_address(bucket, key), read, compacted[1])
    *_, component, folder, _ = ("", "", *pieces_of(key))
    return Part(
        join_address(bucket, key),
        read,
        run=component if folder in (TRACES_FOLDER, SCORES_FOLDER) else None,
    )
