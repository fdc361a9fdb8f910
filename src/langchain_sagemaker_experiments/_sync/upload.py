"""Brings what lies in folders into real Runs.

A part keeps its name, so that sending it again changes nothing; what was sent is noted beside it,
so that an interrupted sync goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._delivery.run_summary import Summary
from .._delivery.spool import default_spool_dir
from .._destinations import Destination, destination_for
from .._destinations.boto_run import BotoRun
from .._langchain_values import run_parameters
from .._reading import Problem
from .._reading.forgotten import remaining
from .._reading.parse import parse_part
from .._reading.part_places import file_tombstone, s3_tombstone
from .._record.schema import Record
from .._storage.failure_advice import explain
from .._storage.keys import (
    COMPACTED_FOLDER,
    LEDGER,
    LIVE_PREFIX,
    PARQUET_SUFFIX,
    PART_PREFIX,
    TRACES_FOLDER,
    join_folder,
)
from .._storage.regular_files import read_regular
from .._storage.tombstone import Tombstone
from ..exceptions import FlushError, SpanReadError
from .bundles import Bundle, clear, find_bundles
from .ledger import Ledger, only_sync
from .offline_log import OfflineLog

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
        left_alone: folders that were not sent, and why: somebody still writes there, another sync
            is at work, or no run is named.
    """

    runs: list[str] = field(default_factory=list)
    parts: int = 0
    spans: int = 0
    scores: int = 0
    bytes: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)
    left_alone: list[Problem] = field(default_factory=list)


def sync_offline_runs(
    folder: str | os.PathLike[str] | None = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    extra_args: Mapping[str, Any] | None = None,
    abandoned: bool = False,
    on_part: Progress = lambda name: None,
) -> SyncResult:
    """Upload what was recorded offline, or kept when a process ended, into its Runs. Safe to
    interrupt, to repeat, and to run twice at a time.

    `sync` is the older name of this function and goes on working.

    Args:
        folder: an `OfflineRun`'s folder or one above it, or a spool; this user's spools by default.
        experiment_name: instead of the one that the folder names.
        run_name: the same for the run; only for a single one.
        sagemaker_session: whose credentials to use: a boto3 Session, or one of the sagemaker SDK.
        extra_args: boto3's ExtraArgs for every upload, such as `ServerSideEncryption`.
        abandoned: also send spools whose writer ran on another machine or in another container, of
            which nobody here can tell whether it has ended. You can.
        on_part: called with the name of each part once it is done.

    Returns:
        What was done: `.runs`, `.parts`, `.spans`, `.bytes`, `.skipped` (parts sent before),
            `.problems`, `.left_alone` (folders that were not sent, and why).

    Raises:
        SpanReadError: there is nothing to sync, or it does not say into which run.
        FlushError: an upload failed. What has been sent is noted, and the next sync goes on from
            there.
    """
    bundles = find_bundles(Path(folder) if folder is not None else default_spool_dir())
    return sync_bundles(
        bundles,
        experiment_name=experiment_name,
        run_name=run_name,
        sagemaker_session=sagemaker_session,
        extra_args=extra_args,
        abandoned=abandoned,
        progress=on_part,
    )


sync = sync_offline_runs


def sync_bundles(
    bundles: list[Bundle],
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    extra_args: Mapping[str, Any] | None = None,
    abandoned: bool = False,
    progress: Progress = lambda text: None,
) -> SyncResult:
    """Upload bundles, from `find_bundles`, into their Runs; see `sync_offline_runs`."""
    if run_name is not None and len(bundles) > 1:
        raise SpanReadError(
            f"One run is named, but {len(bundles)} lie here; sync them without it, or one folder "
            "at a time."
        )
    result = SyncResult()
    for bundle in bundles:
        experiment, run = experiment_name or bundle.experiment_name, run_name or bundle.run_name
        reason = _reason_to_leave(bundle, abandoned)
        if reason is None and not (experiment and run):
            reason = (
                "does not say which run it belongs to; give --experiment and --run "
                "(experiment_name and run_name)"
            )
            if len(bundles) == 1:
                raise SpanReadError(f"{bundle.folder} {reason}.")
        if reason is not None or not experiment or not run:
            result.left_alone.append(Problem(str(bundle.folder), reason or ""))
            continue
        with only_sync(bundle.folder) as alone:
            if not alone:
                reason = "another sync is at work there"
                result.left_alone.append(Problem(str(bundle.folder), reason))
                continue
            target = _Target(experiment, run, sagemaker_session, extra_args or {})
            _sync_bundle(bundle, target, result, progress)
    return result


def _reason_to_leave(bundle: Bundle, abandoned: bool) -> str | None:
    state = bundle.writer()
    if state == "alive":
        return "the process that writes it is still there, and sends it itself"
    if state == "elsewhere" and not abandoned:
        return (
            "its writer ran on another machine or in another container, and may still be there; "
            "if it has ended, sync again with --abandoned (abandoned=True)"
        )
    return None


@dataclass(frozen=True)
class _Target:
    """Which run a bundle goes into, and how."""

    experiment: str
    run: str
    session: Any
    extra_args: Mapping[str, Any]

    def open(self) -> BotoRun:
        """Return the run, to be used in a `with`."""
        return BotoRun(self.experiment, self.run, boto_session=self.session)


