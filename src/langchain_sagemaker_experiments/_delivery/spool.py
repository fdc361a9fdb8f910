"""Parts on disk that wait for their upload: a folder of append-only files, readable by their owner
only. Knows bytes only.

A spool has one writer. Its folder holds `part-….jsonl` files, each sealed and ready to be uploaded
under its own name, `live-….jsonl`, to which a durable handler appends, and `target.json`, which
tells where the parts belong.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .._storage.append_logs import APPEND, write_all
from .._storage.atomic_files import write_file
from .._storage.keys import PART_PREFIX, PART_SUFFIX, SCORES_PREFIX

LIVE_PREFIX: Final = "live-"
TARGET: Final = "target.json"


def default_spool_dir() -> Path:
    """Return the folder for spools of this user: the platform's place for state that should survive
    (platformdirs).
    """
    import platformdirs

    return Path(platformdirs.user_state_path("langchain-sagemaker-experiments")) / "spool"


class Spool:
    """One handler's spool folder. Nothing is created before the first byte is written.

    Args:
        parent: folder under which this spool makes its own; `default_spool_dir()` when None.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        self._parent = Path(parent) if parent is not None else default_spool_dir()
        # Reentrant: SIGTERM may interrupt an append in the main thread, and its handler seals the
        # spool.
        self._lock = threading.RLock()
        self._live: int | None = None
        self._live_name = ""
        self.path = self._new_path()

    def _new_path(self) -> Path:
        return self._parent / f"spool-{os.getpid()}-{uuid.uuid4().hex[:12]}"

    def append(self, line: bytes) -> None:
        """Append one line to the live file. It survives the death of the process from the moment
        this returns.
        """
        with self._lock:
            if self._live is None:
                self._make_folder()
                self._live_name = f"{uuid.uuid4().hex}{PART_SUFFIX}"
                self._live = os.open(self.path / f"{LIVE_PREFIX}{self._live_name}", APPEND, 0o600)
            write_all(self._live, line + b"\n")

    def seal(self) -> str | None:
        """Turn the live file, if there is one, into a part and return its name; the next line
        starts a new one.
        """
        with self._lock:
            if self._live is None:
                return None
            os.close(self._live)
            self._live = None
            live = self.path / f"{LIVE_PREFIX}{self._live_name}"
            name = f"{PART_PREFIX}{self._live_name}"
            live.rename(self.path / name)
            return name

    def write_part(self, name: str, data: bytes | bytearray) -> Path:
        """Write a sealed part; a reader sees it whole or not at all."""
        with self._lock:
            self._make_folder()
            return write_file(self.path / name, data)

    def new_file(self, name: str) -> Path:
        """Return the path of a file of scores, in a folder that is there."""
        with self._lock:
            self._make_folder()
            return self.path / name

    def score_files(self) -> list[Path]:
        """Return the files of scores, oldest first."""
        return sorted(self.path.glob(f"{SCORES_PREFIX}*{PART_SUFFIX}"))

    def write_target(self, target: Mapping[str, object]) -> None:
        """Note where the parts of this spool belong, for `sagemaker-traces sync`."""
        with self._lock:
            self._make_folder()
            write_file(self.path / TARGET, json.dumps(dict(target), indent=2).encode())

    def parts(self) -> list[Path]:
        """Return the sealed parts, oldest first."""
        return sorted(self.path.glob(f"{PART_PREFIX}*{PART_SUFFIX}"), key=_age)

    def size(self) -> int:
        """Return the bytes of all parts and the live file."""
        return sum(path.stat().st_size for path in self._files())

    def _files(self) -> Iterator[Path]:
        for prefix in (PART_PREFIX, LIVE_PREFIX, SCORES_PREFIX):
            pattern = f"{prefix}*{PART_SUFFIX}"
            yield from self.path.glob(pattern)

    def remove(self, part: Path) -> None:
        """Delete a part that has been uploaded, and the folder with it when nothing waits there any
        more.
        """
        part.unlink(missing_ok=True)
        with self._lock, contextlib.suppress(OSError):
            if self._live is None and not any(self._files()):
                (self.path / TARGET).unlink(missing_ok=True)
                self.path.rmdir()

    def after_fork(self) -> None:
        """Start a folder of our own in a forked child; the parent's stays the parent's."""
        self._lock = threading.RLock()
        self._live = None
        self.path = self._new_path()

    def _make_folder(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except FileNotFoundError:
        return 0, path.name
