"""Experiments, trials and trial components as DescribeX, ListX and Search give them."""

from __future__ import annotations

import copy
import datetime
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from . import _search
from ._names import find, now, same

Record = dict[str, Any]

RESOURCES: Final = {
    "Experiment": ("experiments", "Experiment"),
    "ExperimentTrial": ("trials", "Trial"),
    "ExperimentTrialComponent": ("trial_components", "TrialComponent"),
}
"""Resources of Search → where moto's backend holds them, and what an answer calls them."""
_LIST_PAGE: Final = 10
"""Entries of a page of a list when the request does not say; Search gives 100."""
_SUMMARY: Final = (
    "TrialComponentName",
    "TrialComponentArn",
    "TrialName",
    "TrialArn",
    "DisplayName",
    "Status",
    "StartTime",
    "EndTime",
    "CreationTime",
    "LastModifiedTime",
)


# --- describe -------------------------------------------------------------------------------------
def describe_experiment(backend: Any, request: Mapping[str, Any]) -> Record:
    """DescribeExperiment."""
    return _without_tags(experiment_record(find(backend, "Experiment", request["ExperimentName"])))


def describe_trial(backend: Any, request: Mapping[str, Any]) -> Record:
    """DescribeTrial."""
    return _without_tags(trial_record(find(backend, "Trial", request["TrialName"])))


def describe_trial_component(backend: Any, request: Mapping[str, Any]) -> Record:
    """DescribeTrialComponent, with metrics."""
    component = find(backend, "Trial component", request["TrialComponentName"])
    return _without_tags(component_record(backend, component))


def _without_tags(record: Record) -> Record:
    return {key: value for key, value in record.items() if key not in ("Tags", "Parents")}


# --- list -----------------------------------------------------------------------------------------
def list_trials(backend: Any, request: Mapping[str, Any]) -> Record:
    """ListTrials by experiment, trial component and time, sorted and paged."""
    trials = list(backend.trials.values())
    experiment, component = request.get("ExperimentName"), request.get("TrialComponentName")
    if experiment is not None:
        find(backend, "Experiment", experiment)
        trials = [trial for trial in trials if same(trial.experiment_name, experiment)]
    if component is not None:
        name = find(backend, "Trial component", component).trial_component_name
        trials = [trial for trial in trials if name in trial.trial_components]
    records = [trial_record(trial) for trial in trials]
    found, token = _page(records, request, "TrialName")
    return {"TrialSummaries": found, "NextToken": token}


def list_trial_components(backend: Any, request: Mapping[str, Any]) -> Record:
    """ListTrialComponents by experiment, trial and time, sorted and paged."""
    components = list(backend.trial_components.values())
    experiment, trial = request.get("ExperimentName"), request.get("TrialName")
    if experiment is not None:
        find(backend, "Experiment", experiment)
        trials = [one for one in backend.trials.values() if same(one.experiment_name, experiment)]
        components = _of_trials(components, trials)
    if trial is not None:
        components = _of_trials(components, [find(backend, "Trial", trial)])
    records = [component_record(backend, component) for component in components]
    found, token = _page(records, request, "TrialComponentName")
    return {"TrialComponentSummaries": found, "NextToken": token}


def _of_trials(components: list[Any], trials: list[Any]) -> list[Any]:
    names = {name for trial in trials for name in trial.trial_components}
    return [component for component in components if component.trial_component_name in names]


def _page(
    records: list[Record], request: Mapping[str, Any], name: str
) -> tuple[list[Record], str | None]:
    """Return one page of summaries of what was created in the time asked for, in order."""
    before, after = request.get("CreatedBefore"), request.get("CreatedAfter")
    if before is not None:
        records = [r for r in records if _aware(r["CreationTime"]) < _aware(before)]
    if after is not None:
        records = [r for r in records if _aware(r["CreationTime"]) > _aware(after)]
    sort_by = name if request.get("SortBy") == "Name" else "CreationTime"
    ordered = _search.sort(records, sort_by, request.get("SortOrder"))
    found, token = _search.page(
        ordered, request.get("MaxResults"), request.get("NextToken"), default=_LIST_PAGE
    )
    return [{key: one[key] for key in _SUMMARY if key in one} for one in found], token