def _sync_bundle(bundle: Bundle, target: _Target, result: SyncResult, progress: Progress) -> None:
    ledger = Ledger(bundle.folder)
    try:
        run = target.open()
        upload = _Upload(bundle, run, target.extra_args, ledger, result, progress)
        # A run that closes sends what waits, also after a failure: what has arrived is noted last.
        with contextlib.ExitStack() as stack:
            stack.callback(upload.note_metrics)
            stack.enter_context(run)
            upload.send_parts()
            upload.send_scores()
            log_bytes = upload.log_numbers()
        # Parameters and artifacts are sent when the run closes: only now are they there.
        ledger.note(log_bytes=log_bytes)
    except (SpanReadError, FlushError):
        raise
    except Exception as error:
        waiting = len({part.name for part in bundle.parts()} - ledger.sent)
        raise FlushError(
            f"The sync of {bundle.folder} stopped. {explain(error, 'sync again')} Nothing is lost: "
            f"{result.parts} parts have been sent, {waiting} wait in the folder."
        ) from error
    if bundle.is_spool:
        clear(bundle, ledger.sent, (LEDGER,))
    result.runs.append(f"{target.experiment}/{target.run}")


class _Upload:
    """One bundle on its way into its run."""

    def __init__(
        self,
        bundle: Bundle,
        run: BotoRun,
        extra_args: Mapping[str, Any],
        ledger: Ledger,
        result: SyncResult,
        progress: Progress,
    ) -> None:
        self._bundle = bundle
        self._run = run
        self._ledger = ledger
        self._result = result
        self._progress = progress
        self._destination: Destination = destination_for(run, extra_args)
        self._summary = Summary(run_parameters)
        self._counted: list[str] = []
        self._tombstone = _tombstone(bundle, run)
        self._is_logged = False
        self._log: OfflineLog | None = None
        if bundle.log is not None:
            self._log = OfflineLog(bundle.log, run, ledger, result.problems, extra_args)

    def send_parts(self) -> None:
        """Upload parts that have not arrived before, and count what has not been counted."""
        self._result.problems += self._bundle.faults()
        for part in self._bundle.parts():
            is_sent, is_counted = part.name in self._ledger.sent, part.name in self._ledger.counted
            self._result.skipped += is_sent
            if not (is_sent and is_counted):
                data = self._contents(part)
                records = parse_part(str(part), data, self._result.problems)
                if not is_counted:
                    self._count(part.name, records)
                if not is_sent:
                    self._send(part.name, data, len(records))
            self._progress(part.name)
        compacted = len(list((self._bundle.folder / COMPACTED_FOLDER).rglob(f"*{PARQUET_SUFFIX}")))
        if compacted:
            why = (
                f"{compacted} Parquet files are not sent, sync sends parts: what was compacted "
                "before it was synced stays here"
            )
            place = str(self._bundle.folder / COMPACTED_FOLDER)
            self._result.problems.append(Problem(place, why))

    def _contents(self, part: Path) -> bytes:
        """The whole lines of a part, without what was forgotten in its run."""
        data = _whole_lines(read_regular(part))
        return data if self._tombstone is None else remaining(part.name, data, self._tombstone)

    def _send(self, name: str, data: bytes, spans: int) -> None:
        if data:
            # A live file becomes a part, under the same name at each try.
            part_name = name.replace(LIVE_PREFIX, PART_PREFIX, 1)
            self._destination.register(self._destination.write(part_name, data))
        self._ledger.note(part=name, bytes=len(data))
        self._result.parts += 1
        self._result.spans += spans
        self._result.bytes += len(data)

    def _count(self, name: str, records: list[Record]) -> None:
        self._counted.append(name)
        for record in records:
            if record["status"] != "running":
                self._summary.add({**record, "attributes": record["attributes"] or {}})

    def send_scores(self) -> None:
        """Upload parts of scores that have not arrived before."""
        for part in self._bundle.score_parts():
            if part.name in self._ledger.sent:
                self._result.skipped += 1
            else:
                data = self._contents(part)
                if data:
                    self._destination.write_scores(part.name, data)
                self._ledger.note(part=part.name, bytes=len(data))
                self._result.parts += 1
                self._result.scores += data.count(b"\n")
                self._result.bytes += len(data)
            self._progress(part.name)

    def log_numbers(self) -> int:
        """Log parameters and metrics once; return how many bytes of an `OfflineRun`'s log are
        done.
        """
        if self._log is not None:
            return self._log.replay()
        parameters = self._summary.parameters(self._destination.parameters())
        if parameters:
            self._destination.log_parameters(parameters)
        metrics = self._summary.metrics()
        self._is_logged = True
        if metrics:
            self._destination.log_metrics(metrics, 0)
        return 0

    def note_metrics(self) -> None:
        """Note the metrics that SageMaker has taken, so that no sync logs them again."""
        if self._log is not None:
            self._log.note_sent()
        elif self._is_logged and self._counted and not self._run.waiting_metrics:
            self._ledger.note(counted=self._counted)


def _tombstone(bundle: Bundle, run: BotoRun) -> Tombstone | None:
    """What was forgotten in the run, and in the folder itself."""
    bucket, folder = run.place()
    forgotten = s3_tombstone(run.s3_client, bucket, join_folder(folder, TRACES_FOLDER))
    here = file_tombstone(str(bundle.folder))
    if forgotten is None or here is None:
        return forgotten or here
    forgotten.add(here)
    return forgotten


def _whole_lines(data: bytes) -> bytes:
    """Bytes up to the last line end: what follows was torn by the end of the process that wrote
    it.
    """
    return data[: data.rfind(b"\n") + 1]
