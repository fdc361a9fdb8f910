"""Brings what lies in folders into real Runs.

A part keeps its name, so that sending it again changes nothing; what was sent is noted beside it,
so that an interrupted sync goes on where it stopped.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from .._delivery import spool as _spool
from .._delivery.run_summary import Summary
from .._destinations import Destination, destination_for
from .._destinations.boto_run import BotoRun
from .._destinations.offline_run import ARTIFACTS_FOLDER
from .._langchain_values import run_parameters
from .._reading import Problem
from .._reading.parse import parse_part
from .._storage.append_logs import LogPosition, append_line, read_lines
from .._storage.failure_advice import explain
from .._storage.keys import COMPACTED_FOLDER, PARQUET_SUFFIX, PART_PREFIX, PART_SUFFIX
from ..exceptions import FlushError, SpanReadError
from .bundles import Bundle, find_bundles

LEDGER: Final = ".synced.jsonl"
"""Notes what has been sent from a folder, one JSON object a line."""

_METRIC_AGE: Final = datetime.timedelta(days=13)
"""SageMaker takes metrics of the last two weeks (`_metrics.py` of the SDK); older ones are logged
with today's time.
"""

Progress = Callable[[str], None]


@dataclass
class SyncResult:
    """What a sync did.

    Attributes:
        runs: `experiment/run` of each run written to.
        parts: parts uploaded.
        spans: span records in them.
        scores: scores uploaded.
        bytes: their size.
        skipped: parts that had been sent before.
        problems: what could not be read of them; it was uploaded as far as it is whole.
    """

    runs: list[str] = field(default_factory=list)
    parts: int = 0
    spans: int = 0
    scores: int = 0
    bytes: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)


def sync(
    folder: str | os.PathLike[str] | None = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    extra_args: Mapping[str, Any] | None = None,
    on_part: Progress = lambda name: None,
) -> SyncResult:
    """Upload what was recorded offline, or kept when a process ended, into its Runs. Safe to
    interrupt and to repeat.

    Args:
        folder: an `OfflineRun`'s folder or one above it, or a spool; this user's spools by default.
        experiment_name: instead of the one that the folder names.
        run_name: the same for the run; only for a single one.
        sagemaker_session: whose credentials to use: a boto3 Session, or one of the sagemaker SDK.
        extra_args: boto3's ExtraArgs for every upload, such as `ServerSideEncryption`.
        on_part: called with the name of each part once it is done.

    Returns:
        What was done: `.runs`, `.parts`, `.spans`, `.bytes`, `.skipped` (parts sent before),
            `.problems`.

    Raises:
        SpanReadError: there is nothing to sync, or it does not say into which run.
        FlushError: an upload failed. What has been sent is noted, and the next sync goes on from
            there.
    """
    bundles = find_bundles(Path(folder) if folder is not None else _spool.default_spool_dir())
    return sync_bundles(
        bundles,
        experiment_name=experiment_name,
        run_name=run_name,
        sagemaker_session=sagemaker_session,
        extra_args=extra_args,
        progress=on_part,
    )


def sync_bundles(
    bundles: list[Bundle],
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    extra_args: Mapping[str, Any] | None = None,
    progress: Progress = lambda text: None,
) -> SyncResult:
    """Upload bundles into their Runs.

    Args:
        bundles: from `find_bundles`.
        experiment_name: instead of the one a bundle names.
        run_name: the same for the run; only for a single one.
        sagemaker_session: whose credentials to use: a boto3 Session, or one of the sagemaker SDK.
        extra_args: boto3's ExtraArgs for every upload, such as `ServerSideEncryption`.
        progress: called after each part with the part's name.

    Raises:
        SpanReadError: a bundle names no run and none was given.
        FlushError: an upload failed; what has been sent is noted, and the next sync goes on from
            there.
    """
    if run_name is not None and len(bundles) > 1:
        raise SpanReadError(
            f"One run is named, but {len(bundles)} lie here; sync them without it, or one folder at a time."
        )
    result = SyncResult()
    for bundle in bundles:
        experiment, run = experiment_name or bundle.experiment_name, run_name or bundle.run_name
        if not experiment or not run:
            raise SpanReadError(
                f"{bundle.folder} does not say which run it belongs to; give --experiment and --run (experiment_name and run_name)."
            )
        try:
            with BotoRun(experiment, run, boto_session=sagemaker_session) as real:
                done = _sync_bundle(bundle, real, result, progress, extra_args or {})
            # The SDK sends parameters and metrics when the Run closes: only now are they there.
            _note(bundle.folder, done)
        except (SpanReadError, FlushError):
            raise
        except Exception as error:
            waiting = len(bundle.parts()) - len(_sent(bundle.folder))
            raise FlushError(
                f"The sync of {bundle.folder} stopped. {explain(error, 'sync again')} Nothing is lost: "
                f"{result.parts} parts have been sent, {max(waiting, 0)} wait in the folder."
            ) from error
        if bundle.is_spool:
            _clear(bundle)
        result.runs.append(f"{experiment}/{run}")
    return result


def _sync_bundle(
    bundle: Bundle,
    run: BotoRun,
    result: SyncResult,
    progress: Progress,
    extra_args: Mapping[str, Any],
) -> dict[str, Any]:
    """Upload and log what has not been before; return what the ledger may say of it once the Run
    has closed.
    """
    destination = destination_for(run, extra_args)
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
                destination.register(
                    destination.write(part.name.replace(_spool.LIVE_PREFIX, PART_PREFIX, 1), data)
                )
            _note(bundle.folder, {"part": part.name, "bytes": len(data)})
            result.parts += 1
            result.spans += len(records)
            result.bytes += len(data)
        progress(part.name)
    _send_scores(bundle, destination, sent, result, progress)
    compacted = len(list((bundle.folder / COMPACTED_FOLDER).rglob(f"*{PARQUET_SUFFIX}")))
    if compacted:
        why = f"{compacted} Parquet files are not sent, sync sends parts: what was compacted before it was synced stays here"
        result.problems.append(Problem(str(bundle.folder / COMPACTED_FOLDER), why))
    done: dict[str, Any] = {"counted": [part.name for part in parts]}
    if bundle.log is not None:
        done["log_bytes"] = _replay(bundle, run, extra_args)
    else:
        _log_numbers(destination, summary)
    return done


def _send_scores(
    bundle: Bundle,
    destination: Destination,
    sent: set[str],
    result: SyncResult,
    progress: Progress,
) -> None:
    for part in bundle.score_parts():
        if part.name in sent:
            result.skipped += 1
        else:
            data = _whole_lines(part.read_bytes())
            if data:
                destination.write_scores(part.name, data)
            _note(bundle.folder, {"part": part.name, "bytes": len(data)})
            result.parts += 1
            result.scores += data.count(b"\n")
            result.bytes += len(data)
        progress(part.name)


def _whole_lines(data: bytes) -> bytes:
    """Bytes up to the last line end: what follows was torn by the end of the process that wrote
    it.
    """
    return data[: data.rfind(b"\n") + 1]


def _count(records: list[dict[str, Any]], summary: Summary) -> None:
    for record in records:
        if record["status"] != "running":
            summary.add({**record, "attributes": record["attributes"] or {}})


def _log_numbers(destination: Destination, summary: Summary) -> None:
    parameters = summary.parameters(destination.parameters())
    if parameters:
        destination.log_parameters(parameters)
    metrics = summary.metrics()
    if metrics:
        destination.log_metrics(metrics, 0)


def _replay(bundle: Bundle, run: BotoRun, extra_args: Mapping[str, Any]) -> int:
    """Log an `OfflineRun`'s parameters, metrics and artifacts that have not been logged before;
    return how many bytes of its log are done.
    """
    done = max((entry.get("log_bytes", 0) for entry in _ledger(bundle.folder)), default=0)
    if bundle.log is None:
        return done
    entries, behind = LogPosition(done).read(bundle.log)
    for entry in entries:
        _replay_entry(entry, bundle.folder.parent, run, extra_args)
    return behind.offset


def _replay_entry(
    entry: dict[str, Any], folder: Path, run: BotoRun, extra_args: Mapping[str, Any]
) -> None:
    kind = entry.get("entry")
    if kind == "parameter":
        run.log_parameter(entry["name"], entry["value"])
    elif kind == "metric":
        when = datetime.datetime.fromtimestamp(entry["timestamp"], datetime.timezone.utc)
        now = datetime.datetime.now(datetime.timezone.utc)
        step = entry["step"] if entry["step"] is not None else 0
        run.log_metric(
            entry["name"], entry["value"], timestamp=max(when, now - _METRIC_AGE), step=step
        )
    elif kind == "artifact":
        run.log_artifact(
            entry["name"],
            entry["value"],
            media_type=entry["media_type"],
            is_output=entry["is_output"],
        )
    elif kind == "file":
        # Only the name's last part counts: a log from elsewhere can't make us read files outside
        # its folder.
        path = folder / ARTIFACTS_FOLDER / Path(entry["file"]).name
        run.log_file(
            str(path),
            name=entry["name"],
            media_type=entry["media_type"],
            is_output=entry["is_output"],
            extra_args=extra_args,
        )


# --- the ledger -----------------------------------------------------------------------------------
def _ledger(folder: Path) -> Iterator[dict[str, Any]]:
    return read_lines(folder / LEDGER)


def _sent(folder: Path) -> set[str]:
    return {entry["part"] for entry in _ledger(folder) if "part" in entry}


def _note(folder: Path, entry: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entry["by"] = socket.gethostname()
    append_line(folder / LEDGER, orjson.dumps(entry))


def _clear(bundle: Bundle) -> None:
    """Remove a spool whose parts have all arrived; one that is still written to keeps its live
    file.
    """
    sent = _sent(bundle.folder)
    for part in (*bundle.parts(), *bundle.score_parts()):
        if part.name in sent:
            part.unlink(missing_ok=True)
    if not any(bundle.folder.glob(f"*{PART_SUFFIX}")) or all(
        path.name == LEDGER for path in bundle.folder.glob(f"*{PART_SUFFIX}")
    ):
        for name in (LEDGER, _spool.TARGET):
            (bundle.folder / name).unlink(missing_ok=True)
        if not any(bundle.folder.iterdir()):
            bundle.folder.rmdir()
