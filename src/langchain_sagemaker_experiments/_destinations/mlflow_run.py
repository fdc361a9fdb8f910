"""A run of MLflow: parameters, metrics, parts as artifacts, and traces in MLflow's own view."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from .._conventions.otlp import MLFLOW, Limits
from .._masking.masked_logger import masked_logger
from .._record.text import clean_text
from .._storage.keys import (
    SCORES_FOLDER,
    SCORES_PREFIX,
    TRACES_FOLDER,
    join_folder,
)
from ..exceptions import import_extra
from .base import Parameter
from .mlflow_scores import send_score
from .otlp import PATH, Answer, answer_of
from .run_kinds import open_mlflow_runs
from .run_limits import shorten

logger = masked_logger(__name__)

RUN_SCHEME: Final = "runs:/"
"""How MLflow writes the address of something in a run: `runs:/{run id}/{path}`."""
_PURPOSE: Final = "An MLflow run"
_MAX_KEY: Final = 250
"""Characters of a parameter's or metric's name
(`mlflow.utils.validation.MAX_ENTITY_KEY_LENGTH`).
"""
_MAX_VALUE: Final = 6_000
"""Characters of a parameter's value (`MAX_PARAM_VAL_LENGTH`)."""
_MAX_BATCH: Final = 100
"""Parameters of one request (`MAX_PARAMS_TAGS_PER_BATCH`)."""
_SPANS: Final = 500
"""Spans of one request: MLflow writes them in one transaction and refuses all or none."""


def client_of(tracking_uri: str | None) -> Any:
    """Return MLflow's client for a tracking server; the one MLflow is set to if none is named.

    Raises:
        MissingExtraError: MLflow is not installed.
    """
    tracking = import_extra("mlflow.tracking", "mlflow", _PURPOSE)
    if tracking_uri and tracking_uri.startswith("arn:"):
        # SageMaker's plugin signs for the server that MLflow as a whole is set to.
        tracking.set_tracking_uri(tracking_uri)
    return tracking.MlflowClient(tracking_uri=tracking_uri)


class MlflowRun:
    """A run of MLflow that a handler records into; needs the extra `mlflow`.

    Its parameters and metrics are those of MLflow, the parts of spans are its artifacts below
    `langchain-traces/`, and every trace is in MLflow's own trace view, linked to the run. What
    `mlflow.start_run()` gives can be handed to a handler likewise.

    Args:
        tracking_uri: the address of a tracking server, or the ARN of a SageMaker tracking server or
            MLflow app (with the plugin `sagemaker-mlflow`; the ARN then becomes MLflow's own
            tracking URI); the one MLflow is set to if none is given.
        experiment_name: the experiment, which is created if it does not exist.
        run_name: the run's name; MLflow makes one if none is given.
        run_id: an existing run to go on with, in place of the names.

    Raises:
        MissingExtraError: MLflow is not installed.
        MlflowException: the server refused.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        *,
        experiment_name: str = "Default",
        run_name: str | None = None,
        run_id: str | None = None,
    ) -> None:
        self.client = client_of(tracking_uri)
        """MLflow's own client."""
        self.tracking_uri: str = self.client.tracking_uri
        if run_id is None:
            experiment = self.client.get_experiment_by_name(experiment_name)
            experiment_id = (
                self.client.create_experiment(experiment_name)
                if experiment is None
                else experiment.experiment_id
            )
            run = self.client.create_run(experiment_id, run_name=run_name)
        else:
            run = self.client.get_run(run_id)
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self.run_name: str = run.info.run_name
        self.experiment_name: str = self.client.get_experiment(self.experiment_id).name

    def __repr__(self) -> str:
        return f"MlflowRun(run_id={self.run_id!r}, tracking_uri={self.tracking_uri!r})"

    def __enter__(self) -> MlflowRun:
        self.client.update_run(self.run_id, status="RUNNING")
        open_mlflow_runs.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self in open_mlflow_runs:
            open_mlflow_runs.remove(self)
        self.client.set_terminated(self.run_id, "FAILED" if error else "FINISHED")


class MlflowBackend:
    """MLflow's OTLP endpoint, asked with the credentials that MLflow itself uses.

    Args:
        client: MLflow's client.
        experiment_id: the experiment that the traces go to.
        run_id: the run that they are linked to.
        experiment_name: for the resource.
    """

    convention = MLFLOW
    limits = Limits(spans=_SPANS)
    join = False

    def __init__(self, client: Any, experiment_id: str, run_id: str, experiment_name: str) -> None:
        self._client = client
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "x-mlflow-experiment-id": experiment_id,
            "x-mlflow-run-id": run_id,
        }
        self.name = f"MLflow {client.tracking_uri}"
        self.resource: Mapping[str, str] = {"service.name": experiment_name}

    def send_score(self, score: Mapping[str, Any]) -> Answer:
        """Make a score an assessment of its trace or span. Raises nothing."""
        return send_score(self._client.tracking_uri, score)

    def send(self, body: bytes) -> Answer:
        """Send one serialized `ExportTraceServiceRequest`. Raises nothing."""
        try:
            rest = import_extra("mlflow.utils.rest_utils", "mlflow", _PURPOSE)
            # http_request signs as the plugin of the tracking server does; ours are the retries.
            answer = rest.http_request(
                host_creds=self._client._tracking_client.store.get_host_creds(),
                endpoint=PATH,
                method="POST",
                data=body,
                extra_headers=self._headers,
                max_retries=0,
                raise_on_status=False,
            )
        except Exception as error:
            return Answer(False, again=True, message=f"{type(error).__name__}: {error}"[:300])
        return answer_of(answer.status_code, answer.content, answer.headers.get("Retry-After"))


