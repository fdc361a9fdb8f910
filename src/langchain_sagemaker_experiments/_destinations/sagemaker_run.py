"""A `Run` of the sagemaker SDK, 2.x or 3.x: parts go straight to its bucket, below its own artifact
prefix.

`Run.log_file` would do for the upload, but costs four requests for each file, names the S3 key
after a file on disk and refuses every call once a Run holds 30 artifacts. So a part is one PUT with
the Run's own S3 client, and only its address goes through `Run.log_artifact`, which makes no
request. The attributes of `Run` used here are the same in 2.x and 3.x.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

from .._experiments.components import Artifact, Changes, update
from .._experiments.places import known_place
from .._masking.masked_logger import masked_logger
from .._record.limits import MAX_METRIC_NAME, MAX_PARAMETERS
from .._storage.failure_advice import explain
from .._storage.keys import (
    ARTIFACT_NAME,
    DEFAULT_PREFIX,
    EXPERIMENT_METADATA,
    MEDIA_TYPE,
    RUN_METADATA,
    SCORES_FOLDER,
    TRACES_FOLDER,
    join,
    join_address,
    join_folder,
    run_folder_of,
    split_address,
)
from .._storage.object_store import read_object
from .base import Parameter
from .run_limits import bounded_parameters
from .s3_upload import upload

logger = masked_logger(__name__)

_with_known_address: weakref.WeakSet[Any] = weakref.WeakSet()
"""Runs whose address SageMaker has been told by this process, by whichever handler."""


def is_sagemaker_run(run: object) -> bool:
    """Return True if `run` is the SDK's own `Run`, without importing the SDK."""
    return any(
        cls.__module__.startswith("sagemaker.") and cls.__name__ == "Run"
        for cls in type(run).__mro__
    )


