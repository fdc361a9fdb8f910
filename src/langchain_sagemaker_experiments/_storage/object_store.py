"""Where a run's traces lie, for one who writes beside them: a folder or a prefix in S3, with the
same few operations.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from .atomic_files import create_file, whole_file
from .keys import (
    COMPACTED_FOLDER,
    join,
    join_address,
    join_folder,
)
from .regular_files import list_files, read_regular


class Store(Protocol):
    """Files under names below one traces folder. `put` is atomic: a reader sees the older file or
    the new one.
    """

    address: str

    def names(self) -> list[str]: ...
    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, data: bytes) -> None: ...
    def rewrite(self, name: str, data: bytes) -> None: ...
    def create(self, name: str, data: bytes) -> bool: ...
    def delete(self, name: str) -> None: ...
    def refuses_second_create(self) -> bool: ...


class FolderStore:
    """A folder on disk. Nothing outside it is written or removed, whatever a name says and whatever
    links it holds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.address = str(path)

    def names(self) -> list[str]:
        """Return the names of all files, those in folders with `/`."""
        return sorted(
            Path(listed.path).relative_to(self._path).as_posix()
            for listed in list_files(self._path)
            if listed.fault is None
        )

    def get(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        try:
            return read_regular(self._confined(name))
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        with whole_file(self._confined(name)) as scratch:
            scratch.write_bytes(data)

    def rewrite(self, name: str, data: bytes) -> None:
        """Write a file that is there anew, for the same people to read."""
        target = self._confined(name)
        mode = target.stat().st_mode & 0o777
        with whole_file(target, private=True) as scratch:
            scratch.write_bytes(data)
            scratch.chmod(mode)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not be there yet; return True if it was not."""
        return create_file(self._confined(name), data)

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone is fine, and a folder in its place stays."""
        target = self._confined(name)
        if target.is_symlink() or not target.is_dir():
            target.unlink(missing_ok=True)

    def refuses_second_create(self) -> bool:
        """Return True: a file is created once, whoever else tries."""
        return True

    def _confined(self, name: str) -> Path:
        """The path of a name.

        Raises:
            OSError: it would lie outside the folder, or behind a link.
        """
        pieces = name.split("/")
        if any(piece in ("", ".", "..") or _STRANGE.intersection(piece) for piece in pieces):
            raise OSError(errno.EINVAL, "not a name in this folder", name)
        path = self._path
        for piece in pieces[:-1]:
            path /= piece
            if path.is_symlink():
                raise OSError(errno.ELOOP, "a link, which is not followed", str(path))
        return path / pieces[-1]


_STRANGE: Final = frozenset("\0\\:" if os.sep == "\\" else "\0")
"""What no name has: with a drive or a separator it would lead elsewhere."""


class S3Store:
    """A prefix of a bucket.

    Args:
        client: a boto3 client for S3.
        bucket: a bucket's name, or an access point's ARN.
        prefix: what all keys begin with.
        content_type: of what is written; S3's default otherwise.
        metadata: of what is written.
        extra_args: boto3's ExtraArgs for what is written.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str,
        *,
        content_type: str | None = None,
        metadata: dict[str, str] | None = None,
        extra_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._options: dict[str, Any] = {"ContentType": content_type} if content_type else {}
        if metadata:
            self._options["Metadata"] = metadata
        self._options.update(extra_args or {})
        self._client = client
        self._bucket = bucket
        self._prefix = prefix.rstrip("/")
        self.address = join_address(bucket, self._prefix)

    def names(self) -> list[str]:
        """Return the names of all objects."""
        begin = self._key("")
        found = list_objects(self._client, self._bucket, begin)
        return sorted(key[len(begin) :] for key, _ in found)

    def _key(self, name: str) -> str:
        return join_folder(self._prefix, name)

    def get(self, name: str) -> bytes | None:
        """Return an object's bytes; None where there is none."""
        with contextlib.suppress(self._client.exceptions.NoSuchKey):
            return read_object(self._client, self._bucket, self._key(name))
        return None

    def put(self, name: str, data: bytes) -> None:
        """Write an object; S3 shows it when it is whole."""
        self._client.put_object(
            Bucket=self._bucket, Key=self._key(name), Body=data, **self._options
        )

    def rewrite(self, name: str, data: bytes) -> None:
        """Write an object that is there anew, with the metadata, tags, encryption and storage class
        that it has.
        """
        place = {"Bucket": self._bucket, "Key": self._key(name)}
        told = self._client.head_object(**place)
        same: dict[str, Any] = {name: told[name] for name in _KEPT if told.get(name)}
        if told.get("TagCount"):
            tags = self._client.get_object_tagging(**place)["TagSet"]
            same["Tagging"] = urlencode({tag["Key"]: tag["Value"] for tag in tags})
        self._client.put_object(**place, Body=data, **{**same, **self._options})

    def create(self, name: str, data: bytes) -> bool:
        """Write an object that must not be there yet; return True if it was not."""
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._key(name),
                Body=data,
                IfNoneMatch="*",
                **self._options,
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
                "412",
                "409",
            ):
                return False
            raise
        return True

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone is fine."""
        self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def refuses_second_create(self) -> bool:
        """Return True if the server honours `If-None-Match`; some take every write. Asked of each
        bucket once in a process.
        """
        server = (self._client.meta.endpoint_url, self._bucket)
        if server not in _conditional:
            probe = join(COMPACTED_FOLDER, f"_probe-{secrets.token_hex(16)}.json")
            self.create(probe, b"{}")
            try:
                _conditional[server] = not self.create(probe, b"{}")
            finally:
                self.delete(probe)
        return _conditional[server]


_KEPT: Final = (
    "BucketKeyEnabled",
    "CacheControl",
    "ContentEncoding",
    "ContentType",
    "Metadata",
    "SSEKMSKeyId",
    "ServerSideEncryption",
    "StorageClass",
)
"""What an object that is written anew keeps; HeadObject and PutObject name it alike."""
_conditional: dict[tuple[str, str], bool] = {}
"""Endpoint and bucket → whether conditional writes are honoured there."""


def list_objects(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield key and ETag of each object below a prefix, page by page, in order of the keys."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            yield item["Key"], item.get("ETag", "")


def read_object(client: Any, bucket: str, key: str) -> bytes:
    """Return the bytes of an object."""
    data: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return data
