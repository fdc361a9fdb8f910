"""Where the spans of a `BotoRun` go: below the run's own folder in its bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._masking.masked_logger import masked_logger
from .._storage.failure_advice import explain
from .._storage.keys import (
    ARTIFACT_NAME,
    EXPERIMENT_METADATA,
    MEDIA_TYPE,
    RUN_METADATA,
    SCORES_FOLDER,
    TRACES_FOLDER,
    join_address,
    join_folder,
    split_address,
)
from .._storage.object_store import read_object
from .base import Parameter
from .boto_run import BotoRun

logger = masked_logger(__name__)


class BotoRunDestination:
    """Writes below `s3://{bucket}/{prefix}/{trial component}/langchain-traces/` of a `BotoRun`.

    Args:
        run: the run. It need not be open: what a flush brings is sent at once.
        extra_args: boto3's ExtraArgs, passed with every part.
    """

    workers = 4

    def __init__(self, run: BotoRun, extra_args: Mapping[str, Any] | None = None) -> None:
        self._run = run
        self._extra_args = dict(extra_args or {})
        self._address_is_known = False
        self.faults: dict[str, int] = {}

    def check(self) -> None:
        """Nothing to check: a `BotoRun` takes records at any time."""

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Upload one part and return its address."""
        return self._put(join_folder(TRACES_FOLDER, name), data, MEDIA_TYPE)

    def address_of(self, name: str) -> str:
        """Return where a part of this name lies once it is stored."""
        bucket, folder = self._run.place()
        return join_address(bucket, join_folder(folder, TRACES_FOLDER, name))

    def read(self, uri: str) -> bytes:
        """Return the bytes of a part that was stored."""
        return read_object(self._run.s3_client, *split_address(uri))

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Upload a part of scores, beside the spans, and return its address."""
        return self._put(join_folder(SCORES_FOLDER, name), data, MEDIA_TYPE)

    def write_file(self, name: str, data: bytes, artifact: str, media_type: str) -> str:
        """Upload a file to where `log_file` puts them, and register it; an older one of the same
        name is replaced.
        """
        uri = self._put(name, data, media_type)
        self._run.log_artifact(artifact, uri, media_type)
        self._run.save()
        return uri

    def _put(self, name: str, data: bytes | bytearray, media_type: str) -> str:
        whose = {EXPERIMENT_METADATA: self._run.experiment_name, RUN_METADATA: self._run.run_name}
        extra = {"ContentType": media_type, **self._extra_args}
        extra["Metadata"] = {**whose, **extra.get("Metadata", {})}
        return self._run.upload(name, data, extra)

    def register(self, uri: str) -> None:
        """Make an address the run's `langchain-traces` artifact.

        The first one is sent at once, so that readers find the traces of a run that is open or was
        killed; later ones go with the next `save`, since all of them lie in one folder.
        """
        try:
            self._run.log_artifact(ARTIFACT_NAME, uri, MEDIA_TYPE)
        except ValueError:
            logger.info(
                "The run holds its full number of artifacts; the address is in the parameter %r.",
                ARTIFACT_NAME,
            )
            self._run.log_parameters({ARTIFACT_NAME: uri})
        if self._address_is_known:
            return
        try:
            self._run.save()
            self._address_is_known = True
        except Exception as error:
            what = f"address of the traces not sent ({type(error).__name__})"
            self.faults[what] = self.faults.get(what, 0) + 1
            logger.warning("The run does not show its traces yet. %s", explain(error))

    def parameters(self) -> Mapping[str, Parameter]:
        """Return the run's parameters."""
        return self._run.parameters

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Set parameters."""
        self._run.log_parameters(parameters)
        self._run.save()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        for name, value in metrics.items():
            self._run.log_metric(name, value, step=step)
        self._run.send_metrics()

    def target(self) -> dict[str, object]:
        """Return the names of the experiment and the run."""
        return {"experiment_name": self._run.experiment_name, "run_name": self._run.run_name}
