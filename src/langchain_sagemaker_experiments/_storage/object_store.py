"""Where a run's traces lie, for one who writes beside them: a folder or a prefix in S3, with the
same few operations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from .atomic_files import whole_file
from .keys import join_address


class Store(Protocol):
    """Files under names below one traces folder. `put` is atomic: a reader sees the older file or
    the new one.
    """

    address: str

    def names(self) -> list[str]: ...
    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, data: bytes) -> None: ...
    def create(self, name: str, data: bytes) -> bool: ...
    def delete(self, name: str) -> None: ...


class FolderStore:
    """A folder on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.address = str(path)

    def names(self) -> list[str]:
        """Return the names of all files, those in folders with `/`."""
        return sorted(
            found.relative_to(self._path).as_posix()
            for found in self._path.rglob("*")
            if found.is_file()
        )

    def get(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is none."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        with whole_file(self._path / name) as scratch:
            scratch.write_bytes(data)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not be there yet; tell whether it was so."""
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone is fine."""
        (self._path / name).unlink(missing_ok=True)


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
        return sorted(self._list())

    def _list(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}/"
        )
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"][len(self._prefix) + 1 :]

    def get(self, name: str) -> bytes | None:
        """Return an object's bytes; None where there is none."""
        with contextlib.suppress(self._client.exceptions.NoSuchKey):
            body: bytes = self._client.get_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{name}"
            )["Body"].read()
            return body
        return None

    def put(self, name: str, data: bytes) -> None:
        """Write an object; S3 shows it when it is whole."""
        self._client.put_object(
            Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=data, **self._options
        )

    def create(self, name: str, data: bytes) -> bool:
        """Write an object that must not be there yet; tell whether it was so."""
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}/{name}",
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
        self._client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")
