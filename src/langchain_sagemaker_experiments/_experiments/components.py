"""Experiments, trials and trial components: create or load, update what changed, list."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from .._record.limits import MAX_ARTIFACTS
from .._storage.keys import trial_component_name
from .names import RUN_TAG, trial_name
from .pacing import DESCRIBES_PER_SECOND, Pace, call_paced

Parameter = str | int | float
Tags = list[dict[str, str]]

PAGE_SIZE: Final = 100
"""Entries of one ListTrialComponents answer: the most there can be; AWS gives 10 to who does not
ask.
"""
_WORKERS: Final = 8
"""Describes on their way at a time."""
_NOT_FOUND: Final = ("ResourceNotFound", "ResourceNotFoundException")


@dataclass(frozen=True)
class Artifact:
    """An address that a run shows.

    Attributes:
        value: the address, such as `s3://bucket/key`.
        media_type: its media type, or None.
    """

    value: str
    media_type: str | None = None


@dataclass
class Component:
    """A trial component as DescribeTrialComponent tells it.

    Attributes:
        name: its name, in lower case.
        arn: its ARN.
        parameters: its parameters by name.
        inputs: input artifacts by name.
        outputs: output artifacts by name.
        start_time: when the run began, or None.
        status: `InProgress`, `Completed`, `Failed`, `Stopping`, `Stopped`, or None.
    """

    name: str
    arn: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    inputs: dict[str, Artifact] = field(default_factory=dict)
    outputs: dict[str, Artifact] = field(default_factory=dict)
    start_time: datetime.datetime | None = None
    status: str | None = None

    def add_artifact(self, name: str, artifact: Artifact, is_output: bool) -> None:
        """Take an artifact; one of the same name is replaced.

        Raises:
            ValueError: there are as many as SageMaker allows.
        """
        known = self.outputs if is_output else self.inputs
        if name not in known and len(known) >= MAX_ARTIFACTS:
            raise ValueError(
                f"The artifact {name!r} was not logged: the run has {MAX_ARTIFACTS} already, the "
                f"most."
            )
        known[name] = artifact


@dataclass
class Changes:
    """What an update sends: only what changed, since UpdateTrialComponent merges by key.

    The attributes are those of `Component`; `status` and `message` go together.
    """

    parameters: dict[str, Parameter] = field(default_factory=dict)
    inputs: dict[str, Artifact] = field(default_factory=dict)
    outputs: dict[str, Artifact] = field(default_factory=dict)
    start_time: datetime.datetime | None = None
    end_time: datetime.datetime | None = None
    status: str | None = None
    message: str | None = None

    def __bool__(self) -> bool:
        return any(value for value in vars(self).values())

    def below(self, newer: Changes) -> Changes:
        """Return these changes, which could not be sent, with those that came meanwhile on top."""
        return Changes(
            {**self.parameters, **newer.parameters},
            {**self.inputs, **newer.inputs},
            {**self.outputs, **newer.outputs},
            newer.start_time or self.start_time,
            newer.end_time or self.end_time,
            newer.status or self.status,
            newer.message if newer.status else self.message,
        )


@dataclass(frozen=True)
class Listed:
    """One entry of a list of trial components.

    Attributes:
        name: the trial component's name.
        status: as in `Component`.
        created: when it was created.
    """

    name: str
    status: str | None
    created: datetime.datetime


def is_missing(error: ClientError) -> bool:
    """Return True if the error says that what was asked for does not exist."""
    return error.response.get("Error", {}).get("Code") in _NOT_FOUND


def open_component(
    client: Any,
    experiment: str,
    run: str,
    *,
    tags: Iterable[Mapping[str, str]] = (),
    experiment_display_name: str | None = None,
    run_display_name: str | None = None,
) -> Component:
    """Create the experiment, the trial and the trial component of a run, as far as they do not
    exist yet.

    Args:
        client: a boto3 client for SageMaker.
        experiment: the experiment's name, in lower case.
        run: the run's name, in lower case.
        tags: tags for what is created.
        experiment_display_name: shown by Studio; used when the experiment is created.
        run_display_name: the same for the run.

    Returns:
        The trial component, with what it holds if it existed.

    Raises:
        ClientError: AWS refused a request.
    """
    given: Tags = [dict(tag) for tag in tags]
    trial, name = trial_name(experiment), trial_component_name(experiment, run)
    _create(client.create_experiment, experiment_display_name, given, ExperimentName=experiment)
    _create(client.create_trial, None, given, TrialName=trial, ExperimentName=experiment)
    labelled = given if RUN_TAG in given else [*given, RUN_TAG]
    created = _create(
        client.create_trial_component, run_display_name, labelled, TrialComponentName=name
    )
    component = Component(name, created["TrialComponentArn"]) if created else describe(client, name)
    _associate(client, trial, name)
    return component


def _create(
    call: Callable[..., dict[str, Any]], display_name: str | None, tags: Tags, **names: str
) -> dict[str, Any] | None:
    """Create something and return the answer, or None if it exists already."""
    request: dict[str, Any] = dict(names)
    if display_name:
        request["DisplayName"] = display_name
    if tags:
        request["Tags"] = tags
    try:
        return call(**request)
    except ClientError as error:
        if not _exists(error):
            raise
        return None


def _exists(error: ClientError) -> bool:
    told = error.response.get("Error", {})
    return told.get("Code") == "ValidationException" and "already" in told.get("Message", "")


def _associate(client: Any, trial: str, name: str) -> None:
    try:
        client.associate_trial_component(TrialName=trial, TrialComponentName=name)
    except ClientError as error:
        # The SDK searches first and associates then; but Search lags, so the answer decides here.
        if not _exists(error):
            raise


def describe(client: Any, name: str) -> Component:
    """Return a trial component.

    Raises:
        ClientError: it does not exist (see `is_missing`), or AWS refused.
    """
    found = client.describe_trial_component(TrialComponentName=name)
    return Component(
        name=found["TrialComponentName"],
        arn=found.get("TrialComponentArn", ""),
        parameters={
            key: value["NumberValue"] if "NumberValue" in value else value.get("StringValue", "")
            for key, value in found.get("Parameters", {}).items()
        },
        inputs=_artifacts(found.get("InputArtifacts", {})),
        outputs=_artifacts(found.get("OutputArtifacts", {})),
        start_time=found.get("StartTime"),
        status=found.get("Status", {}).get("PrimaryStatus"),
    )


def describe_all(
    client: Any, names: Iterable[str], per_second: float = DESCRIBES_PER_SECOND
) -> Iterator[tuple[str, Component | ClientError]]:
    """Yield each name with its trial component, or with the error that AWS answered, at AWS's pace.

    Args:
        client: a boto3 client for SageMaker.
        names: names of trial components.
        per_second: requests a second.
    """
    pace = Pace(per_second)

    def find(name: str) -> tuple[str, Component | ClientError]:
        try:
            return name, call_paced(lambda: describe(client, name), pace)
        except ClientError as error:
            return name, error

    with ThreadPoolExecutor(_WORKERS) as pool:
        yield from pool.map(find, names)


def list_components(client: Any, experiment: str) -> list[Listed]:
    """Return the trial components of an experiment, newest first.

    Raises:
        ClientError: the experiment does not exist (see `is_missing`), or AWS refused.
    """
    pages = client.get_paginator("list_trial_components").paginate(
        ExperimentName=experiment, PaginationConfig={"PageSize": PAGE_SIZE}
    )
    return [
        Listed(
            item["TrialComponentName"],
            item.get("Status", {}).get("PrimaryStatus"),
            item["CreationTime"],
        )
        for page in pages
        for item in page["TrialComponentSummaries"]
    ]


def update(client: Any, name: str, changes: Changes) -> None:
    """Send changes to a trial component; nothing else of it is touched. Makes no request for no
    changes.

    Raises:
        ClientError: AWS refused.
    """
    if not changes:
        return
    request: dict[str, Any] = {
        "Parameters": {key: _parameter(value) for key, value in changes.parameters.items()},
        "InputArtifacts": _artifact_map(changes.inputs),
        "OutputArtifacts": _artifact_map(changes.outputs),
        "StartTime": changes.start_time,
        "EndTime": changes.end_time,
    }
    if changes.status:
        message = {"Message": changes.message} if changes.message else {}
        request["Status"] = {"PrimaryStatus": changes.status, **message}
    sent = {key: value for key, value in request.items() if value}
    client.update_trial_component(TrialComponentName=name, **sent)


def _parameter(value: Parameter) -> dict[str, Any]:
    if isinstance(value, numbers.Number):
        return {"NumberValue": value}
    return {"StringValue": str(value)}


def _artifacts(found: Mapping[str, Mapping[str, str]]) -> dict[str, Artifact]:
    return {name: Artifact(value["Value"], value.get("MediaType")) for name, value in found.items()}


def _artifact_map(artifacts: Mapping[str, Artifact]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "Value": artifact.value,
            **({"MediaType": artifact.media_type} if artifact.media_type else {}),
        }
        for name, artifact in artifacts.items()
    }
