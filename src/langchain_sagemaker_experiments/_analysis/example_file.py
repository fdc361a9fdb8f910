"""A file of examples that grows by one at a time: the window adds a trace to it."""

from __future__ import annotations

import contextlib
import os
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from .._encoding.any_value import dump_json
from .._experiments.clients import s3_client
from .._storage.atomic_files import whole_file
from .._storage.failure_advice import explain
from .._storage.file_locks import LockHeldError, LocksUnsupportedError, open_locked
from .._storage.keys import EXAMPLES_FILE, is_s3_address, split_address
from ..exceptions import FlushError
from .examples import FIELDS, Example, to_json_form

_LINES: Final = ".jsonl"
_TRIES: Final = 20
_SECONDS: Final = 0.25
"""Between two tries, while somebody else writes the same file."""
_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


def examples_address(target: str | Path) -> str:
    """Return the file of JSON Lines that a target names: itself, or `examples.jsonl` in a folder.

    Raises:
        ValueError: it is a file of another kind.
    """
    address = str(target)
    if address.endswith((".csv", ".parquet")):
        raise ValueError(f"Examples are added to a .jsonl file or a folder, not to {address}.")
    return address if address.endswith(_LINES) else f"{address.rstrip('/')}/{EXAMPLES_FILE}"


def add_example(example: Example, target: str | Path, *, sagemaker_session: Any = None) -> int:
    """Add an example to a file of JSON Lines, in the place of one with the same id; all other
    lines stay as they are.

    Args:
        example: one of `make_examples`.
        target: a `.jsonl` file, a folder (which gets `examples.jsonl`), or an `s3://` address.
        sagemaker_session: whose credentials and region to use for S3; boto3's default otherwise.

    Returns:
        How many lines the file has now.

    Raises:
        FlushError: it could not be written; the file is as it was.
        ValueError: the target is a file of another kind, or the example has no JSON form.
    """
    address = examples_address(target)
    row = {name: example[name] for name in ("id", *FIELDS)}
    try:
        line = dump_json(row, to_json_form, orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise ValueError(f"The example can't be written as JSON: {error}.") from error

    def change(data: bytes) -> tuple[bytes, int]:
        rows = data.removeprefix(BOM_UTF8).splitlines()
        lines = [one for one in rows if one.strip() and _id_of(one) != row["id"]]
        return b"\n".join([*lines, line, b""]), len(lines) + 1

    try:
        if is_s3_address(address):
            return _change_object(s3_client(sagemaker_session), address, change)
        return _change_file(Path(address).expanduser(), change)
    except (OSError, RuntimeError) as error:  # the latter: links in a circle, before Python 3.13
        what = getattr(error, "strerror", None) or error
        raise FlushError(f"The example was not added to {address}: {what}.") from error
    except (ClientError, BotoCoreError) as error:
        raise FlushError(f"The example was not added. {explain(error, 'add it again')}") from error


Change = Callable[[bytes], tuple[bytes, int]]


def _id_of(line: bytes) -> str | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    given = row.get("id") if isinstance(row, dict) else None
    return str(given) if given is not None else None


def _change_file(path: Path, change: Change) -> int:
    path = path.resolve()  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.with_name(f".{path.name}.lock")):
        known = path.exists()
        data, count = change(path.read_bytes() if known else b"")
        with whole_file(path, private=known) as scratch:
            scratch.write_bytes(data)
            if known:
                scratch.chmod(path.stat().st_mode & 0o777)
    return count


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock beside the file; go on without one where the file system has none."""
    handle = None
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            handle = open_locked(lock)
            break
        except LocksUnsupportedError:
            break
        except LockHeldError:
            if last:
                raise
            time.sleep(_SECONDS)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _change_object(client: Any, address: str, change: Change) -> int:
    bucket, key = split_address(address)
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            found = client.get_object(Bucket=bucket, Key=key)
            before, unless = found["Body"].read(), {"IfMatch": found["ETag"]}
        except client.exceptions.NoSuchKey:
            before, unless = b"", {"IfNoneMatch": "*"}
        data, count = change(before)
        try:
            client.put_object(Bucket=bucket, Key=key, Body=data, **unless)
        except ClientError as error:
            if last or error.response.get("Error", {}).get("Code") not in _TAKEN:
                raise
            time.sleep(_SECONDS)
        else:
            return count
    raise AssertionError  # the last try returns or raises
