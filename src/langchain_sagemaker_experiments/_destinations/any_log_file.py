"""Any object that offers `log_file`: each part is written to a temporary file and handed over."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from .._storage.keys import ARTIFACT_NAME, MEDIA_TYPE, SCORES_FOLDER
from .base import Parameter
from .run_limits import bounded_parameters


class LogFileDestination:
    """Hands parts to `run.log_file`, and parameters and metrics to the methods the object has.

    Args:
        run: an object with `log_file(file_path, ...)`; `log_parameters` and `log_metric` are used
            where they are offered.
        extra_args: passed on to a `log_file` that takes `extra_args`.
    """

    workers = 1

    def __init__(self, run: Any, extra_args: Mapping[str, Any] | None = None) -> None:
        self._run = run
        self._extra_args = dict(extra_args or {})
        self._logged: dict[str, Parameter] = {}
        self.faults: dict[str, int] = {}

    def check(self) -> None:
        """Nothing to check: what the object refuses it refuses when called."""

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Write the part to a temporary file and give it to `log_file`; the file is gone
        afterwards.
        """
        # log_file names its S3 key after the file, so the name says what it is.
        return self.write_file(f"{ARTIFACT_NAME}-{name}", data, ARTIFACT_NAME, MEDIA_TYPE)

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Do the same with a part of scores; its file and artifact are named after them."""
        return self.write_file(f"{SCORES_FOLDER}-{name}", data, SCORES_FOLDER, MEDIA_TYPE)

    def register(self, uri: str) -> None:
        """Nothing to do: `log_file` has done it."""

    def write_file(self, name: str, data: bytes | bytearray, artifact: str, media_type: str) -> str:
        """Do the same with a file that is no part."""
        with tempfile.TemporaryDirectory(prefix="langchain-traces-") as folder:
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            options: dict[str, Any] = {"name": artifact, "media_type": media_type}
            if self._extra_args:
                options["extra_args"] = self._extra_args
            result = _call(self._run.log_file, path, **options)
        return result if isinstance(result, str) else name

    def parameters(self) -> Mapping[str, Parameter]:
        """Return the parameters logged through this handler; the object's own can't be asked
        for.
        """
        return self._logged

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Call `log_parameters` if the object has it."""
        accepted = bounded_parameters(parameters, self._logged)
        method = getattr(self._run, "log_parameters", None)
        if callable(method) and accepted:
            method(accepted)
            self._logged.update(accepted)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Call `log_metric` for each metric if the object has it."""
        method = getattr(self._run, "log_metric", None)
        if callable(method):
            for name, value in metrics.items():
                _call(method, name=name, value=value, step=step)

    def target(self) -> dict[str, object]:
        """Return the object's names, where it has some."""
        names = {name: getattr(self._run, name, None) for name in ("experiment_name", "run_name")}
        return {name: value for name, value in names.items() if isinstance(value, str)}


def _call(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a method with those of the options that it takes."""
    try:
        accepted = inspect.signature(method).parameters
    except (TypeError, ValueError):
        return method(*args, **options)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values()):
        options = {name: value for name, value in options.items() if name in accepted}
    return method(*args, **options)
