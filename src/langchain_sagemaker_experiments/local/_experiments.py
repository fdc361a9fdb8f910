"""SageMaker Experiments over moto's store: what moto's own operations lack, each as the service's
documentation has it.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from moto.sagemaker.exceptions import ResourceNotFound, ValidationError
from moto.sagemaker.models import FakeExperiment, FakeTrial, FakeTrialComponent

from . import _search
from ._limits import maximum

_RESOURCES: Final = {
    "Experiment": ("experiments", "Experiment"),
    "ExperimentTrial": ("trials", "Trial"),
    "ExperimentTrialComponent": ("trial_components", "TrialComponent"),
}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _taken(what: str, kind: str, name: str) -> ValidationError:
    return ValidationError(
        f"{what} names must be unique within an AWS account and region. {kind} with name ({name}) already exists."
    )


def _missing(what: str, name: str) -> ResourceNotFound:
    return ResourceNotFound(f"{what} '{name}' does not exist.")


def create_experiment(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateExperiment: a name is taken once."""
    name = request["ExperimentName"]
    if name in backend.experiments:
        raise _taken("Experiment", "Experiment", name)
    experiment: Any = FakeExperiment(
        backend.account_id, backend.region_name, name, list(request.get("Tags") or ())
    )
    backend.experiments[name] = experiment
    return {"ExperimentArn": experiment.arn}