def _aware(value: Any) -> datetime.datetime:
    if isinstance(value, (int, float)):
        return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    aware: datetime.datetime = (
        value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
    )
    return aware


# --- search ---------------------------------------------------------------------------------------
def search(backend: Any, request: Mapping[str, Any], lag: float) -> Record | None:
    """Search over experiments, trials and trial components; None for other resources, which moto
    serves itself.

    Args:
        backend: moto's.
        request: the request.
        lag: seconds by which the answer is older than what the other operations tell.
    """
    if request.get("Resource") not in RESOURCES:
        return None
    store, name = RESOURCES[request["Resource"]]
    if lag:
        records = _as_of(backend, store, now() - datetime.timedelta(seconds=lag))
    else:
        records = _all_records(backend, store)
    found = _search.search(records, request.get("SearchExpression"))
    ordered = _search.sort(found, request.get("SortBy"), request.get("SortOrder"))
    results, token = _search.page(ordered, request.get("MaxResults"), request.get("NextToken"))
    return {"Results": [{name: record} for record in results], "NextToken": token}


def remember(backend: Any) -> None:
    """Keep what Search would answer now, for a Search that lags."""
    history = _history(backend)
    kept = {store: copy.deepcopy(_all_records(backend, store)) for store, _ in RESOURCES.values()}
    history.append((now(), kept))


def _as_of(backend: Any, store: str, when: datetime.datetime) -> list[Record]:
    """Return the records as they were at a time; what is older than that is forgotten."""
    history = _history(backend)
    while len(history) > 1 and history[1][0] <= when:
        history.popleft()
    if not history or history[0][0] > when:
        return []
    records: list[Record] = history[0][1][store]
    return records


def _history(backend: Any) -> deque[tuple[datetime.datetime, dict[str, list[Record]]]]:
    if "local_history" not in backend.__dict__:
        backend.__dict__["local_history"] = deque()
    history: deque[tuple[datetime.datetime, dict[str, list[Record]]]] = backend.__dict__[
        "local_history"
    ]
    return history


def _all_records(backend: Any, store: str) -> list[Record]:
    things = list(getattr(backend, store).values())
    if store == "trial_components":
        return [component_record(backend, component) for component in things]
    return [(experiment_record if store == "experiments" else trial_record)(one) for one in things]


# --- records --------------------------------------------------------------------------------------
def experiment_record(experiment: Any) -> Record:
    """Return an experiment as Search gives it."""
    record = {
        "ExperimentName": experiment.experiment_name,
        "ExperimentArn": experiment.arn,
        "DisplayName": experiment.display_name,
        "Description": experiment.description,
        "CreationTime": experiment.creation_time,
        "LastModifiedTime": experiment.last_modified_time,
        "Tags": experiment.tags,
    }
    return _known(record)


def trial_record(trial: Any) -> Record:
    """Return a trial as Search gives it."""
    record = {
        "TrialName": trial.trial_name,
        "TrialArn": trial.arn,
        "DisplayName": trial.display_name,
        "ExperimentName": trial.experiment_name,
        "CreationTime": trial.creation_time,
        "LastModifiedTime": trial.last_modified_time,
        "Tags": trial.tags,
    }
    return _known(record)


def component_record(backend: Any, component: Any) -> Record:
    """Return a trial component as Search gives it, with its metrics, tags and parents."""
    record = {
        "TrialComponentName": component.trial_component_name,
        "TrialComponentArn": component.arn,
        "DisplayName": component.display_name,
        "Status": component.status,
        "StartTime": component.start_time,
        "EndTime": component.end_time,
        "CreationTime": component.creation_time,
        "LastModifiedTime": component.last_modified_time,
        "Parameters": component.parameters,
        "InputArtifacts": component.input_artifacts,
        "OutputArtifacts": component.output_artifacts,
        "Metrics": component.gen_metrics_response_object(),
        "Tags": component.tags,
        "Parents": [
            {"TrialName": trial.trial_name, "ExperimentName": trial.experiment_name}
            for trial in backend.trials.values()
            if component.trial_component_name in trial.trial_components
        ],
    }
    return _known(record)


def _known(record: Record) -> Record:
    return {key: value for key, value in record.items() if value is not None}