class SageMakerRunDestination:
    """Writes below `s3://{bucket}/{prefix}/{trial component}/langchain-traces/` of a Run.

    Args:
        run: a `Run` of sagemaker 2.x or 3.x.
        extra_args: arguments of S3 uploads as boto3 knows them (`ServerSideEncryption`,
            `SSEKMSKeyId`, `StorageClass`, `Tagging`, `ExpectedBucketOwner`, …), passed with every
            part.
    """

    workers = 4

    def __init__(self, run: Any, extra_args: Mapping[str, Any] | None = None) -> None:
        self._run = run
        self._uploader = run._artifact_uploader
        self._extra_args = dict(extra_args or {})
        self._place: tuple[str, str] | None = None
        self._placing = threading.Lock()
        self.faults: dict[str, int] = {}

    def check(self) -> None:
        """Raise the SDK's RuntimeError outside the `with` of the Run."""
        self._run.log_parameters({})

    def place(self) -> tuple[str, str]:
        """Return bucket and key prefix of the span parts; the first call may create the session's
        default bucket.
        """
        with self._placing:
            if self._place is None:
                self._place = run_place(self._run)
                self._add_owner(self._place[0])
            return self._place

    def _add_owner(self, bucket: str) -> None:
        """Do as the SDK does: a default bucket must belong to this account, or S3 refuses the
        upload.
        """
        owner_of = getattr(
            self._uploader.sagemaker_session, "_get_account_id_if_default_bucket", None
        )
        if owner_of is not None and "ExpectedBucketOwner" not in self._extra_args:
            owner = owner_of(bucket)
            if owner:
                self._extra_args["ExpectedBucketOwner"] = owner

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Upload one part and return its address."""
        bucket, prefix = self.place()
        return self._put(bucket, join_folder(prefix, name), data, MEDIA_TYPE)

    def address_of(self, name: str) -> str:
        """Return where a part of this name lies once it is stored."""
        bucket, prefix = self.place()
        return join_address(bucket, join_folder(prefix, name))

    def read(self, uri: str) -> bytes:
        """Return the bytes of a part that was stored."""
        return read_object(self._uploader._s3_client, *split_address(uri))

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Upload a part of scores, beside the spans, and return its address."""
        bucket, prefix = self.place()
        return self._put(
            bucket, join_folder(run_folder_of(prefix), SCORES_FOLDER, name), data, MEDIA_TYPE
        )

    def write_file(self, name: str, data: bytes, artifact: str, media_type: str) -> str:
        """Upload a file to where `Run.log_file` puts them, and register it; an older one of the
        same name is replaced.
        """
        bucket, prefix = self.place()
        uri = self._put(bucket, join_folder(run_folder_of(prefix), name), data, media_type)
        self._show(artifact, uri, media_type)
        return uri

    def _put(self, bucket: str, key: str, data: bytes | bytearray, media_type: str) -> str:
        client = self._uploader._s3_client
        whose = {EXPERIMENT_METADATA: self._run.experiment_name, RUN_METADATA: self._run.run_name}
        extra = {"ContentType": media_type, **self._extra_args}
        extra["Metadata"] = {**whose, **extra.get("Metadata", {})}
        return upload(client, bucket, key, data, extra)

    def register(self, uri: str) -> None:
        """Make an address the Run's `langchain-traces` artifact, which the SDK sends when the Run
        closes.

        The first one is sent at once, so that readers find the traces of a Run that is open or was
        killed. The parts are stored already: a refusal counts as a fault and fails nothing.
        """
        as_parameter = not self._show(ARTIFACT_NAME, uri, MEDIA_TYPE)
        if self._run in _with_known_address:
            return
        artifacts = {} if as_parameter else {ARTIFACT_NAME: Artifact(uri, MEDIA_TYPE)}
        changes = Changes(
            outputs=artifacts, parameters={ARTIFACT_NAME: uri} if as_parameter else {}
        )
        try:
            client = self._uploader.sagemaker_session.sagemaker_client
            update(client, self._uploader.trial_component_name, changes)
            _with_known_address.add(self._run)
        except Exception as error:
            what = f"address of the traces not sent ({type(error).__name__})"
            self.faults[what] = self.faults.get(what, 0) + 1
            logger.warning("The Run does not show its traces before it closes. %s", explain(error))

    def _show(self, artifact: str, uri: str, media_type: str) -> bool:
        """Show an address as an artifact, or else as a parameter; return True for an artifact."""
        try:
            self._run.log_artifact(name=artifact, value=uri, media_type=media_type)
            return True
        except ValueError:
            # The SDK refuses a 31st artifact, and a replacement too. Files are found by their
            # place; for the eye, ExperimentAnalytics shows parameters as well.
            logger.info(
                "The Run holds its full number of artifacts; the address is in the parameter %r.",
                artifact,
            )
            if artifact in self.parameters() or len(self.parameters()) < MAX_PARAMETERS:
                self._run.log_parameters({artifact: uri})
            return False

    def parameters(self) -> Mapping[str, Parameter]:
        """Return the Run's parameters, the loaded ones included."""
        return dict(self._run._trial_component.parameters or {})

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Set parameters; the SDK sends them when the Run closes."""
        accepted = bounded_parameters(parameters, self.parameters())
        left_out = len(parameters) - len(accepted)
        if left_out:
            logger.warning(
                "The Run holds its 300 parameters; %d more are in the JSON only.", left_out
            )
        self._run.log_parameters(accepted)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics; the SDK sends them ten at a time and when the Run closes.

        When a request fails, the SDK forgets the ten: what waited before goes on waiting, and
        nothing of these does, so that the caller may log them again.
        """
        sink = getattr(getattr(self._run, "_metrics_manager", None), "sink", None)
        waiting = list(getattr(sink, "_buffer", ()))
        try:
            for name, value in metrics.items():
                self._run.log_metric(name=name[:MAX_METRIC_NAME], value=value, step=step)
        except Exception:
            if sink is not None:
                sink._buffer = waiting
            raise

    def target(self) -> dict[str, object]:
        """Return the names of the experiment and the run."""
        return {"experiment_name": self._run.experiment_name, "run_name": self._run.run_name}


def run_place(run: Any) -> tuple[str, str]:
    """Return bucket and key prefix of a Run's span parts.

    A Run without a bucket of its own uses the session's default bucket, with the session's default
    prefix before its own, as `determine_bucket_and_prefix` of the SDK does. A Run
    that was opened before, with a place of its own, and now without one, goes on where its parts
    lie.
    """
    uploader = run._artifact_uploader
    bucket, prefix = uploader.artifact_bucket, uploader.artifact_prefix
    if not bucket and prefix == DEFAULT_PREFIX:
        component = run._trial_component
        known = known_place(component.output_artifacts or {}, component.parameters or {})
        if known is not None:
            return known[0], join_folder(known[1], TRACES_FOLDER)
    if not bucket:
        session = uploader.sagemaker_session
        bucket = session.default_bucket()
        prefix = join(getattr(session, "default_bucket_prefix", None) or "", prefix)
    return bucket, join_folder(prefix, uploader.trial_component_name, TRACES_FOLDER)