def create_trial(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateTrial: a name is taken once, and its experiment must be there."""
    name, experiment = request["TrialName"], request["ExperimentName"]
    if name in backend.trials:
        raise _taken("Trial", "Trial", name)
    if experiment not in backend.experiments:
        raise _missing("Experiment", experiment)
    trial = FakeTrial(
        backend.account_id,
        backend.region_name,
        name,
        experiment,
        list(request.get("Tags") or ()),
        [],
    )
    backend.trials[name] = trial
    return {"TrialArn": trial.arn}


def create_trial_component(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateTrialComponent: a name is taken once; tags are kept."""
    name = request["TrialComponentName"]
    if name in backend.trial_components:
        raise _taken("Trial Component", "Trial component", name)
    component = FakeTrialComponent(
        account_id=backend.account_id,
        region_name=backend.region_name,
        trial_component_name=name,
        display_name=request.get("DisplayName"),
        start_time=request.get("StartTime"),
        end_time=request.get("EndTime"),
        parameters=dict(request.get("Parameters") or {}),
        input_artifacts=dict(request.get("InputArtifacts") or {}),
        output_artifacts=dict(request.get("OutputArtifacts") or {}),
        metadata_properties=request.get("MetadataProperties"),
        status=request.get("Status"),
        trial_name=None,
        tags=list(request.get("Tags") or ()),
    )
    backend.trial_components[name] = component
    return {"TrialComponentArn": component.arn}


def update_trial_component(
    backend: Any, request: Mapping[str, Any], enforce_limits: bool
) -> dict[str, Any]:
    """UpdateTrialComponent: maps are merged by key, `…ToRemove` removes keys."""
    component = _component(backend, request["TrialComponentName"])
    for name, attribute in (
        ("Status", "status"),
        ("DisplayName", "display_name"),
        ("StartTime", "start_time"),
        ("EndTime", "end_time"),
    ):
        if request.get(name) is not None:
            setattr(component, attribute, request[name])
    for name, attribute, shape in (
        ("Parameters", "parameters", "TrialComponentParameters"),
        ("InputArtifacts", "input_artifacts", "TrialComponentArtifacts"),
        ("OutputArtifacts", "output_artifacts", "TrialComponentArtifacts"),
    ):
        merged = {**getattr(component, attribute), **(request.get(name) or {})}
        for key in request.get(f"{name}ToRemove") or ():
            merged.pop(key, None)
        if enforce_limits and len(merged) > maximum("sagemaker", shape):
            raise ValidationError(
                f"The number of {name} of a trial component must not exceed {maximum('sagemaker', shape)}."
            )
        setattr(component, attribute, merged)
    component.last_modified_time = _now()
    return {"TrialComponentArn": component.arn}


def describe_trial_component(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeTrialComponent, with metrics."""
    record = component_record(backend, _component(backend, request["TrialComponentName"]))
    return {key: value for key, value in record.items() if key not in ("Tags", "Parents")}


def associate_trial_component(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """AssociateTrialComponent: any number of trials, each once."""
    component = _component(backend, request["TrialComponentName"])
    trial = backend.trials.get(request["TrialName"])
    if trial is None:
        raise _missing("Trial", request["TrialName"])
    if component.trial_component_name not in trial.trial_components:
        trial.trial_components.append(component.trial_component_name)
    component.trial_name = trial.trial_name
    return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}


def list_trial_components(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListTrialComponents by experiment, trial and time, sorted and paged."""
    records = [
        component_record(backend, component) for component in backend.trial_components.values()
    ]
    experiment, trial = request.get("ExperimentName"), request.get("TrialName")
    if experiment is not None:
        if experiment not in backend.experiments:
            raise _missing("Experiment", experiment)
        records = [
            r for r in records if any(p["ExperimentName"] == experiment for p in r["Parents"])
        ]
    if trial is not None:
        records = [r for r in records if any(p["TrialName"] == trial for p in r["Parents"])]
    before, after = request.get("CreatedBefore"), request.get("CreatedAfter")
    if before is not None:
        records = [r for r in records if _aware(r["CreationTime"]) < _aware(before)]
    if after is not None:
        records = [r for r in records if _aware(r["CreationTime"]) > _aware(after)]
    sort_by = {"Name": "TrialComponentName"}.get(request.get("SortBy") or "", "CreationTime")
    ordered = _search.sort(records, sort_by, request.get("SortOrder"))
    found, token = _search.page(ordered, request.get("MaxResults"), request.get("NextToken"))
    names = (
        "TrialComponentName",
        "TrialComponentArn",
        "DisplayName",
        "Status",
        "StartTime",
        "EndTime",
        "CreationTime",
        "LastModifiedTime",
    )
    summaries = [
        {name: record[name] for name in names if record.get(name) is not None} for record in found
    ]
    return {"TrialComponentSummaries": summaries, "NextToken": token}


def search(backend: Any, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Search over experiments, trials and trial components; None for other resources, which moto
    serves itself.
    """
    if request.get("Resource") not in _RESOURCES:
        return None
    store, name = _RESOURCES[request["Resource"]]
    records = [_record(backend, name, item) for item in getattr(backend, store).values()]
    found = _search.search(records, request.get("SearchExpression"))
    ordered = _search.sort(found, request.get("SortBy"), request.get("SortOrder"))
    results, token = _search.page(ordered, request.get("MaxResults"), request.get("NextToken"))
    return {"Results": [{name: record} for record in results], "NextToken": token}


def _record(backend: Any, name: str, item: Any) -> dict[str, Any]:
    if name == "TrialComponent":
        return component_record(backend, item)
    record = {key: value for key, value in item.gen_response_object().items() if value is not None}
    record[f"{name}Arn"] = record.pop("Arn")
    return record


def component_record(backend: Any, component: Any) -> dict[str, Any]:
    """A trial component as Search gives it, with its metrics, tags and parents."""
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
    return {key: value for key, value in record.items() if value is not None}


def _component(backend: Any, name: str) -> Any:
    component = backend.trial_components.get(name)
    if component is None:
        raise _missing("Trial component", name)
    return component


def _aware(value: Any) -> datetime.datetime:
    if isinstance(value, (int, float)):
        return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    aware: datetime.datetime = (
        value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
    )
    return aware


def put_metrics(backend: Any, name: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    """BatchPutMetrics: a step is optional, and two values of one step are two values."""
    component = backend.trial_components.get(name)
    if component is None:
        return {"Errors": [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]}
    for metric in data:
        known = component.metrics.setdefault(
            metric["MetricName"],
            {
                "MetricName": metric["MetricName"],
                "Timestamp": int(metric["Timestamp"]),
                "Values": {},
            },
        )
        # moto keeps one value for each step; a key of our own keeps all, and the latest stays the
        # last.
        known["Values"][len(known["Values"])] = {**metric, "Step": metric.get("Step")}
    return {"Errors": []}


# --- lineage, as far as Run.log_precision_recall and its like need it -----------------------------
def create_artifact(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateArtifact: one lineage artifact for each source."""
    source = request["Source"]["SourceUri"]
    arn = _lineage_arn(backend, "artifact", source)
    artifacts = _lineage(backend)["artifacts"]
    if arn in artifacts:
        raise ValidationError(f"Artifact with source ({source}) already exists.")
    artifacts[arn] = {**request, "ArtifactArn": arn, "CreationTime": _now()}
    return {"ArtifactArn": arn}


def describe_artifact(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeArtifact."""
    artifacts = _lineage(backend)["artifacts"]
    if request["ArtifactArn"] not in artifacts:
        raise _missing("Artifact", request["ArtifactArn"])
    artifact: dict[str, Any] = artifacts[request["ArtifactArn"]]
    return artifact


def add_association(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """AddAssociation between two lineage entities."""
    associations = _lineage(backend)["associations"]
    key = (request["SourceArn"], request["DestinationArn"])
    if key in associations:
        raise ValidationError("The association already exists.")
    associations[key] = {**request, "CreationTime": _now()}
    return {"SourceArn": key[0], "DestinationArn": key[1]}


def list_associations(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListAssociations by source or destination."""
    found = [
        one
        for one in _lineage(backend)["associations"].values()
        if all(request.get(name) in (None, one[name]) for name in ("SourceArn", "DestinationArn"))
    ]
    return {"AssociationSummaries": found, "NextToken": None}


def _lineage(backend: Any) -> dict[str, dict[Any, Any]]:
    if "local_lineage" not in backend.__dict__:
        backend.__dict__["local_lineage"] = {"artifacts": {}, "associations": {}}
    lineage: dict[str, dict[Any, Any]] = backend.__dict__["local_lineage"]
    return lineage


def _lineage_arn(backend: Any, kind: str, source: str) -> str:
    digest = hashlib.sha256(source.encode()).hexdigest()[:32]
    return f"arn:aws:sagemaker:{backend.region_name}:{backend.account_id}:{kind}/{digest}"
