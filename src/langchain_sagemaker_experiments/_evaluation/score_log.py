"""`log_score`: a score for a trace that was recorded earlier or elsewhere, without opening its
Run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from .._delivery.score_lines import score_line
from .._destinations.boto_run import BotoRun
from .._destinations.mlflow_run import MlflowDestination, MlflowRun
from .._destinations.offline_run import OfflineRun
from .._destinations.run_kinds import is_mlflow_run
from .._destinations.sagemaker_run import is_sagemaker_run, run_place
from .._experiments.clients import s3_client
from .._masking.masking import Masker
from .._reading.source_names import names_beside
from .._reading.sources import place_of_run
from .._record.score import Source, Value, make_score
from .._storage.failure_advice import explain
from .._storage.keys import (
    EXPERIMENT_METADATA,
    MEDIA_TYPE,
    RUN_LOG,
    RUN_METADATA,
    SCORES_FOLDER,
    SCORES_PREFIX,
    TRACES_FOLDER,
    is_s3_address,
    join_folder,
    new_part_name,
    run_folder_of,
    split_address,
)
from .._storage.object_store import FolderStore, S3Store, Store
from ..exceptions import DestinationError, FlushError


def log_score(
    target: Any = None,
    trace_id: str = "",
    span_id: str | None = None,
    *,
    key: str,
    score: Value,
    comment: str | None = None,
    correction: Any = None,
    source: Source = "human",
    author: str | None = None,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> str:
    """Record what somebody thinks of a trace. It is written at once.

    The recording process may have ended long ago; the Run need not be open, and is not opened.

    Args:
        target: where the trace lies: a `Run`, a `BotoRun`, an `OfflineRun`, an `MlflowRun` (the
            score is an assessment of MLflow too), the `s3://` address or the folder of a run, or of
            anything in it.
        trace_id: the trace, as `current_trace_id()` or `load_spans` tell it.
        span_id: a span within it; None for the whole trace.
        key: what is scored, such as `helpful`.
        score: a number, yes or no, or a text; None withdraws what the author said before.
        comment: why.
        correction: what the outputs should have been; `examples_from_spans` takes it.
        source: who scores: "human", "code" or "model".
        author: a name or id of whoever scores; of two scores of one author the later counts.
        experiment_name: in place of a target, the run's experiment.
        run_name: with `experiment_name`, the run.
        sagemaker_session: whose credentials and region to use; boto3's default ones otherwise.

    Returns:
        The id of the score record.

    Raises:
        ValueError: an argument is not what a score record can hold.
        DestinationError: the target is no run, or names are given beside it.
        FlushError: the score could not be written.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, load_scores, load_spans
        >>> from langchain_sagemaker_experiments import log_score, record_calls
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> trace_id = load_spans("runs")["trace_id"].iloc[0]
        >>> score_id = log_score(run, trace_id, key="helpful", score=True)
        >>> load_scores("runs")[["key", "score"]].values.tolist()
        [['helpful', True]]
    """
    if contradiction := names_beside(target, experiment_name, run_name):
        raise DestinationError(f"{contradiction} Nothing was written.")
    record = make_score(
        trace_id,
        span_id,
        key=key,
        score=score,
        comment=comment,
        correction=correction,
        source=source,
        author=author,
    )
    line = score_line(record, masker=Masker())
    if is_in_mlflow(target):
        _log_in_mlflow(target, line)
        return str(record["score_id"])
    try:
        store = score_store(target, experiment_name, run_name, sagemaker_session)
        store.put(new_part_name(SCORES_PREFIX), line + b"\n")
    except (ClientError, BotoCoreError, OSError) as error:
        raise FlushError(
            f"The score was not written. {explain(error, 'call log_score again')}"
        ) from error
    return str(record["score_id"])


def is_in_mlflow(target: Any) -> bool:
    """Return True for a run of MLflow, ours or its own."""
    return isinstance(target, MlflowRun) or is_mlflow_run(target)


def _log_in_mlflow(target: Any, line: bytes) -> None:
    """Write a score among the artifacts of a run, and as an assessment.

    Raises:
        FlushError: MLflow did not take it.
    """
    destination = MlflowDestination(target)
    try:
        destination.write_scores(new_part_name(SCORES_PREFIX), line + b"\n")
        (backend,) = destination.backends
        score = orjson.loads(line)
        answer = backend.send_score(score)
    except Exception as error:  # MLflow's own, which is imported by nobody who does not use it
        raise FlushError(
            f"MLflow did not take the score ({type(error).__name__}: {error}). Call log_score "
            "again."
        ) from error
    if not answer.accepted:
        raise FlushError(
            "The score is among the run's artifacts, but MLflow did not take it as an assessment: "
            f"{answer.message}"
        )


def score_store(
    target: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> Store:
    """Return the place of a run's scores.

    Raises:
        DestinationError: the target is no run.
        SpanReadError: there is no such run in the experiment.
    """
    return store_in_run(SCORES_FOLDER, target, experiment_name, run_name, sagemaker_session)


def store_in_run(
    folder: str,
    target: Any,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> Store:
    """Return a folder of a run as a store."""
    if isinstance(target, OfflineRun):
        return FolderStore(target.path / folder)
    if isinstance(target, BotoRun):
        return _in_bucket(folder, target, target.s3_client, *target.place())
    if is_sagemaker_run(target):
        bucket, prefix = run_place(target)
        client = target._artifact_uploader._s3_client
        return _in_bucket(folder, target, client, bucket, run_folder_of(prefix))
    if is_s3_address(target):
        bucket, key = split_address(target)
        return S3Store(
            s3_client(sagemaker_session), bucket, join_folder(run_folder_of(key), folder)
        )
    if isinstance(target, (str, Path)):
        return FolderStore(_run_folder(Path(target).expanduser()) / folder)
    if target is None and experiment_name and run_name:
        bucket, prefix = place_of_run(experiment_name, run_name, sagemaker_session)
        return S3Store(
            s3_client(sagemaker_session),
            bucket,
            join_folder(prefix, folder),
            content_type=MEDIA_TYPE,
            metadata={EXPERIMENT_METADATA: experiment_name.lower(), RUN_METADATA: run_name.lower()},
        )
    raise DestinationError(
        f"A score can't be written to {type(target).__name__} {target!r:.80}. Give a Run, an "
        "OfflineRun, the s3:// address or the folder of a run, or experiment_name and run_name."
    )


def _in_bucket(folder: str, run: Any, client: Any, bucket: str, run_folder: str) -> Store:
    return S3Store(
        client,
        bucket,
        join_folder(run_folder, folder),
        content_type=MEDIA_TYPE,
        metadata={EXPERIMENT_METADATA: run.experiment_name, RUN_METADATA: run.run_name},
    )


def _run_folder(path: Path) -> Path:
    """The folder of the run that a path lies in, or the only run below it."""
    path = Path(run_folder_of(str(path.absolute())))
    if path.is_file():
        path = path.parent
    if _is_run(path):
        return path
    runs = [found for found in path.rglob("*") if found.is_dir() and _is_run(found)]
    if len(runs) == 1:
        return runs[0]
    named = f"{len(runs)} runs lie below it; name one of them" if runs else "no run lies there"
    raise DestinationError(f"{path} is no folder of a run: {named}. Nothing was written.")


def _is_run(path: Path) -> bool:
    return (path / TRACES_FOLDER).is_dir() or (path / RUN_LOG).is_file()
