"""A Run over boto3 alone: what the sagemaker SDK's `Run` does for logging, without the SDK."""

from __future__ import annotations

import datetime
import mimetypes
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from botocore.exceptions import ClientError

from .._experiments import clients, components
from .._experiments.components import Artifact, Changes, Listed
from .._experiments.metrics import MetricQueue, make_metric
from .._experiments.names import checked_name, new_run_name, run_name_of, trial_name
from .._experiments.places import default_place, known_place
from .._masking.masked_logger import masked_logger
from .._storage.keys import DEFAULT_PREFIX, join, join_folder, trial_component_name
from .base import Parameter
from .run_limits import bounded_parameters
from .s3_upload import upload
from .user_texts import masked_parameters, masked_text, status_message

logger = masked_logger(__name__)

_open_runs: list[BotoRun] = []


class BotoRun:
    """A SageMaker Experiments run that needs boto3 and nothing of the sagemaker SDK.

    It logs what the SDK's `Run` logs, to the same places: `load_run`, `list_runs` and
    `ExperimentAnalytics` read it, and it opens runs that the SDK made. Use it where the SDK is too
    large or too slow to import: in Lambda functions and slim containers. Any number of threads may
    log to one run.

    In a `with`, the run also records its status and times, and sends at the end what it logged.
    Outside one, only a handler's flush and `save()` send anything.

    Args:
        experiment_name: 1 to 59 letters, digits and hyphens. The experiment is created if it does
            not exist.
        run_name: the same for the run; a name is made if none is given.
        boto_session: a boto3 Session, or a `Session` of the sagemaker SDK, whose default bucket is
            used then; boto3's default one if none is given.
        experiment_display_name: shown by Studio in place of the name; used when the experiment is
            created.
        run_display_name: the same for the run.
        tags: tags for what is created, as boto3 takes them: `[{"Key": …, "Value": …}]`.
        artifact_bucket: bucket of the run's files and traces; the account's default bucket,
            `sagemaker-{region}-{account}`, if none is given.
        artifact_prefix: key prefix of the run's files and traces.

    Raises:
        ValueError: a name that SageMaker would refuse.
        ClientError: AWS refused to create or load the run.
        DestinationError: no region is set, or the profile does not exist.
    """

    def __init__(
        self,
        experiment_name: str,
        run_name: str | None = None,
        *,
        boto_session: Any = None,
        experiment_display_name: str | None = None,
        run_display_name: str | None = None,
        tags: Iterable[Mapping[str, str]] | None = None,
        artifact_bucket: str | None = None,
        artifact_prefix: str | None = None,
    ) -> None:
        self.experiment_name = checked_name("experiment_name", experiment_name)
        self.run_name = checked_name("run_name", run_name) if run_name else new_run_name()
        self._client, s3, metrics = clients.clients_of_run(boto_session)
        self.s3_client = s3
        """The client for S3 that the run uploads with."""
        self.boto_session = boto_session
        """The session that was given, or None."""
        self._bucket = artifact_bucket
        self._prefix = (DEFAULT_PREFIX if artifact_prefix is None else artifact_prefix).strip("/")
        self._owner: str | None = None
        self._lock = threading.RLock()
        self._changes = Changes()
        self._component = components.open_component(
            self._client,
            self.experiment_name,
            self.run_name,
            tags=tags or (),
            experiment_display_name=experiment_display_name,
            run_display_name=run_display_name,
        )
        if artifact_bucket is None and artifact_prefix is None:
            self._use_known_place()
        self._metrics = MetricQueue(metrics, self.trial_component_name)

    def __repr__(self) -> str:
        return f"BotoRun(experiment_name={self.experiment_name!r}, run_name={self.run_name!r})"

    @property
    def trial_component_name(self) -> str:
        """The name under which SageMaker knows the run."""
        return trial_component_name(self.experiment_name, self.run_name)

    @property
    def experiment_config(self) -> dict[str, str]:
        """The run's names as jobs take them (`ExperimentConfig`)."""
        return {
            "ExperimentName": self.experiment_name,
            "TrialName": trial_name(self.experiment_name),
            "RunName": self.trial_component_name,
        }

    @staticmethod
    def list_runs(experiment_name: str, boto_session: Any = None) -> list[Listed]:
        """Return the runs of an experiment, newest first: each with `name` (the run's), `status`
        and `created`.

        Raises:
            ClientError: there is no such experiment, or AWS refused.
        """
        found = components.list_components(
            clients.sagemaker_client(boto_session), experiment_name.lower()
        )
        return [
            Listed(run_name_of(one.name, experiment_name), one.status, one.created) for one in found
        ]

    # --- logging ----------------------------------------------------------------------------------
    def log_parameter(self, name: str, value: Parameter) -> None:
        """Set one parameter; a later value of the same name replaces it."""
        self.log_parameters({name: value})

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Set parameters, at most 300 a run: names to text or numbers. Secrets are masked, and what
        is too long is cut with a mark.
        """
        masked = masked_parameters(parameters)
        with self._lock:
            accepted = bounded_parameters(masked, self._component.parameters)
            for name in masked.keys() - accepted.keys():
                logger.warning(
                    "The parameter %s was not logged: it is no finite number, or the run is full.",
                    name,
                )
            self._component.parameters.update(accepted)
            self._changes.parameters.update(accepted)

    def log_metric(
        self,
        name: str,
        value: float,
        timestamp: datetime.datetime | None = None,
        step: int | None = None,
    ) -> None:
        """Log one value of a metric. Ten at a time are sent; NaN and infinity are left out with a
        warning.

        Args:
            name: the metric's name.
            value: a number.
            timestamp: when it was measured; now by default.
            step: the iteration it belongs to, 0 or more.

        Raises:
            ValueError: the time is more than two weeks ago or two hours ahead, or the step is not
                such an integer.
            ClientError: AWS refused ten metrics; they are kept and sent again with the next ones.
        """
        metric = make_metric(masked_text(name), value, timestamp, step)
        if metric is not None:
            self._metrics.add(metric)

    def log_artifact(
        self, name: str, value: str, media_type: str | None = None, is_output: bool = True
    ) -> None:
        """Show an address in the run, under a name; a later one of the same name replaces it.

        Raises:
            ValueError: the run shows 60 others already, the most that SageMaker allows.
        """
        with self._lock:
            artifact = Artifact(value, media_type)
            self._component.add_artifact(name, artifact, is_output)
            changed = self._changes.outputs if is_output else self._changes.inputs
            changed[name] = artifact

    def log_file(
        self,
        file_path: str,
        name: str | None = None,
        media_type: str | None = None,
        is_output: bool = True,
        extra_args: Mapping[str, Any] | None = None,
    ) -> None:
        """Upload a file to the run's folder in S3 and show it as an artifact.

        Args:
            file_path: the file; its base name ends the S3 key.
            name: the artifact's name; the base name by default.
            media_type: guessed from the name by default.
            is_output: whether it is an output or an input of the run.
            extra_args: boto3's ExtraArgs for the upload.

        Raises:
            ValueError: there is no such file.
            ClientError: AWS refused the upload.
        """
        path = Path(file_path).expanduser()
        if not path.is_file():
            raise ValueError(f"{path} does not exist or is not a file, so it was not logged.")
        uri = self.upload(path.name, path, extra_args or {})
        guessed = media_type or mimetypes.guess_type(path.name, strict=False)[0]
        self.log_artifact(name or path.name, uri, guessed, is_output)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The run's parameters, those it was loaded with included."""
        with self._lock:
            return dict(self._component.parameters)

    # --- where its files lie ----------------------------------------------------------------------
    def _use_known_place(self) -> None:
        """Go on where the run's traces lie already, if it was opened elsewhere with a place of its
        own.
        """
        place = known_place(self._component.outputs, self._component.parameters)
        if place is not None:
            bucket, folder = place
            prefix, _, component = folder.rpartition("/")
            if component == self.trial_component_name:
                self._bucket, self._prefix = bucket, prefix

    def place(self) -> tuple[str, str]:
        """Return bucket and key prefix of the run's files. The first call may ask STS for the
        account's number.
        """
        with self._lock:
            if self._bucket is None:
                default = default_place(self.boto_session, self.s3_client.meta.region_name)
                self._bucket, self._owner = default.bucket, default.owner
                self._prefix = join(default.prefix or "", self._prefix)
            return self._bucket, join_folder(self._prefix, self.trial_component_name)

    def upload(
        self, name: str, body: bytes | bytearray | Path, extra_args: Mapping[str, Any]
    ) -> str:
        """Upload a file below the run's prefix and return its address; create the account's default
        bucket if needed.

        Args:
            name: what follows the prefix in the key.
            body: the file's bytes or its path.
            extra_args: boto3's ExtraArgs.

        Raises:
            ClientError: AWS refused the upload.
        """
        bucket, folder = self.place()
        key = join_folder(folder, name)
        # As the SDK does: S3 refuses a default bucket that somebody else has taken.
        owner = {"ExpectedBucketOwner": self._owner} if self._owner else {}
        extra = {**owner, **extra_args}
        try:
            return upload(self.s3_client, bucket, key, body, extra)
        except ClientError as error:
            if not self._owner or error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                raise
        clients.create_bucket(self.s3_client, bucket)
        return upload(self.s3_client, bucket, key, body, extra)

    # --- sending ----------------------------------------------------------------------------------
    def save(self) -> None:
        """Send what was logged and not sent yet: one request for parameters and artifacts, one for
        ten metrics.

        Raises:
            ClientError: AWS refused. What was not sent is kept for the next time.
        """
        with self._lock:
            changes, self._changes = self._changes, Changes()
            try:
                components.update(self._client, self.trial_component_name, changes)
            except BaseException:
                self._changes = changes.below(self._changes)
                raise
        self._metrics.send()

    @property
    def waiting_metrics(self) -> int:
        """Metrics that were logged and that SageMaker has not taken yet."""
        return len(self._metrics)

    def send_metrics(self) -> None:
        """Send the metrics that wait, and nothing else.

        Raises:
            ClientError: AWS refused. The metrics are kept for the next time.
        """
        self._metrics.send()

    def close(self) -> None:
        """Do what `save` does."""
        self.save()

    def __enter__(self) -> BotoRun:
        with self._lock:
            if self._component.start_time is None:
                self._changes.start_time = self._component.start_time = _now()
            self._changes.status = "InProgress"
        self.save()
        _open_runs.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self in _open_runs:
            _open_runs.remove(self)
        with self._lock:
            self._changes.end_time = _now()
            self._changes.status = "Failed" if error else "Completed"
            self._changes.message = status_message(error) if error else None
        try:
            self.close()
        except Exception as failure:
            if error is None:
                raise
            # The user's own exception is the one that must be seen.
            logger.warning(
                "While %s was on its way, the run could not be saved: %s",
                type(error).__name__,
                failure,
            )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def surrounding_boto_run() -> BotoRun | None:
    """Return the `BotoRun` whose `with` surrounds us, the innermost one."""
    return _open_runs[-1] if _open_runs else None
