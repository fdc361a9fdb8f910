"""The folders of runs below a source, for one that is to change all files of spans and scores in
them, those that readers pass over too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._destinations.boto_run import BotoRun
from .._destinations.mlflow_run import RUN_SCHEME, MlflowRun
from .._destinations.offline_run import OfflineRun
from .._destinations.run_kinds import is_mlflow_run
from .._destinations.sagemaker_run import is_sagemaker_run, run_place
from .._experiments.clients import s3_client
from .._storage.keys import (
    TRACES_FOLDER,
    folder_of,
    is_parquet,
    is_part,
    is_s3_address,
    join_address,
    join_folder,
    prefix_of_run_folders,
    run_folder_of,
    split_address,
)
from .._storage.object_store import list_objects
from .._storage.regular_files import list_files
from ..exceptions import SpanReadError
from .experiments import run_places
from .source_names import names_beside


@dataclass
class Place:
    """Files of spans and scores that have one tombstone.

    Attributes:
        folder: the folder of the tombstone: that of a run's spans, or the one that parts lie in
            alone.
        addresses: the files.
        client: boto3's client for S3; None for a folder on disk.
        is_run: whether it is the folder of a run.
    """

    folder: str
    addresses: list[str] = field(default_factory=list)
    client: Any = None
    is_run: bool = True


def places_of(
    source: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> list[Place]:
    """Return the places of a source, each with all its files. A source within a run's folder stands
    for the whole run.

    Raises:
        SpanReadError: the source does not exist, can't be reached, or its files can't be changed.
    """
    if contradiction := names_beside(source, experiment_name, run_name):
        raise SpanReadError(f"{contradiction} Nothing was changed.")
    if isinstance(source, (BotoRun, MlflowRun)) or source is None or is_s3_address(source):
        return _in_s3(source, experiment_name, run_name, sagemaker_session)
    if is_mlflow_run(source) or (isinstance(source, str) and source.startswith(RUN_SCHEME)):
        raise _mlflow_error()
    if is_sagemaker_run(source):
        bucket, prefix = run_place(source)
        client = source._artifact_uploader._s3_client
        return _grouped(_keys(client, bucket, prefix_of_run_folders(prefix)), client)
    path = source.path if isinstance(source, OfflineRun) else source
    if isinstance(path, (str, Path)):
        return _grouped(_files(Path(path).expanduser()), None)
    raise SpanReadError(
        f"Nothing can be forgotten in {type(source).__name__} {source!r:.80}. Give a Run, an "
        "OfflineRun, an s3:// address, a folder, or experiment_name (and run_name)."
    )


def _mlflow_error() -> SpanReadError:
    return SpanReadError(
        "The artifacts and traces of an MLflow run can't be changed from here. Nothing was "
        "changed. Delete its traces with MLflow's own client (`MlflowClient().delete_traces`), and "
        "the artifacts below langchain-traces/ where MLflow keeps them."
    )


def _in_s3(
    source: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> list[Place]:
    if isinstance(source, MlflowRun):
        raise _mlflow_error()
    if isinstance(source, BotoRun):
        bucket, folder = source.place()
        prefix = prefix_of_run_folders(folder)
        return _grouped(_keys(source.s3_client, bucket, prefix), source.s3_client)
    client = s3_client(sagemaker_session)
    if is_s3_address(source):
        bucket, key = split_address(source)
        run = run_folder_of(key)
        prefix = prefix_of_run_folders(run) if run != key.rstrip("/") else key
        return _grouped(_keys(client, bucket, prefix), client)
    if not experiment_name:
        raise SpanReadError(
            "Say where to forget: a Run, an s3:// address, a folder, or experiment_name (and "
            "run_name)."
        )
    region = client.meta.region_name
    found = run_places(experiment_name.lower(), run_name, sagemaker_session, region, None)
    keys = (
        address
        for place in found
        for address in _keys(client, place.bucket, prefix_of_run_folders(place.folder))
    )
    return _grouped(keys, client)


def _keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    for key, _ in list_objects(client, bucket, prefix):
        yield join_address(bucket, key)


def _files(path: Path) -> Iterator[str]:
    run = Path(run_folder_of(os.path.abspath(path)))
    if run == Path(os.path.abspath(path)) and path.is_file():
        yield str(run)
        return
    if not run.is_dir():
        raise SpanReadError(f"There is no folder or file {path}.")
    for listed in list_files(run):
        if listed.fault is None:
            yield listed.path


def _grouped(addresses: Iterable[str], client: Any) -> list[Place]:
    places: dict[str, Place] = {}
    named = list(addresses)
    for address in named:
        run = run_folder_of(address)
        is_run = run != address
        # A Parquet file outside of a run's folder is somebody's export, unless it is named itself.
        if is_run or is_part(address) or (is_parquet(address) and len(named) == 1):
            folder = join_folder(run, TRACES_FOLDER) if is_run else folder_of(address)
            place = places.setdefault(folder, Place(folder, [], client, is_run))
            place.addresses.append(address)
    return list(places.values())
