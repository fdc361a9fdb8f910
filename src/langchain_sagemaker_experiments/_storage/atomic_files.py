"""Files for people: written whole or not at all, with the permissions any new file of theirs
has.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from .append_logs import write_all


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a scratch path to write to; it becomes `target` when the block ends well, and is gone
    when it does not.

    Who has the older file open never sees half of the new. The folder is made where it is missing.

    Raises:
        OSError: the folder or the file can't be made; it names the target, not the scratch path.
    """
    scratch = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:12]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.touch(exist_ok=False)
    except OSError as error:
        raise OSError(error.errno, f"can't be written ({error.strerror})", str(target)) from error
    try:
        yield scratch
        scratch.replace(target)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes | bytearray) -> Path:
    """Write a file that only its owner may read, under a temporary name until it is whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(handle, data)
    finally:
        os.close(handle)
    temporary.replace(path)
    return path
