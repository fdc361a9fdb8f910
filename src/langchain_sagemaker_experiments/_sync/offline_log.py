"""An `OfflineRun`'s log, logged into a real run: parameters, metrics, artifacts, files.

Parameters and artifacts may be logged twice, the later value is the same. Metrics may not: how far
they have been sent is noted after each request.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from .._destinations.boto_run import BotoRun
from .._reading import Problem
from .._record.limits import MAX_METRICS_PER_CALL
from .._storage.append_logs import read_entries
from .._storage.keys import ARTIFACTS_FOLDER, is_bare_name
from ..exceptions import TrackerError
from .ledger import Ledger

_METRIC_AGE: Final = datetime.timedelta(days=13)
"""SageMaker takes metrics of the last two weeks (`_metrics.py` of the SDK); older ones are logged
with today's time.
"""


class OfflineLog:
    """Logs what an `OfflineRun` noted into a real run.

    Args:
        path: the log.
        run: the real run.
        ledger: what has been done before.
        problems: takes the lines that say nothing a run can take.
        extra_args: boto3's ExtraArgs for files.
    """

    def __init__(
        self,
        path: Path,
        run: BotoRun,
        ledger: Ledger,
        problems: list[Problem],
        extra_args: Mapping[str, Any],
    ) -> None:
        self._path = path
        self._run = run
        self._ledger = ledger
        self._problems = problems
        self._extra_args = extra_args
        self._unnoted: list[int] = []
        """Ends of the lines of metrics that were logged, and are not noted as sent."""

    def replay(self) -> int:
        """Log what has not been logged before; return how many bytes of the log are done.

        Raises:
            ClientError: AWS refused something; what was sent is noted.
        """
        end = self._ledger.log_bytes
        for end, entry in read_entries(self._path, self._ledger.log_bytes):
            try:
                self._log(entry, end)
            except (KeyError, TypeError, ValueError, OverflowError, TrackerError) as error:
                what = f"what stands before byte {end:,} can't be logged"
                self._problems.append(Problem(str(self._path), f"{what} ({error})"))
        self._run.send_metrics()
        self.note_sent()
        return end

    def note_sent(self) -> None:
        """Note the metrics that SageMaker has taken, so that no sync logs them again."""
        taken = self._unnoted[: max(len(self._unnoted) - self._run.waiting_metrics, 0)]
        if taken:
            self._unnoted = self._unnoted[len(taken) :]
            self._ledger.note(metric_bytes=taken[-1])

    def _log(self, entry: dict[str, Any], end: int) -> None:
        kind = entry.get("entry")
        if kind == "parameter":
            self._run.log_parameter(_text(entry, "name"), _parameter(entry["value"]))
        elif kind == "metric" and end > self._ledger.metric_bytes:
            self._log_metric(entry, end)
        elif kind == "artifact":
            self._run.log_artifact(
                _text(entry, "name"),
                _text(entry, "value"),
                media_type=_text_or_none(entry, "media_type"),
                is_output=entry.get("is_output") is not False,
            )
        elif kind == "file":
            self._log_file(entry)

    def _log_metric(self, entry: dict[str, Any], end: int) -> None:
        value, moment, step = entry["value"], entry["timestamp"], entry.get("step")
        if type(value) not in (int, float) or type(moment) not in (int, float):
            raise ValueError("a metric whose value or time is no number")
        when = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
        now = datetime.datetime.now(datetime.timezone.utc)
        when = min(max(when, now - _METRIC_AGE), now)
        name = _text(entry, "name")
        before = self._run.waiting_metrics
        try:
            self._run.log_metric(name, value, timestamp=when, step=step or 0)
        except (ClientError, BotoCoreError, TrackerError):
            self._unnoted.append(end)  # it waits in the run, or was refused for good
            raise
        if self._run.waiting_metrics != before:
            self._unnoted.append(end)
        if len(self._unnoted) >= MAX_METRICS_PER_CALL:
            self.note_sent()

    def _log_file(self, entry: dict[str, Any]) -> None:
        """Upload a file that lies among the run's artifacts; a log from elsewhere can't make us
        send any other.
        """
        name = entry["file"]
        path = self._path.parent / ARTIFACTS_FOLDER / str(name)
        if not is_bare_name(name) or path.is_symlink() or path.parent.is_symlink():
            raise ValueError(f"{name!r:.80} is not the name of a file in {ARTIFACTS_FOLDER}")
        self._run.log_file(
            str(path),
            name=_text(entry, "name"),
            media_type=_text_or_none(entry, "media_type"),
            is_output=entry.get("is_output") is not False,
            extra_args=self._extra_args,
        )


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _text_or_none(entry: Mapping[str, Any], name: str) -> str | None:
    return _text(entry, name) if entry.get(name) is not None else None


def _parameter(value: object) -> str | int | float:
    if not isinstance(value, (str, int, float)):
        raise ValueError("a parameter that is neither text nor a number")
    return value
