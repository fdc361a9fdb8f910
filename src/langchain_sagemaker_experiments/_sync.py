"""Brings what lies in folders into real Runs: `OfflineRun`s, and spools of processes that could not upload before they ended.

A part keeps its name, so that sending it again changes nothing; what was sent is noted beside it, so that an interrupted sync
goes on where it stopped.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from . import _spool
from ._compacted import ENDING, FOLDER
from ._destinations import Destination, destination_for
from ._destinations._offline import ARTIFACTS_FOLDER, LOG_NAME
from ._failures import explain
from ._layout import PART_PREFIX, PART_SUFFIX, TRACES_FOLDER
from ._reading._parse import Problem, parse_part
from ._sdk import load_sdk
from ._summary import Summary
from ._values import run_parameters
from .exceptions import FlushError, SpanReadError

LEDGER: Final = ".synced.jsonl"
"""Notes what has been sent from a folder, one JSON object a line."""

_METRIC_AGE: Final = datetime.timedelta(days=13)
"""SageMaker takes metrics of the last two weeks (`_metrics.py` of the SDK); older ones are logged with today's time."""

Progress = Callable[[str], None]


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
        names = [PART_PREFIX] if not self.is_spool or _writer_lives(self.folder) else [PART_PREFIX, _spool.LIVE_PREFIX]
        return sorted(path for prefix in names for path in self.folder.glob(f"{prefix}*{PART_SUFFIX}"))


@dataclass
class SyncResult:
    """What a sync did.

    Attributes:
        runs: `experiment/run` of each run written to.
        parts: parts uploaded.
        spans: span records in them.
        bytes: their size.
        skipped: parts that had been sent before.
        problems: what could not be read of them; it was uploaded as far as it is whole.
    """

    runs: list[str] = field(default_factory=list)
    parts: int = 0
    spans: int = 0
    bytes: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)


def find_bundles(folder: Path) -> list[Bundle]:
    """Return what can be synced below a folder: a spool, a folder of spools, an `OfflineRun`, a folder of experiments.

    Raises:
        SpanReadError: there is nothing.
    """
    if not folder.is_dir():
        raise SpanReadError(f"There is no folder {folder}.")
    found = [_spool_bundle(path) for path in [folder, *sorted(folder.glob("spool-*"))] if _is_spool(path)]
    for traces in sorted(folder.rglob(TRACES_FOLDER)):
        run = traces.parent
        log = run / LOG_NAME
        found.append(Bundle(traces, run.parent.name, run.name, log if log.is_file() else None))
    known = {bundle.log for bundle in found}
    for log in sorted(folder.rglob(LOG_NAME)):
        if log not in known:
            found.append(Bundle(log.parent / TRACES_FOLDER, log.parent.parent.name, log.parent.name, log))
    if not found:
        raise SpanReadError(f"There is nothing to sync in {folder}: no run of an OfflineRun and no spool.")
    return found


def _is_spool(path: Path) -> bool:
    return path.is_dir() and any(
        any(path.glob(pattern))
        for pattern in (_spool.TARGET, f"{_spool.LIVE_PREFIX}*{PART_SUFFIX}", f"{PART_PREFIX}*{PART_SUFFIX}")
    )


def _spool_bundle(path: Path) -> Bundle:
    try:
        target = json.loads((path / _spool.TARGET).read_text())
    except (OSError, ValueError):
        target = {}
    return Bundle(path, target.get("experiment_name"), target.get("run_name"), is_spool=True)


def _writer_lives(folder: Path) -> bool:
    """Tell whether the process that writes a spool is still there, as far as can be told from its name on this machine."""
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


def sync(
    bundles: list[Bundle],
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    progress: Progress = lambda text: None,
) -> SyncResult:
    """Upload bundles into their Runs.

    Args:
        bundles: from `find_bundles`.
        experiment_name: instead of the one a bundle names.
        run_name: the same for the run; only for a single one.
        sagemaker_session: whose credentials to use.
        progress: called after each part with the part's name.

    Raises:
        SpanReadError: a bundle names no run and none was given.
        FlushError: an upload failed; what has been sent is noted, and the next sync goes on from there.
    """
    sdk = load_sdk("sync")
    result = SyncResult()
    for bundle in bundles:
        experiment, run = experiment_name or bundle.experiment_name, run_name or bundle.run_name
        if not experiment or not run:
            raise SpanReadError(f"{bundle.folder} does not say which run it belongs to; give --experiment and --run.")
        try:
            with sdk.Run(experiment_name=experiment, run_name=run, sagemaker_session=sagemaker_session) as real:
                done = _sync_bundle(bundle, real, result, progress)
            # The SDK sends parameters and metrics when the Run closes: only now are they there.
            _note(bundle.folder, done)
        except (SpanReadError, FlushError):
            raise
        except Exception as error:
            waiting = len(bundle.parts()) - len(_sent(bundle.folder))
            raise FlushError(
                f"The sync of {bundle.folder} stopped. {explain(error, 'run the same command again')} Nothing is lost: "
                f"{result.parts} parts have been sent, {max(waiting, 0)} wait in the folder."
            ) from error
        if bundle.is_spool:
            _clear(bundle)
        result.runs.append(f"{experiment}/{run}")
    return result


