"""The one writer of whole files: a reader sees the older file or the new one, never half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a scratch path to write to; it becomes `target` when the block ends well, and is gone
    when it does not.

    Who has the older file open never sees half of the new. The folder is made where it is missing.

    Args:
        target: the file.
        private: let only its owner read it; by default it has the permissions of any new file.

    Raises:
        OSError: the folder or the file can't be made; it names the target, not the scratch path.
    """
    scratch = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.touch(0o600 if private else 0o666, exist_ok=False)
    except OSError as error:
        raise OSError(error.errno, f"can't be written ({error.strerror})", str(target)) from error
    try:
        yield scratch
        scratch.replace(target)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes | bytearray) -> Path:
    """Write a file that only its owner may read, and return its path."""
    with whole_file(path, private=True) as scratch:
        scratch.write_bytes(data)
    return path


def create_file(path: Path, data: bytes) -> bool:
    """Write a file that must not be there yet; return False if it is there.

    It appears whole: a hard link fails where the name is taken. Where the file system has no links,
    it is created and then written, and a reader may see it empty for a moment.
    """
    if path.exists():
        return False
    scratch = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        scratch.write_bytes(data)
        os.link(scratch, path)
    except FileExistsError:
        return False
    except OSError:
        return _create_in_place(path, data)
    finally:
        scratch.unlink(missing_ok=True)
    return True


def _create_in_place(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True
