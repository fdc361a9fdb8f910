"""What lies in folders and belongs into Runs: `OfflineRun`s, and spools of processes that could not
upload before they ended.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .._reading import Problem
from .._storage.keys import (
    EVALUATIONS_FOLDER,
    LIVE_PREFIX,
    PART_PREFIX,
    PART_SUFFIX,
    RUN_LOG,
    SCORES_FOLDER,
    SCORES_PREFIX,
    SPOOL_PREFIX,
    TARGET_NAME,
    TRACES_FOLDER,
    is_part,
)
from .._storage.regular_files import list_files, read_regular
from .._storage.writer_lock import WRITER_FILE, WriterState, process_state, writer_state
from ..exceptions import SpanReadError


@dataclass
class Bundle:
    """What belongs into one run: a folder of parts and, of an `OfflineRun`, its log.

    Attributes:
        folder: where the parts lie.
        experiment_name: the run's experiment, as far as known.
        run_name: the run, as far as known.
        log: an `OfflineRun`'s log of parameters, metrics and artifacts; None for a spool.
        is_spool: whether it is a spool, which is cleared once all of it has arrived.
    """

    folder: Path
    experiment_name: str | None
    run_name: str | None
    log: Path | None = None
    is_spool: bool = False

    def writer(self) -> WriterState:
        """Return whether somebody still writes a spool. An `OfflineRun`'s parts are whole at any
        time.
        """
        if not self.is_spool:
            return "dead"
        if (self.folder / WRITER_FILE).exists():
            return writer_state(self.folder)
        # Without a note: the target is written when a process ends.
        is_ended = (self.folder / TARGET_NAME).exists()
        return "dead" if is_ended else _state_by_name(self.folder.name)

    def parts(self) -> list[Path]:
        """Return the parts, oldest first."""
        return self._files(self.folder, (PART_PREFIX, LIVE_PREFIX) if self.is_spool else None)

    def score_parts(self) -> list[Path]:
        """Return the parts of scores, oldest first."""
        folder = self.folder if self.is_spool else self.folder.parent / SCORES_FOLDER
        return self._files(folder, (SCORES_PREFIX,))

    def faults(self) -> list[Problem]:
        """Return what is named like a part and is none: it is not sent. A link might lead to any
        file of this machine.
        """
        problems = []
        for folder in (self.folder, self.folder.parent / SCORES_FOLDER):
            for path in sorted(folder.glob(f"*{PART_SUFFIX}")):
                if is_part(path.name) and (path.is_symlink() or not path.is_file()):
                    problems.append(Problem(str(path), "no regular file, not sent"))
        return problems

    @staticmethod
    def _files(folder: Path, prefixes: tuple[str, ...] | None) -> list[Path]:
        return sorted(
            path
            for path in folder.glob(f"*{PART_SUFFIX}")
            if is_part(path.name)
            and (prefixes is None or path.name.startswith(prefixes))
            and path.is_file()
            and not path.is_symlink()
        )


def find_bundles(folder: Path) -> list[Bundle]:
    """Return what can be synced below a folder: a spool, a folder of spools, an `OfflineRun`, a
    folder of experiments.

    Raises:
        SpanReadError: there is nothing.
    """
    if not folder.is_dir():
        raise SpanReadError(f"There is no folder {folder}.")
    spools = [folder, *sorted(folder.glob(f"{SPOOL_PREFIX}*"))]
    bundles = [_spool_bundle(path) for path in spools if _is_spool(path)]
    bundles += [_offline_bundle(run) for run in _offline_runs(folder)]
    if not bundles:
        raise SpanReadError(
            f"There is nothing to sync in {folder}: no run of an OfflineRun and no spool."
        )
    return bundles


def _offline_runs(folder: Path) -> list[Path]:
    """Folders of runs that hold spans, scores or a log."""
    runs = {folder.parent} if folder.name in (TRACES_FOLDER, SCORES_FOLDER) else set()
    for listed in list_files(folder):
        path = Path(listed.path)
        if EVALUATIONS_FOLDER in path.parts:
            continue
        is_folder = path.name in (TRACES_FOLDER, SCORES_FOLDER) and listed.fault is not None
        if (is_folder and path.is_dir() and not path.is_symlink()) or (
            path.name == RUN_LOG and listed.fault is None
        ):
            runs.add(path.parent)
    return sorted(runs)


def _offline_bundle(run: Path) -> Bundle:
    log = run / RUN_LOG
    place = Path(os.path.abspath(run))
    return Bundle(
        run / TRACES_FOLDER, place.parent.name, place.name, log if log.is_file() else None
    )


def _is_spool(path: Path) -> bool:
    if path.name in (TRACES_FOLDER, SCORES_FOLDER) or not path.is_dir():
        return False
    patterns = (f"{prefix}*{PART_SUFFIX}" for prefix in (LIVE_PREFIX, PART_PREFIX, SCORES_PREFIX))
    return any(any(path.glob(pattern)) for pattern in (TARGET_NAME, *patterns))


def _spool_bundle(path: Path) -> Bundle:
    target: Any = None
    with contextlib.suppress(OSError, ValueError):  # else the user says which run it is
        target = orjson.loads(read_regular(path / TARGET_NAME))
    names = target if isinstance(target, dict) else {}
    experiment, run = names.get("experiment_name"), names.get("run_name")
    return Bundle(
        path,
        experiment if isinstance(experiment, str) else None,
        run if isinstance(run, str) else None,
        is_spool=True,
    )


def _state_by_name(name: str) -> WriterState:
    """The state of the writer of a folder without a note, by the process number in its name."""
    pieces = name.split("-")
    if len(pieces) < 3 or not pieces[1].isdecimal():
        return "dead"
    return process_state({"host": socket.gethostname(), "pid": int(pieces[1])})


def clear(bundle: Bundle, sent: set[str], own_files: tuple[str, ...]) -> None:
    """Remove the parts of a spool that have arrived, and, when nothing else is left, its other
    files.

    Args:
        bundle: a spool whose writer is dead.
        sent: names of what has arrived.
        own_files: names of what sync itself keeps there.
    """
    for part in (*bundle.parts(), *bundle.score_parts()):
        if part.name in sent:
            part.unlink(missing_ok=True)
    if not bundle.parts() and not bundle.score_parts():
        for name in (*own_files, TARGET_NAME, WRITER_FILE):
            (bundle.folder / name).unlink(missing_ok=True)
