"""A run in a folder: the interface of a SageMaker `Run`, the same layout, and no AWS at all."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import orjson

from .._storage.append_logs import LogPosition, append_line, read_lines
from .._storage.atomic_files import write_file
from .._storage.keys import ARTIFACTS_FOLDER, RUN_LOG, SCORES_FOLDER, TRACES_FOLDER
from .base import Parameter
from .run_limits import bounded_parameters
from .user_texts import masked_parameters, masked_text, status_message

_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_MAX_NAME: Final = 59
"""What the SDK allows for a run's and an experiment's name: together, with a hyphen, they must fit
SageMaker's 120 characters.
"""

_open_runs: list[OfflineRun] = []


class OfflineRun:
    """Records a run in a folder; `sagemaker-traces sync` brings it into a real Run later.

    It offers what a SageMaker `Run` offers for logging, may be used in a `with` like one, and any
    number of processes may log to one run at a time.

    Args:
        folder: where experiments lie; this run lies in `{folder}/{experiment_name}/{run_name}`.
        experiment_name: 1 to 59 letters, digits and hyphens, as SageMaker wants it.
        run_name: the same.

    Raises:
        ValueError: a name that SageMaker would refuse later.

    Example:
        >>> from langchain_sagemaker_experiments import OfflineRun
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     run.log_parameter("prompt_version", 3)
        >>> run.path.as_posix()
        'runs/jokes/first'
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, experiment_name: str, run_name: str
    ) -> None:
        self.experiment_name = _checked("experiment_name", experiment_name)
        self.run_name = _checked("run_name", run_name)
        self.path = Path(folder).expanduser() / self.experiment_name / self.run_name
        """The run's own folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        # The parameters that any process had logged up to a place in the log; one value, so that
        # threads never see the two apart.
        self._read_so_far: tuple[LogPosition, dict[str, Parameter]] = (LogPosition(), {})

    def __repr__(self) -> str:
        return (
            f"OfflineRun(experiment_name={self.experiment_name!r}, run_name={self.run_name!r}, "
            f"path={str(self.path)!r})"
        )

    def __enter__(self) -> OfflineRun:
        _open_runs.append(self)
        self._log("status", status="InProgress")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self in _open_runs:
            _open_runs.remove(self)
        self.close()
        self._log(
            "status",
            status="Failed" if error else "Completed",
            message=status_message(error) if error else None,
        )

    def close(self) -> None:
        """Send what handlers of this run still hold. The run itself holds nothing back."""

    def log_parameter(self, name: str, value: Parameter) -> None:
        """Record one parameter; a later value of the same name wins."""
        self.log_parameters({name: value})

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Record parameters: names to text or numbers. Secrets are masked."""
        for name, value in bounded_parameters(
            masked_parameters(parameters), self.parameters()
        ).items():
            self._log("parameter", name=name, value=value)

    def log_metric(
        self,
        name: str,
        value: float,
        timestamp: datetime.datetime | None = None,
        step: int | None = None,
    ) -> None:
        """Record one value of a metric, at `timestamp` (default: now) and `step`."""
        when = (timestamp or datetime.datetime.now(datetime.timezone.utc)).timestamp()
        self._log("metric", name=masked_text(name), value=float(value), timestamp=when, step=step)

    def log_artifact(
        self, name: str, value: str, media_type: str | None = None, is_output: bool = True
    ) -> None:
        """Record an address as an artifact. Secrets in it are masked."""
        self._log(
            "artifact",
            name=masked_text(name),
            value=masked_text(value),
            media_type=media_type,
            is_output=is_output,
        )

    def log_file(
        self,
        file_path: str,
        name: str | None = None,
        media_type: str | None = None,
        is_output: bool = True,
        extra_args: Mapping[str, Any] | None = None,
    ) -> None:
        """Copy a file into the run's folder and record it as an artifact; `sync` uploads it.

        Raises:
            ValueError: there is no such file.
        """
        source = Path(file_path).expanduser()
        if not source.is_file():
            raise ValueError(f"{source} does not exist or is not a file, so it was not logged.")
        target = self.path / ARTIFACTS_FOLDER / source.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
        self._log(
            "file",
            name=name or source.name,
            file=source.name,
            media_type=media_type,
            is_output=is_output,
        )

    def entries(self) -> Iterator[dict[str, Any]]:
        """Return what was logged, oldest first; a line torn by a crash is passed over."""
        return read_lines(self.path / RUN_LOG)

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters recorded so far, of all processes."""
        position, parameters = self._read_so_far
        entries, behind = position.read(self.path / RUN_LOG)
        same_file = behind.inode == position.inode and behind.offset >= position.offset
        found = {
            **(parameters if same_file else {}),
            **dict(filter(None, map(_parameter_of, entries))),
        }
        self._read_so_far = behind, found
        return dict(found)

    def _log(self, entry: str, **fields: Any) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        append_line(self.path / RUN_LOG, orjson.dumps({"entry": entry, "logged_at": now, **fields}))


def _parameter_of(entry: Mapping[str, Any]) -> tuple[str, Parameter] | None:
    name, value = entry.get("name"), entry.get("value")
    if entry.get("entry") != "parameter" or not isinstance(name, str):
        return None
    return (name, value) if isinstance(value, (str, int, float)) else None


def _checked(what: str, name: str) -> str:
    if not isinstance(name, str) or len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} is no name SageMaker would take: it must be 1 to {_MAX_NAME} "
            f"letters, digits and hyphens, "
            "beginning and ending with a letter or digit."
        )
    return name.lower()


def surrounding_offline_run() -> OfflineRun | None:
    """Return the `OfflineRun` whose `with` surrounds us, the innermost one."""
    return _open_runs[-1] if _open_runs else None


class OfflineDestination:
    """Writes the parts of an `OfflineRun` into its folder."""

    workers = 1

    def __init__(self, run: OfflineRun) -> None:
        self._run = run
        self.faults: dict[str, int] = {}

    def check(self) -> None:
        """A folder takes records at any time."""

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Write one part and return its path."""
        return self._write_in(TRACES_FOLDER, name, data)

    def address_of(self, name: str) -> str:
        """Return where a part of this name lies once it is stored."""
        return str(self._run.path / TRACES_FOLDER / name)

    def read(self, uri: str) -> bytes:
        """Return the bytes of a part that was stored."""
        return Path(uri).read_bytes()

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Write a part of scores and return its path."""
        return self._write_in(SCORES_FOLDER, name, data)

    def _write_in(self, folder_name: str, name: str, data: bytes | bytearray) -> str:
        folder = self._run.path / folder_name
        folder.mkdir(parents=True, exist_ok=True)
        return str(write_file(folder / name, data))

    def register(self, uri: str) -> None:
        """Nothing to do: the parts are found by their place."""

    def write_file(self, name: str, data: bytes, artifact: str, media_type: str) -> str:
        """Write the file into the run's folder and record it, for `sync` to upload."""
        with tempfile.TemporaryDirectory(prefix="langchain-traces-") as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            self._run.log_file(str(path), name=artifact, media_type=media_type)
        return str(self._run.path / ARTIFACTS_FOLDER / name)

    def parameters(self) -> Mapping[str, Parameter]:
        """Return the run's parameters."""
        return self._run.parameters()

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Record parameters."""
        self._run.log_parameters(parameters)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics."""
        for name, value in metrics.items():
            self._run.log_metric(name, value, step=step)

    def target(self) -> dict[str, object]:
        """Return the names of the experiment and the run."""
        return {"experiment_name": self._run.experiment_name, "run_name": self._run.run_name}
