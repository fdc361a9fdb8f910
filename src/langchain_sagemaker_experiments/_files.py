"""Files for people: written whole or not at all, with the permissions any new file of theirs has."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a scratch path to write to; it becomes `target` when the block ends well, and is gone when it does not.

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
