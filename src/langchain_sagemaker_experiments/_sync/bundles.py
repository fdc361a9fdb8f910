"""What lies in folders and belongs into Runs: `OfflineRun`s, and spools of processes that could not
upload before they ended.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .._delivery import spool as _spool
from .._destinations.offline_run import LOG_NAME
from .._storage.keys import (
    EVALUATIONS_FOLDER,
    PART_PREFIX,
    PART_SUFFIX,
    SCORES_FOLDER,
    SCORES_PREFIX,
    TRACES_FOLDER,
)
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

    def parts(self) -> list[Path]:
        """Return the parts that are whole, oldest first."""
        names = (
            [PART_PREFIX]
            if not self.is_spool or _writer_lives(self.folder)
            else [PART_PREFIX, _spool.LIVE_PREFIX]
        )
        return sorted(
            path for prefix in names for path in self.folder.glob(f"{prefix}*{PART_SUFFIX}")
        )

    def score_parts(self) -> list[Path]:
        """Return the parts of scores that are whole, oldest first."""
        if not self.is_spool:
            folder = self.folder.parent / SCORES_FOLDER
        elif _writer_lives(self.folder):
            return []  # it may still be written to
        else:
            folder = self.folder
        return sorted(folder.glob(f"{SCORES_PREFIX}*{PART_SUFFIX}"))


def find_bundles(folder: Path) -> list[Bundle]:
    """Return what can be synced below a folder: a spool, a folder of spools, an `OfflineRun`, a
    folder of experiments.

    Raises:
        SpanReadError: there is nothing.
    """
    if not folder.is_dir():
        raise SpanReadError(f"There is no folder {folder}.")
    found = [
        _spool_bundle(path) for path in [folder, *sorted(folder.glob("spool-*"))] if _is_spool(path)
    ]
    for run in _recorded_runs(folder):
        log = run / LOG_NAME
        found.append(
            Bundle(run / TRACES_FOLDER, run.parent.name, run.name, log if log.is_file() else None)
        )
    known = {bundle.log for bundle in found}
    for log in sorted(folder.rglob(LOG_NAME)):
        if log not in known:
            found.append(
                Bundle(log.parent / TRACES_FOLDER, log.parent.parent.name, log.parent.name, log)
            )
    if not found:
        raise SpanReadError(
            f"There is nothing to sync in {folder}: no run of an OfflineRun and no spool."
        )
    return found


def _recorded_runs(folder: Path) -> list[Path]:
    """Folders of runs that hold spans or scores."""
    found = [*folder.rglob(TRACES_FOLDER), *folder.rglob(SCORES_FOLDER)]
    return sorted({place.parent for place in found if EVALUATIONS_FOLDER not in place.parts})


def _is_spool(path: Path) -> bool:
    return path.is_dir() and any(
        any(path.glob(pattern))
        for pattern in (
            _spool.TARGET,
            f"{_spool.LIVE_PREFIX}*{PART_SUFFIX}",
            f"{PART_PREFIX}*{PART_SUFFIX}",
            f"{SCORES_PREFIX}*{PART_SUFFIX}",
        )
    )


def _spool_bundle(path: Path) -> Bundle:
    try:
        target = json.loads((path / _spool.TARGET).read_text())
    except (OSError, ValueError):
        target = {}
    return Bundle(path, target.get("experiment_name"), target.get("run_name"), is_spool=True)


def _writer_lives(folder: Path) -> bool:
    """Tell whether the process that writes a spool is still there, as far as can be told from its
    name on this machine.
    """
    try:
        number = int(folder.name.split("-")[1])
    except (IndexError, ValueError):
        return False
    if folder.name.split("-")[0] != "spool":
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
