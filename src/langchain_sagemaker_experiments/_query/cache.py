"""Where indexes lie: one folder of the user's cache, bounded, that may be deleted at any time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import platformdirs

from .span_index import SpanIndex, discard, is_held

CACHE_VARIABLE: Final = "SAGEMAKER_TRACES_CACHE"
"""Settings variable: the folder of the indexes, in place of the user's cache folder."""
SIZE_VARIABLE: Final = "SAGEMAKER_TRACES_CACHE_BYTES"
"""Settings variable: bytes that the indexes may take together."""
DEFAULT_BYTES: Final = 4 * 1024**3
_WINDOWS: Final = 16
"""Windows on one source at a time; each has an index of its own."""


def cache_folder() -> Path:
    """Return the folder of the indexes; it need not exist."""
    told = os.environ.get(CACHE_VARIABLE)
    if told:
        return Path(told).expanduser()
    return Path(platformdirs.user_cache_dir("langchain-sagemaker-experiments", False)) / "window"


def cache_bytes() -> int:
    """Return how many bytes the indexes may take together."""
    told = os.environ.get(SIZE_VARIABLE, "")
    return int(told) if told.isdecimal() else DEFAULT_BYTES


def open_index(source: str) -> SpanIndex:
    """Return the index of a source: the kept one, or, where other windows hold it, one more.

    Raises:
        MissingExtraError: duckdb is not installed.
        OSError: the folder can't be written, or too many windows are open.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:24]
    for number in range(_WINDOWS):
        path = folder / f"{name}-{number}.duckdb"
        with contextlib.suppress(BlockingIOError):
            index = SpanIndex(path, source)
            os.utime(path)
            bound(folder, keep=path)
            return index
    raise OSError(f"{_WINDOWS} windows are open on {source}. Close one of them.")


def bound(folder: Path, keep: Path) -> None:
    """Remove the indexes that were used longest ago, until the rest fits the bound."""
    files = sorted(folder.glob("*.duckdb"), key=_used, reverse=True)
    left = cache_bytes()
    for path in files:
        left -= _size(path)
        if left < 0 and path != keep and _is_free(path):
            discard(path)


def clear_indexes() -> list[Path]:
    """Remove all indexes that no window holds; return those that one holds."""
    held = []
    for path in sorted(cache_folder().glob("*.duckdb")):
        if not _is_free(path):
            held.append(path)
        else:
            discard(path)
    return held


def cache_size() -> int:
    """Return the bytes that all indexes take now."""
    return sum(_size(path) for path in cache_folder().glob("*"))


def _used(path: Path) -> float:
    return _told(path, lambda: path.stat().st_mtime)


def _size(path: Path) -> int:
    return int(_told(path, lambda: path.stat().st_size))


def _told(path: Path, ask: Callable[[], float]) -> float:
    try:
        return ask()
    except FileNotFoundError:  # another window removed it
        return 0


def _is_free(path: Path) -> bool:
    """Return True if no process holds an index."""
    if is_held(path):
        return False
    try:
        import duckdb
    except ImportError:  # nobody here can open one
        return True
    try:
        duckdb.connect(str(path)).close()
    except duckdb.IOException as error:
        return "lock" not in str(error)
    except duckdb.Error:
        return True
    return True
