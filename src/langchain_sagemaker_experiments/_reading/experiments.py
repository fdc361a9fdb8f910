"""Where the runs of an experiment keep their files, asked of SageMaker at the pace it allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .._experiments.clients import sagemaker_client
from .._experiments.components import Component, describe_all, is_missing, list_components
from .._experiments.names import run_name_of
from .._experiments.places import DefaultPlace, default_place, known_place, run_prefix
from .._storage.failure_advice import explain
from .._storage.keys import (
    trial_component_name,
)
from ..exceptions import SpanReadError
from .problems import Problem


@dataclass(frozen=True)
class RunPlace:
    """Where a run keeps its files.

    Attributes:
        run: the run's name.
        bucket: the bucket, or an access point's ARN.
        folder: the key of the run's folder, which holds the folders of spans and of scores.
        is_known: False if the run names no place, so that this is the SDK's default one.
    """

    run: str
    bucket: str
    folder: str
    is_known: bool


def run_places(
    experiment: str,
    run: str | None,
    session: Any,
    region: str,
    problems: list[Problem] | None,
) -> list[RunPlace]:
    """Return the places of a run, or of all runs of an experiment, newest run first.

    Args:
        experiment: the experiment's name, in lower case.
        run: one run's name, or None for all.
        session: whose credentials to use.
        region: the region of the default bucket.
        problems: takes the runs that can't be described, so that the others can be read.

    Raises:
        SpanReadError: there is no such experiment or run; without `problems`, or if there is not
            one run that can be described, also what AWS refused.
    """
    client = sagemaker_client(session)
    name = trial_component_name(experiment, run) if run else None
    names = [name] if name else _component_names(client, experiment)
    places, refused = [], []
    find_default = _default_finder(session, region)
    for component, found in describe_all(client, names):
        if isinstance(found, Component):
            places.append(_place(found, run_name_of(component, experiment), find_default))
        else:
            refused.append((component, found))
    if refused and (problems is None or not places):
        raise _describe_error(refused[0][1], run, experiment) from refused[0][1]
    if problems is not None:
        problems += [_undescribed(run_name_of(name, experiment), error) for name, error in refused]
    return places


def _undescribed(run: str, error: ClientError) -> Problem:
    return Problem(f"run {run}", f"the run can't be found ({explain(error, 'try again')})")


def _component_names(client: Any, experiment: str) -> list[str]:
    try:
        names = [one.name for one in list_components(client, experiment)]
    except ClientError as error:
        if not is_missing(error):
            raise
        raise SpanReadError(
            f"There is no experiment {experiment!r} in this account and region."
        ) from error
    if not names:
        raise SpanReadError(
            f"The experiment {experiment!r} does not exist in this account and region, or has no "
            "runs."
        )
    return names


def _describe_error(error: ClientError, run: str | None, experiment: str) -> Exception:
    code = error.response.get("Error", {}).get("Code")
    if run and (is_missing(error) or code == "ValidationException"):
        return SpanReadError(f"There is no run {run!r} in the experiment {experiment!r}.")
    return SpanReadError(f"Spans can't be read. {explain(error, 'try again')}")


def _place(component: Component, run: str, find_default: Callable[[], DefaultPlace]) -> RunPlace:
    """Return where the traces of a run lie: as its artifact tells or, for a run full of artifacts,
    its parameter; else where the SDK puts things by default, since a run that is open and was not
    flushed has told nothing.
    """
    known = known_place(component.outputs, component.parameters)
    if known is not None:
        return RunPlace(run, known[0], known[1], True)
    default = find_default()
    return RunPlace(run, default.bucket, run_prefix(default, component.name), False)


def _default_finder(session: Any, region: str) -> Callable[[], DefaultPlace]:
    """Return a function that tells the default place and asks STS at most once."""

    @cache
    def find() -> DefaultPlace:
        try:
            return default_place(session, region)
        except (ClientError, BotoCoreError) as error:
            raise SpanReadError(
                "The account's default bucket can't be found, where runs that name no place of "
                f"their own keep their traces. {explain(error, 'try again')}"
            ) from error

    return find
