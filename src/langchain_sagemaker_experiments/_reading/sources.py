"""Where parts lie: a Run, an `s3://` address, a folder, an experiment → the parts, each with an
address and a way to its bytes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .._destinations.boto_run import BotoRun
from .._destinations.mlflow_run import (
    RUN_SCHEME,
    MlflowRun,
    client_of,
    part_paths,
    read_artifact,
)
from .._destinations.offline_run import OfflineRun
from .._destinations.run_kinds import is_mlflow_run
from .._destinations.sagemaker_run import is_sagemaker_run, run_place
from .._experiments.clients import Access, s3_client
from .._storage.failure_advice import explain
from .._storage.keys import (
    MANIFEST_KEY,
    is_evaluation_file,
    is_manifest,
    is_part,
    is_s3_address,
    is_score_part,
    join_address,
    name_of,
    prefix_of_run_folders,
    run_folder_of,
    split_address,
    tombstone_folder_of,
)
from .._storage.manifest import Manifest, visible
from .._storage.regular_files import list_files, read_regular
from .._storage.tombstone import Tombstone
from ..exceptions import SpanReadError
from .experiments import RunPlace, run_places
from .part_places import (
    MISSING,
    file_part,
    file_tombstone,
    manifest_at,
    parts_at,
    parts_below,
    s3_part,
)
from .parts import Contents, Part, read_part
from .problems import Problem
from .source_names import names_beside


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
    if contradiction := names_beside(source, experiment_name, run_name):
        raise SpanReadError(f"{contradiction} Nothing was read.")
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
            return parts_at(source, s3_client(sagemaker_session))
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
    return prefix_of_run_folders(run_folder_of(key))


def part_at(
    address: str,
    experiment: str | None,
    run: str | None,
    access: Access,
    tombstone: Tombstone | None = None,
) -> Contents:
    """Read a part by its address: what a worker elsewhere does.

    Raises:
        SpanReadError: it can't be read.
    """
    if is_s3_address(address):
        found = s3_part(access.s3_client(), *split_address(address))
    else:
        found = file_part(address)
    return read_part(replace(found, experiment=experiment, run=run, tombstone=tombstone))


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
        tombstone = file_tombstone(tombstone_folder_of(os.path.abspath(path)))
        return [replace(file_part(str(path)), tombstone=tombstone)]
    if not path.is_dir():
        raise SpanReadError(f"There is no folder or file {path}.")
    files: list[str] = []
    manifests: dict[str, Manifest] = {}
    tombstones: dict[str, Tombstone | None] = {}
    for listed in list_files(path):
        if listed.fault is not None:
            if problems is not None and (is_part(listed.path) or "listed" in listed.fault):
                problems.append(Problem(listed.path, listed.fault))
        elif is_manifest(listed.path):
            read = partial(read_regular, listed.path)
            folder = listed.path[: -len(MANIFEST_KEY) - 1]
            manifests[folder] = manifest_at(listed.path, read)
        elif is_part(listed.path):
            files.append(listed.path)
    counting = sorted(visible(files, manifests), key=lambda address: (name_of(address), address))

    def tombstone_of(address: str) -> Tombstone | None:
        folder = tombstone_folder_of(os.path.abspath(address))
        if folder not in tombstones:
            tombstones[folder] = file_tombstone(folder)
        return tombstones[folder]

    return [replace(file_part(address), tombstone=tombstone_of(address)) for address in counting]


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
            "Say what to read: a Run, an s3:// address, a folder, or experiment_name (and "
            "run_name)."
        )
    s3, experiment = s3_client(sagemaker_session), experiment_name.lower()
    region = s3.meta.region_name
    places = run_places(experiment, run_name, sagemaker_session, region, problems)
    parts: list[Part] = []
    refused: list[tuple[RunPlace, ClientError]] = []
    for place in places:
        try:
            prefix = prefix_of_run_folders(place.folder)
            found = parts_below(s3, place.bucket, prefix)
        except ClientError as error:
            if place.is_known or error.response.get("Error", {}).get("Code") not in MISSING:
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