def _sync_bundle(bundle: Bundle, run: Any, result: SyncResult, progress: Progress) -> dict[str, Any]:
    """Upload and log what has not been before; return what the ledger may say of it once the Run has closed."""
    destination = destination_for(run)
    sent = _sent(bundle.folder)
    counted = {name for entry in _ledger(bundle.folder) for name in entry.get("counted", ())}
    summary = Summary(run_parameters)
    parts = bundle.parts()
    for part in parts:
        if part.name in sent and part.name in counted:
            result.skipped += 1
            progress(part.name)
            continue
        data = _whole_lines(part.read_bytes())
        records = parse_part(str(part), data, result.problems)
        _count(records, summary)
        if part.name in sent:
            result.skipped += 1
        else:
            if data:
                # A live file becomes a part, under the same name at each try.
                destination.register(destination.write(part.name.replace(_spool.LIVE_PREFIX, PART_PREFIX, 1), data))
            _note(bundle.folder, {"part": part.name, "bytes": len(data)})
            result.parts += 1
            result.spans += len(records)
            result.bytes += len(data)
        progress(part.name)
    compacted = len(list((bundle.folder / FOLDER).rglob(f"*{ENDING}")))
    if compacted:
        why = f"{compacted} Parquet files are not sent, sync sends parts: what was compacted before it was synced stays here"
        result.problems.append(Problem(str(bundle.folder / FOLDER), why))
    done: dict[str, Any] = {"counted": [part.name for part in parts]}
    if bundle.log is not None:
        done["log_lines"] = _replay(bundle, run)
    else:
        _log_numbers(destination, summary)
    return done


def _whole_lines(data: bytes) -> bytes:
    """Bytes up to the last line end: what follows was torn by the end of the process that wrote it."""
    return data[: data.rfind(b"\n") + 1]


def _count(records: list[dict[str, Any]], summary: Summary) -> None:
    for record in records:
        if record["status"] != "running":
            summary.add({"attributes": {}, "parent_span_id": None, "duration_ms": None, **record})


def _log_numbers(destination: Destination, summary: Summary) -> None:
    parameters = summary.parameters(destination.parameters())
    if parameters:
        destination.log_parameters(parameters)
    metrics = summary.metrics()
    if metrics:
        destination.log_metrics(metrics, 0)


def _replay(bundle: Bundle, run: Any) -> int:
    """Log an `OfflineRun`'s parameters, metrics and artifacts that have not been logged before; return how many lines it has."""
    done = max((entry.get("log_lines", 0) for entry in _ledger(bundle.folder)), default=0)
    if bundle.log is None:
        return done
    for entry in _spool.read_lines(bundle.log, done):
        _replay_entry(entry, bundle.folder.parent, run)
    return len(bundle.log.read_bytes().splitlines())


def _replay_entry(entry: dict[str, Any], folder: Path, run: Any) -> None:
    kind = entry.get("entry")
    if kind == "parameter":
        run.log_parameter(entry["name"], entry["value"])
    elif kind == "metric":
        when = datetime.datetime.fromtimestamp(entry["timestamp"], datetime.timezone.utc)
        now = datetime.datetime.now(datetime.timezone.utc)
        step = entry["step"] if entry["step"] is not None else 0
        run.log_metric(entry["name"], entry["value"], timestamp=max(when, now - _METRIC_AGE), step=step)
    elif kind == "artifact":
        run.log_artifact(entry["name"], entry["value"], media_type=entry["media_type"], is_output=entry["is_output"])
    elif kind == "file":
        # Only the name's last part counts: a log from elsewhere can't make us read files outside its folder.
        path = folder / ARTIFACTS_FOLDER / Path(entry["file"]).name
        run.log_file(str(path), name=entry["name"], media_type=entry["media_type"], is_output=entry["is_output"])


# --- the ledger -----------------------------------------------------------------------------------------------------
def _ledger(folder: Path) -> Iterator[dict[str, Any]]:
    return _spool.read_lines(folder / LEDGER)


def _sent(folder: Path) -> set[str]:
    return {entry["part"] for entry in _ledger(folder) if "part" in entry}


def _note(folder: Path, entry: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entry["by"] = socket.gethostname()
    _spool.append_line(folder / LEDGER, orjson.dumps(entry))


def _clear(bundle: Bundle) -> None:
    """Remove a spool whose parts have all arrived; one that is still written to keeps its live file."""
    sent = _sent(bundle.folder)
    for part in bundle.parts():
        if part.name in sent:
            part.unlink(missing_ok=True)
    if not any(bundle.folder.glob(f"*{PART_SUFFIX}")) or all(path.name == LEDGER for path in bundle.folder.glob(f"*{PART_SUFFIX}")):
        for name in (LEDGER, _spool.TARGET):
            (bundle.folder / name).unlink(missing_ok=True)
        if not any(bundle.folder.iterdir()):
            bundle.folder.rmdir()
