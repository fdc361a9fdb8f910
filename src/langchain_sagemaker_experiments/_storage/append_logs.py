"""Append-only files of JSON lines, which several processes may share: written line by line, read
without what a crash has torn.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
"""Flags of `os.open` for a file that grows."""


def read_lines(path: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines, from line `start` on; none when there is no file,
    and no torn ones.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines[start:]:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a file that only its owner may read; lines of several processes never
    mix.
    """
    handle = os.open(path, APPEND, 0o600)
    try:
        write_all(handle, line + b"\n")
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes | bytearray) -> None:
    """Write all bytes to an open file, however many calls that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
