"""One object to S3: in one request where it is small enough, in several where it is not."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .._storage.keys import join_address

_MULTIPART_BYTES: Final = 64 * 1024 * 1024
"""From this size on, which of parts only a single huge span reaches, an upload is cut into pieces.
A PUT of bytes at hand goes to the socket in one piece; boto3's transfer of pieces reads them 16 KiB
at a time."""


def upload(
    client: Any,
    bucket: str,
    key: str,
    body: bytes | bytearray | Path,
    extra_args: Mapping[str, Any],
) -> str:
    """Upload bytes, or a file, and return the address.

    Args:
        client: a boto3 client for S3.
        bucket: a bucket's name, or an access point's ARN or alias.
        key: the object's key.
        body: the bytes, or the path of a file.
        extra_args: boto3's ExtraArgs.

    Raises:
        ClientError: S3 refused.
        OSError: the file can't be read.
    """
    size = body.stat().st_size if isinstance(body, Path) else len(body)
    if size < _MULTIPART_BYTES:
        data = body.read_bytes() if isinstance(body, Path) else body
        client.put_object(Bucket=bucket, Key=key, Body=data, **extra_args)
    else:
        with body.open("rb") if isinstance(body, Path) else io.BytesIO(body) as file:
            client.upload_fileobj(file, bucket, key, ExtraArgs=dict(extra_args))
    return join_address(bucket, key)
