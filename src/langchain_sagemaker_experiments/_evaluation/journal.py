"""What a worker has done and not uploaded yet: on disk, from where any worker can bring it to the
run.

Each worker has a folder of its own, locked while it lives: `workers/{worker}/`, with the spools of
its handlers. For an `OfflineRun` it lies in the run's folder; for a run in S3, on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import Any, Final

from .._delivery.spool import default_spool_dir
from .._destinations import Destination
from .._destinations.offline_run import OfflineRun
from .._storage.keys import (
    EVALUATIONS_FOLDER,
    LIVE_PREFIX,
    PART_PREFIX,
    PART_SUFFIX,
    SCORES_PREFIX,
)
from .._storage.object_store import Store
from .._storage.writer_lock import WRITER_FILE, WriterLock, writer_state

_WORKERS: Final = "workers"
_ADOPTED: Final = "adopted"
"""In the folder of a dead worker whose files have been brought to the run."""


class Journal:
    """The folder of this worker, beside those of others.

    Args:
        parent: the folder that holds the workers' folders.
    """

    def __init__(self, parent: Path) -> None:
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._parent = parent
        self.path = parent / self.worker
        self.path.mkdir(mode=0o700, parents=True)
        self._lock = WriterLock.acquire(self.path)

    def is_dead(self, worker: str) -> bool:
        """Return True if a worker's folder is here and nobody writes to it any more."""
        return _is_dead(self._parent / Path(worker).name)

    def adopt(self, destination: Destination) -> int:
        """Bring what dead workers left to the run; return how many workers' folders."""
        adopted = 0
        for folder in sorted(self._parent.iterdir()):
            if folder == self.path or not _is_dead(folder) or (folder / _ADOPTED).exists():
                continue
            last = _send_left(folder, destination)
            if last is not None:
                destination.register(last)
            # The folder stays for a while: it tells that the worker is dead, whose claims may last.
            (folder / _ADOPTED).touch()
            for path in folder.iterdir():
                if path.name != _ADOPTED:
                    _remove(path)
            adopted += 1
        return adopted

    def close(self) -> None:
        """Remove the folder if all in it has been uploaded; give up the lock."""
        left = [p for p in self.path.rglob(f"*{PART_SUFFIX}") if p.is_file()]
        self._lock.release()
        if not left:
            shutil.rmtree(self.path, ignore_errors=True)

    def remove_others(self) -> None:
        """Remove the folders of dead workers, once the evaluation is done."""
        for mark in self._parent.glob(f"*/{_ADOPTED}"):
            shutil.rmtree(mark.parent, ignore_errors=True)


def _is_dead(folder: Path) -> bool:
    """Whether a worker's folder has no writer. One without a note is being made, unless it was
    adopted.
    """
    if (folder / _ADOPTED).exists():
        return True
    return (folder / WRITER_FILE).exists() and writer_state(folder) == "dead"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def workers_folder(run: Any, store: Store, evaluation_id: str) -> Path:
    """Return the folder of the workers' folders of an evaluation."""
    if isinstance(run, OfflineRun):
        return run.path / EVALUATIONS_FOLDER / evaluation_id / _WORKERS
    place = hashlib.sha256(store.address.encode()).hexdigest()[:16]
    return default_spool_dir().parent / EVALUATIONS_FOLDER / place / _WORKERS


def _send_left(folder: Path, destination: Destination) -> str | None:
    """Upload the files of a dead worker, whole lines only; return the address of the last part."""
    last: str | None = None
    for path in sorted(folder.rglob(f"*{PART_SUFFIX}")):
        # Another worker may be adopting the same folder: the names are the same, so is the content.
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes()
            data = data[: data.rfind(b"\n") + 1]
            if not data:
                continue
            if path.name.startswith(SCORES_PREFIX):
                destination.write_scores(path.name, data)
            elif path.name.startswith((PART_PREFIX, LIVE_PREFIX)):
                name = path.name.replace(LIVE_PREFIX, PART_PREFIX, 1)
                last = destination.write(name, data)
    return last
