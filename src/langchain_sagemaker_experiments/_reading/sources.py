"""Where parts lie: a Run, an `s3://` address, a folder, an experiment → the parts, each with an
address and a way to its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .._destinations.boto_run import BotoRun
from .._destinations.offline_run import OfflineRun
from .._destinations.sagemaker_run import is_sagemaker_run, run_place
from .._storage.failure_advice import explain
from .._storage.keys import (
    ARTIFACT_NAME,
    EXPERIMENT_METADATA,
    RUN_FOLDERS_PREFIX,
    RUN_METADATA,
    SCORES_FOLDER,
    TRACES_FOLDER,
    is_evaluation_file,
    is_score_part,
    run_folder_of,
    trial_component_name,
)
from .._storage.manifest import ENDING as PARQUET
from .._storage.manifest import (
    FOLDER,
    MANIFEST,
    Manifest,
    load_manifest,
    names_of,
    place_of,
    visible,
)
from ..exceptions import SpanReadError

_ENDINGS: Final = (".jsonl", ".jsonl.gz")
"""What is taken for spans wherever it is found. Parquet files are when a manifest names them, or
the user does.
"""
_WORKERS: Final = 10
"""Parts read at a time: as many as botocore keeps connections (`max_pool_connections`), a Run's own
client too.
"""
_MISSING: Final = ("NoSuchBucket", "NoSuchKey", "404", "NotFound")


@dataclass(frozen=True)
class Contents:
    """What a part holds, and whose it is as far as the store itself tells."""

    data: bytes
    experiment: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Part:
    """One part: its address, whose it is as far as its place tells, and how to get its bytes."""

    address: str
    read: Callable[[], Contents]
    experiment: str | None = None
    run: str | None = None


def find_parts(
    source: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> list[Part]:
    """Return the parts of spans of a source, oldest first.

    Raises:
        SpanReadError: the source does not exist, can't be reached, or is of no kind we know.
    """
    return find_all_parts(source, experiment_name, run_name, sagemaker_session)[0]


def find_all_parts(
    source: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> tuple[list[Part], list[Part]]:
    """Return the parts of spans and the parts of scores of a source, each oldest first, from one
    listing.

    Raises:
        SpanReadError: the source does not exist, can't be reached, or is of no kind we know.
    """
    found = _find(source, experiment_name, run_name, sagemaker_session)
    scores = [part for part in found if is_score_part(part.address)]
    spans = [
        part
        for part in found
        if not is_score_part(part.address) and not is_evaluation_file(part.address)
    ]
    return spans, scores


def _find(
    source: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> list[Part]:
    try:
        if source is None:
            return _of_experiment(experiment_name, run_name, sagemaker_session)
        if isinstance(source, OfflineRun):
            return _of_folder(source.path)
        if isinstance(source, BotoRun):
            bucket, folder = source.place()
            parts = _below(source.s3_client, bucket, _run_folders(folder))
            return [
                replace(part, experiment=source.experiment_name, run=source.run_name)
                for part in parts
            ]
        if is_sagemaker_run(source):
            bucket, prefix = run_place(source)
            parts = _below(source._artifact_uploader._s3_client, bucket, _run_folders(prefix))
            return [
                replace(part, experiment=source.experiment_name, run=source.run_name)
                for part in parts
            ]
        if isinstance(source, str) and source.startswith("s3://"):
            return _of_address(source, s3_client(sagemaker_session))
        if isinstance(source, (str, Path)):
            return _of_folder(Path(source).expanduser())
    except (ClientError, BotoCoreError) as error:
        raise SpanReadError(f"Spans can't be read. {explain(error, 'try again')}") from error
    raise SpanReadError(
        f"Spans can't be read from {type(source).__name__} {source!r:.80}. Give a Run, an OfflineRun, an s3:// address, "
        "a folder, or experiment_name (and run_name)."
    )


def _run_folders(key: str) -> str:
    """The prefix of spans and scores of a run, from the key of anything among its spans."""
    return f"{run_folder_of(key)}/{RUN_FOLDERS_PREFIX}"


def read_all(parts: list[Part]) -> Iterator[tuple[Part, Contents]]:
    """Yield each part with its contents, in order, several read at a time.

    Raises:
        SpanReadError: a part can't be read.
    """
    if not parts:
        return
    with ThreadPoolExecutor(min(_WORKERS, len(parts))) as pool:
        yield from zip(parts, pool.map(_read, parts), strict=True)


def _read(part: Part) -> Contents:
    try:
        contents = part.read()
    except (ClientError, BotoCoreError, OSError) as error:
        raise SpanReadError(
            f"{part.address} can't be read. {explain(error, 'try again')}"
        ) from error
    return replace(
        contents, experiment=contents.experiment or part.experiment, run=contents.run or part.run
    )


def part_at(address: str, experiment: str | None, run: str | None) -> Contents:
    """Read a part by its address, with the credentials found here: what a worker elsewhere does.

    Raises:
        SpanReadError: it can't be read.
    """
    if address.startswith("s3://"):
        bucket, _, key = address.removeprefix("s3://").partition("/")
        found = _s3_part(
            _worker_client(*(os.environ.get(name) for name in _CLIENT_SETTINGS)), bucket, key
        )
    else:
        found = _file_part(Path(address))
    return _read(replace(found, experiment=experiment, run=run))


_CLIENT_SETTINGS: Final = (
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
)


@lru_cache(maxsize=4)
def _worker_client(*settings: str | None) -> Any:
    """One client for each of the environments it is made from, as long as the process lives."""
    return s3_client(None)


# --- folders --------------------------------------------------------------------------------------
def _of_folder(path: Path) -> list[Part]:
    if path.is_file():
        return [_file_part(path)]
    if not path.is_dir():
        raise SpanReadError(f"There is no folder or file {path}.")
    everything = list(path.rglob("*"))
    manifests = {
        found.parent.parent.as_posix(): _manifest(str(found), found.read_bytes)
        for found in everything
        if found.name == MANIFEST and found.parent.name == FOLDER
    }
    # An OfflineRun keeps a log of its own beside its traces, sync a hidden one; all else with the
    # ending is taken for spans.
    files = [
        str(found)
        for found in everything
        if found.name.endswith(_ENDINGS)
        and found.name != "run.jsonl"
        and not found.name.startswith(".")
    ]
    taken = [Path(address) for address in visible(files, manifests)]
    return [
        _file_part(found) for found in sorted(taken, key=lambda found: (found.name, str(found)))
    ]


def _manifest(address: str, read: Callable[[], bytes]) -> Manifest:
    try:
        return load_manifest(read())
    except (ValueError, KeyError, TypeError) as error:
        raise SpanReadError(
            f"{address} can't be read ({error}), so it is not known which of the files beside it count. Restore it, or remove it "
            "together with the Parquet files beside it if the parts are all still there."
        ) from error


def _file_part(path: Path) -> Part:
    place = place_of(str(path.absolute()))
    if place is not None:
        return Part(str(path), lambda: Contents(path.read_bytes()), *names_of(place[1]))
    *_, experiment, run, folder, _ = ("", "", "", *path.absolute().parts)
    named = folder in (TRACES_FOLDER, SCORES_FOLDER)
    return Part(
        str(path),
        lambda: Contents(path.read_bytes()),
        experiment if named else None,
        run if named else None,
    )


# --- S3 -------------------------------------------------------------------------------------------
def s3_client(sagemaker_session: Any) -> Any:
    """Return an S3 client with the session's credentials and region, or boto3's default ones."""
    session = getattr(sagemaker_session, "boto_session", None) or boto3
    return session.client("s3")


def _of_address(address: str, client: Any) -> list[Part]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not bucket:
        raise SpanReadError(
            f"{address!r} names no bucket; an address looks like s3://bucket/prefix."
        )
    try:
        if key.endswith((*_ENDINGS, PARQUET)):
            client.head_object(Bucket=bucket, Key=key)
            return [_s3_part(client, bucket, key)]
        parts = _below(client, bucket, key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise SpanReadError(
                f"There is nothing at {address}: {explain(error, 'try again')}"
            ) from error
        raise
    if not parts:
        raise SpanReadError(
            f"There are no spans at {address}: no object below it ends in .jsonl or .jsonl.gz, and none is compacted."
        )
    return parts


def _below(client: Any, bucket: str, prefix: str) -> list[Part]:
    keys: list[str] = []
    manifests: dict[str, Manifest] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            key = item["Key"]
            if key.endswith(_ENDINGS):
                keys.append(key)
            elif key.endswith(f"/{FOLDER}/{MANIFEST}"):
                read = partial(_read_object, client, bucket, key)
                manifests[key.removesuffix(f"/{FOLDER}/{MANIFEST}")] = _manifest(
                    f"s3://{bucket}/{key}", read
                )
    return [
        _s3_part(client, bucket, key)
        for key in sorted(visible(keys, manifests), key=lambda key: (key.rsplit("/", 1)[-1], key))
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
    place = place_of(key)
    if place is not None:
        return Part(f"s3://{bucket}/{key}", read, *names_of(place[1]))
    *_, component, folder, _ = ("", "", *key.split("/"))
    return Part(
        f"s3://{bucket}/{key}",
        read,
        run=component if folder in (TRACES_FOLDER, SCORES_FOLDER) else None,
    )


# --- experiments ----------------------------------------------------------------------------------
def _of_experiment(
    experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> list[Part]:
    if not experiment_name:
        raise SpanReadError(
            "Say what to read: a Run, an s3:// address, a folder, or experiment_name (and run_name)."
        )
    boto_session = getattr(sagemaker_session, "boto_session", None) or boto3
    client = getattr(sagemaker_session, "sagemaker_client", None) or boto_session.client(
        "sagemaker"
    )
    experiment = experiment_name.lower()
    names = (
        [trial_component_name(experiment, run_name)]
        if run_name
        else _components(client, experiment)
    )
    s3 = s3_client(sagemaker_session)
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda name: _place(client, name, experiment, run_name), names))
    parts: list[Part] = []
    for name, place in zip(names, places, strict=True):
        if place is None:
            found = _at_default_place(s3, boto_session, sagemaker_session, name)
        else:
            bucket, _, key = place.removeprefix("s3://").partition("/")
            found = _below(s3, bucket, _run_folders(key))
        parts += [
            replace(part, experiment=experiment, run=name.removeprefix(f"{experiment}-"))
            for part in found
        ]
    return parts


def _components(client: Any, experiment: str) -> list[str]:
    names: list[str] = []
    try:
        for page in client.get_paginator("list_trial_components").paginate(
            ExperimentName=experiment
        ):
            names += [item["TrialComponentName"] for item in page["TrialComponentSummaries"]]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in (
            "ResourceNotFound",
            "ResourceNotFoundException",
        ):
            raise SpanReadError(
                f"There is no experiment {experiment!r} in this account and region."
            ) from error
        raise
    if not names:
        raise SpanReadError(
            f"The experiment {experiment!r} does not exist in this account and region, or has no runs."
        )
    return names


def _place(client: Any, name: str, experiment: str, run_name: str | None) -> str | None:
    """The address of a run's newest part, as its artifact or, for a Run full of artifacts, its
    parameter tells.
    """
    try:
        component = client.describe_trial_component(TrialComponentName=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in ("ResourceNotFound", "ResourceNotFoundException", "ValidationException"):
            raise SpanReadError(
                f"There is no run {run_name or name!r} in the experiment {experiment!r}."
            ) from error
        raise
    artifact = component.get("OutputArtifacts", {}).get(ARTIFACT_NAME, {}).get("Value")
    parameter = component.get("Parameters", {}).get(ARTIFACT_NAME, {}).get("StringValue")
    address = artifact or parameter
    return address if isinstance(address, str) and address.startswith("s3://") else None


def place_of_run(experiment_name: str, run_name: str, sagemaker_session: Any) -> tuple[str, str]:
    """Return bucket and key of a run's folder, without opening the run.

    Raises:
        SpanReadError: there is no such run.
    """
    boto_session = getattr(sagemaker_session, "boto_session", None) or boto3
    client = getattr(sagemaker_session, "sagemaker_client", None) or boto_session.client(
        "sagemaker"
    )
    experiment = experiment_name.lower()
    name = trial_component_name(experiment, run_name)
    place = _place(client, name, experiment, run_name)
    if place is None:
        s3 = s3_client(sagemaker_session)
        return _default_place(s3, boto_session, sagemaker_session, name)
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return bucket, run_folder_of(key)


def _at_default_place(s3: Any, boto_session: Any, sagemaker_session: Any, name: str) -> list[Part]:
    """A run that is still open has not told its artifact yet: look where the SDK puts things by
    default.
    """
    try:
        bucket, key = _default_place(s3, boto_session, sagemaker_session, name)
        return _below(s3, bucket, f"{key}/{RUN_FOLDERS_PREFIX}")
    except (ClientError, BotoCoreError):
        return []


def _default_place(
    s3: Any, boto_session: Any, sagemaker_session: Any, name: str
) -> tuple[str, str]:
    """Bucket and key of a run's folder where the SDK puts it by default."""
    bucket = getattr(sagemaker_session, "_default_bucket", None) or getattr(
        sagemaker_session, "_default_bucket_name_override", None
    )
    prefix = getattr(sagemaker_session, "default_bucket_prefix", None)
    if not bucket:
        account = boto_session.client("sts").get_caller_identity()["Account"]
        bucket = f"sagemaker-{s3.meta.region_name}-{account}"
    return bucket, "/".join(part for part in (prefix, "trial-component-artifacts", name) if part)
