"""Where parts lie: a Run, an `s3://` address, a folder, an experiment → the parts, each with an
address and a way to its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from .._destinations.boto_run import BotoRun
from .._destinations.mlflow_run import (
    RUN_SCHEME,
    MlflowRun,
    client_of,
    is_mlflow_run,
    part_paths,
    read_artifact,
)
from .._destinations.offline_run import OfflineRun
from .._destinations.sagemaker_run import is_sagemaker_run, run_place
from .._experiments.clients import Access, s3_client
from .._storage.failure_advice import explain
from .._storage.keys import (
    EXPERIMENT_METADATA,
    MANIFEST_KEY,
    PARQUET_SUFFIX,
    PART_ENDINGS,
    RUN_FOLDERS_PREFIX,
    RUN_METADATA,
    SCORES_FOLDER,
    TRACES_FOLDER,
    is_evaluation_file,
    is_manifest,
    is_part,
    is_s3_address,
    is_score_part,
    join_address,
    name_of,
    partitions_of,
    pieces_of,
    run_folder_of,
    split_address,
    split_compacted,
)
from .._storage.manifest import Manifest, load_manifest, visible
from .._storage.regular_files import list_files, read_regular
from ..exceptions import SpanReadError
from .experiments import RunPlace, run_places
from .parts import Contents, Part, read_part
from .problems import Problem

_MISSING: Final = ("NoSuchBucket", "NoSuchKey", "404", "NotFound")


def find_parts(
    source: Any,
    experiment_name: str | None,
    run_name: str | None,
    sagemaker_session: Any,
    problems: list[Problem] | None = None,
) -> list[Part]:
    """Return the parts of spans of a source, oldest first.

    Args:
        source: as of `load_spans`.
        experiment_name: as of `load_spans`.
        run_name: as of `load_spans`.
        sagemaker_session: as of `load_spans`.
        problems: takes the runs of an experiment that can't be found or listed, so that the others
            can be read. None: the first such run is an error.

    Raises:
        SpanReadError: the source does not exist, can't be reached, or is of no kind we know.
    """
    return find_all_parts(source, experiment_name, run_name, sagemaker_session, problems)[0]


def find_all_parts(
    source: Any,
    experiment_name: str | None,
    run_name: str | None,
    sagemaker_session: Any,
    problems: list[Problem] | None = None,
) -> tuple[list[Part], list[Part]]:
    """Return the parts of spans and the parts of scores of a source, each oldest first, from one
    listing.

    Raises:
        SpanReadError: the source does not exist, can't be reached, or is of no kind we know.
    """
    found = _find(source, experiment_name, run_name, sagemaker_session, problems)
    scores = [part for part in found if is_score_part(part.address)]
    spans = [
        part
        for part in found
        if not is_score_part(part.address) and not is_evaluation_file(part.address)
    ]
    return spans, scores


def _find(
    source: Any,
    experiment_name: str | None,
    run_name: str | None,
    sagemaker_session: Any,
    problems: list[Problem] | None,
) -> list[Part]:
    try:
        if source is None:
            return _of_experiment(experiment_name, run_name, sagemaker_session, problems)
        if isinstance(source, OfflineRun):
            return _of_folder(source.path, problems)
        if isinstance(source, BotoRun):
            bucket, folder = source.place()
            parts = parts_below(source.s3_client, bucket, _run_folders(folder))
            return [
                replace(part, experiment=source.experiment_name, run=source.run_name)
                for part in parts
            ]
        if isinstance(source, MlflowRun):
            return _of_mlflow(source.client, source.run_id)
        if is_mlflow_run(source):
            return _of_mlflow(client_of(None), source.info.run_id)
        if isinstance(source, str) and source.startswith(RUN_SCHEME):
            return _of_mlflow(client_of(None), source.removeprefix(RUN_SCHEME).partition("/")[0])
        if is_sagemaker_run(source):
            bucket, prefix = run_place(source)
            parts = parts_below(source._artifact_uploader._s3_client, bucket, _run_folders(prefix))
            return [
                replace(part, experiment=source.experiment_name, run=source.run_name)
                for part in parts
            ]
        if is_s3_address(source):
            return _of_address(source, s3_client(sagemaker_session))
        if isinstance(source, (str, Path)):
            return _of_folder(Path(source).expanduser(), problems)
    except (ClientError, BotoCoreError) as error:
        raise SpanReadError(f"Spans can't be read. {explain(error, 'try again')}") from error
    raise SpanReadError(
        f"Spans can't be read from {type(source).__name__} {source!r:.80}. Give a Run, an "
        "OfflineRun, an s3:// address, a folder, or experiment_name (and run_name)."
    )


def _run_folders(key: str) -> str:
    """The prefix of spans and scores of a run, from the key of anything among its spans."""
    return f"{run_folder_of(key)}/{RUN_FOLDERS_PREFIX}"


def part_at(address: str, experiment: str | None, run: str | None, access: Access) -> Contents:
    """Read a part by its address: what a worker elsewhere does.

    Raises:
        SpanReadError: it can't be read.
    """
    if is_s3_address(address):
        found = _s3_part(access.s3_client(), *split_address(address))
    else:
        found = _file_part(address)
    return read_part(replace(found, experiment=experiment, run=run))


def access_to(source: Any, sagemaker_session: Any) -> Access:
    """Return access with the credentials that find a source's parts: a Run's own, or the
    session's.
    """
    if isinstance(source, BotoRun):
        return Access(source.boto_session)
    if is_sagemaker_run(source):
        return Access(source._artifact_uploader.sagemaker_session)
    return Access(sagemaker_session)


# --- folders --------------------------------------------------------------------------------------
def _of_folder(path: Path, problems: list[Problem] | None) -> list[Part]:
    if path.is_file():
        return [_file_part(str(path))]
    if not path.is_dir():
        raise SpanReadError(f"There is no folder or file {path}.")
    files: list[str] = []
    manifests: dict[str, Manifest] = {}
    for listed in list_files(path):
        if listed.fault is not None:
            if problems is not None and (is_part(listed.path) or "listed" in listed.fault):
                problems.append(Problem(listed.path, listed.fault))
        elif is_manifest(listed.path):
            read = partial(read_regular, listed.path)
            folder = listed.path[: -len(MANIFEST_KEY) - 1]
            manifests[folder] = _manifest(listed.path, read)
        elif is_part(listed.path):
            files.append(listed.path)
    counting = sorted(visible(files, manifests), key=lambda address: (name_of(address), address))
    return [_file_part(address) for address in counting]


def _manifest(address: str, read: Callable[[], bytes]) -> Manifest:
    try:
        return load_manifest(read())
    except (ValueError, OSError) as error:
        raise SpanReadError(
            f"{address} can't be read ({error}), so it is not known which of the files beside it "
            "count. Restore it, or remove it together with the Parquet files beside it if the parts "
            "are all still there."
        ) from error


def _file_part(address: str) -> Part:
    def read() -> Contents:
        return Contents(read_regular(address))

    place = os.path.abspath(address)
    compacted = split_compacted(place)
    if compacted is not None:
        return _compacted_part(address, read, compacted[1])
    *_, experiment, run, folder, _ = ("", "", "", *pieces_of(place))
    if folder not in (TRACES_FOLDER, SCORES_FOLDER):
        return Part(address, read)
    return Part(address, read, experiment, run)


def _compacted_part(address: str, read: Callable[[], Contents], name: str) -> Part:
    owners = partitions_of(name)
    return Part(address, read, owners.get("experiment_name"), owners.get("run_name"))


# --- S3 -------------------------------------------------------------------------------------------
def _of_address(address: str, client: Any) -> list[Part]:
    bucket, key = split_address(address)
    if not bucket:
        raise SpanReadError(
            f"{address!r} names no bucket; an address looks like s3://bucket/prefix."
        )
    try:
        if key.endswith((*PART_ENDINGS, PARQUET_SUFFIX)):
            client.head_object(Bucket=bucket, Key=key)
            return [_s3_part(client, bucket, key)]
        parts = parts_below(client, bucket, key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise SpanReadError(
                f"There is nothing at {address}: {explain(error, 'try again')}"
            ) from error
        raise
    if not parts:
        raise SpanReadError(
            f"There are no spans at {address}: no object below it ends in .jsonl or .jsonl.gz, and "
            "none is compacted."
        )
    return parts


def parts_below(client: Any, bucket: str, prefix: str) -> list[Part]:
    """Return the parts below a prefix, oldest first."""
    etags: dict[str, str] = {}
    manifests: dict[str, Manifest] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            key = item["Key"]
            if is_part(key):
                etags[key] = item.get("ETag", "")
            elif is_manifest(key):
                read = partial(_read_object, client, bucket, key)
                folder = key[: -len(MANIFEST_KEY) - 1]
                manifests[folder] = _manifest(join_address(bucket, key), read)
    return [
        replace(_s3_part(client, bucket, key), etag=etags.get(key, ""))
        for key in sorted(visible(etags, manifests), key=lambda key: (name_of(key), key))
    ]


def _read_object(client: Any, bucket: str, key: str) -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def _s3_part(client: Any, bucket: str, key: str) -> Part:
    def read() -> Contents:
        answer = client.get_object(Bucket=bucket, Key=key)
        told = answer.get("Metadata", {})
        return Contents(
            answer["Body"].read(), told.get(EXPERIMENT_METADATA), told.get(RUN_METADATA)
        )

    # The folder is the trial component's, "{experiment}-{run}": where one ends and the other begins
    # it does not tell.
    compacted = split_compacted(key)
    if compacted is not None:
        return _compacted_part(join_address(bucket, key), read, compacted[1])
    *_, component, folder, _ = ("", "", *pieces_of(key))
    return Part(
        join_address(bucket, key),
        read,
        run=component if folder in (TRACES_FOLDER, SCORES_FOLDER) else None,
    )


# --- MLflow ---------------------------------------------------------------------------------------
def _of_mlflow(client: Any, run_id: str) -> list[Part]:
    try:
        run = client.get_run(run_id).info
        experiment = client.get_experiment(run.experiment_id).name
        paths = part_paths(client, run_id)
    except Exception as error:  # MLflow's own, which is imported by nobody who does not use it
        raise SpanReadError(
            f"The MLflow run {run_id!r} can't be read from {client.tracking_uri} ({error}). Set "
            "MLFLOW_TRACKING_URI to its server."
        ) from error

    def part(path: str) -> Part:
        address = f"{RUN_SCHEME}{run_id}/{path}"
        read = lambda: Contents(read_artifact(client, run_id, path))  # noqa: E731
        return Part(address, read, experiment, run.run_name)

    return [part(path) for path in paths]


# --- experiments ----------------------------------------------------------------------------------
def _of_experiment(
    experiment_name: str | None,
    run_name: str | None,
    sagemaker_session: Any,
    problems: list[Problem] | None,
) -> list[Part]:
    if not experiment_name:
        raise SpanReadError(
            "Say what to read: a Run, an s3:// address, a folder, or experiment_name (and run_name)."
        )
    s3, experiment = s3_client(sagemaker_session), experiment_name.lower()
    region = s3.meta.region_name
    places = run_places(experiment, run_name, sagemaker_session, region, problems)
    parts: list[Part] = []
    refused: list[tuple[RunPlace, ClientError]] = []
    for place in places:
        try:
            prefix = f"{place.folder}/{RUN_FOLDERS_PREFIX}"
            found = parts_below(s3, place.bucket, prefix)
        except ClientError as error:
            if place.is_known or error.response.get("Error", {}).get("Code") not in _MISSING:
                refused.append((place, error))
            continue  # where no default bucket is, nothing was put into it
        parts += [replace(part, experiment=experiment, run=place.run) for part in found]
    if refused and (problems is None or len(refused) == len(places)):
        raise refused[0][1]
    if problems is not None:
        problems += [_unlisted(place, error) for place, error in refused]
    return parts


def _unlisted(place: RunPlace, error: ClientError) -> Problem:
    reason = f"its traces can't be listed ({explain(error, 'try again')})"
    return Problem(join_address(place.bucket, place.folder), reason)


def place_of_run(experiment_name: str, run_name: str, sagemaker_session: Any) -> tuple[str, str]:
    """Return bucket and key of a run's folder, without opening the run.

    Raises:
        SpanReadError: there is no such run.
    """
    region = s3_client(sagemaker_session).meta.region_name
    (place,) = run_places(experiment_name.lower(), run_name, sagemaker_session, region, None)
    return place.bucket, place.folder