class MlflowDestination:
    """Writes into a run of MLflow.

    Args:
        run: an `MlflowRun`, or what `mlflow.start_run()` gives.
    """

    workers = 4

    def __init__(self, run: Any) -> None:
        is_ours = isinstance(run, MlflowRun)
        self._client = run.client if is_ours else client_of(None)
        self._run_id: str = run.run_id if is_ours else run.info.run_id
        info = self._client.get_run(self._run_id).info
        self._run_name: str = info.run_name
        self._experiment: str = self._client.get_experiment(info.experiment_id).name
        _tell_of_a_second_tracer()
        self.faults: dict[str, int] = {}
        self._logged: dict[str, Parameter] | None = None
        self._lock = threading.Lock()
        self.backends = (
            MlflowBackend(self._client, info.experiment_id, self._run_id, self._experiment),
        )
        """Where the traces go beside the parts."""

    def check(self) -> None:
        """Nothing to check: MLflow takes values of a run that has ended too."""

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Store one part as an artifact and return its address."""
        return self._put(TRACES_FOLDER, name, data)

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Store a part of scores as an artifact, beside the spans, and return its address."""
        return self._put(SCORES_FOLDER, name, data)

    def write_file(self, name: str, data: bytes, artifact: str, media_type: str) -> str:
        """Store a file as an artifact at the root of the run's artifacts."""
        return self._put(None, name, data)

    def _put(self, folder: str | None, name: str, data: bytes | bytearray) -> str:
        with tempfile.TemporaryDirectory(prefix="langchain-traces-") as scratch:
            path = os.path.join(scratch, name)
            Path(path).write_bytes(data)
            self._client.log_artifact(self._run_id, path, folder)
        below = join_folder(folder or "", name)
        return join_folder(f"{RUN_SCHEME}{self._run_id}", below)

    def address_of(self, name: str) -> str:
        """Return where a part of this name, of spans or of scores, lies once it is stored."""
        folder = SCORES_FOLDER if name.startswith(SCORES_PREFIX) else TRACES_FOLDER
        return join_folder(f"{RUN_SCHEME}{self._run_id}", folder, name)

    def read(self, uri: str) -> bytes:
        """Return the bytes of a part that was stored."""
        return read_artifact(self._client, self._run_id, uri.split("/", 2)[2])

    def register(self, uri: str) -> None:
        """Nothing to do: artifacts are found by their place."""

    def parameters(self) -> Mapping[str, Parameter]:
        """Return the run's parameters."""
        with self._lock:
            if self._logged is None:
                self._logged = dict(self._client.get_run(self._run_id).data.params)
            return dict(self._logged)

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Set parameters. MLflow keeps the first value of a name: later ones are left out."""
        known = self.parameters()
        entities = import_extra("mlflow.entities", "mlflow", _PURPOSE)
        new = {
            _key(name): shorten(clean_text(str(value)), _MAX_VALUE)
            for name, value in parameters.items()
            if _key(name) not in known
        }
        for names in _chunks(list(new), _MAX_BATCH):
            self._client.log_batch(
                self._run_id, params=[entities.Param(name, new[name]) for name in names]
            )
        with self._lock:
            self._logged = {**known, **new}

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log one value of each metric."""
        for name, value in metrics.items():
            self._client.log_metric(self._run_id, _key(name), value, step=step)

    def target(self) -> dict[str, object]:
        """Return the names of the experiment and the run."""
        return {"experiment_name": self._experiment, "run_name": self._run_name}


_told: Final[list[bool]] = []
"""Not empty once a second tracer was told: once in a process is enough."""


def _tell_of_a_second_tracer() -> None:
    """Warn once if MLflow records LangChain's calls as well: every trace would be there twice."""
    module = sys.modules.get("mlflow.utils.autologging_utils")
    known = getattr(module, "AUTOLOGGING_INTEGRATIONS", {})
    settings = known.get("langchain")
    if settings is not None and not settings.get("disable", False) and not _told:
        _told.append(True)
        logger.warning(
            "mlflow.langchain.autolog() is on: MLflow will show every trace twice, its own and "
            "that of SageMakerCallbackHandler. Switch one off, "
            "mlflow.langchain.autolog(disable=True)."
        )


def _key(name: str) -> str:
    """Return a name as MLflow takes it: letters, digits and `_-. :/`."""
    kept = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)
    return kept[:_MAX_KEY]


def _chunks(items: list[str], size: int) -> Iterable[list[str]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def read_artifact(client: Any, run_id: str, path: str) -> bytes:
    """Return the bytes of one artifact of a run."""
    with tempfile.TemporaryDirectory(prefix="langchain-traces-") as scratch:
        return Path(client.download_artifacts(run_id, path, scratch)).read_bytes()


def part_paths(client: Any, run_id: str) -> list[str]:
    """Return the paths of the parts of spans and of scores among a run's artifacts."""
    found = [
        item
        for folder in (TRACES_FOLDER, SCORES_FOLDER)
        for item in client.list_artifacts(run_id, folder)
    ]
    return sorted(item.path for item in found if not item.is_dir)
