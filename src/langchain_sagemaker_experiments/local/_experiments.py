"""SageMaker Experiments over moto's store: what moto's own operations lack, each as the service's
documentation has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakeExperiment, FakeTrial, FakeTrialComponent

from ._limits import maximum
from ._names import add, find, now, refuse_taken, remove, same

Request = Mapping[str, Any]


# --- create ---------------------------------------------------------------------------------------
def create_experiment(backend: Any, request: Request) -> dict[str, Any]:
    """CreateExperiment: a name is taken once."""
    name = request["ExperimentName"]
    refuse_taken(backend, "Experiment", name)
    tags = list(request.get("Tags") or ())
    # ARNs hold names in lower case.
    experiment: Any = FakeExperiment(backend.account_id, backend.region_name, name.lower(), tags)
    experiment.experiment_name = name
    experiment.display_name = request.get("DisplayName") or name
    experiment.description = request.get("Description")
    add(backend, "Experiment", name, experiment)
    return {"ExperimentArn": experiment.arn}


def create_trial(backend: Any, request: Request) -> dict[str, Any]:
    """CreateTrial: a name is taken once, and its experiment must be there."""
    name = request["TrialName"]
    refuse_taken(backend, "Trial", name)
    experiment = find(backend, "Experiment", request["ExperimentName"]).experiment_name
    tags = list(request.get("Tags") or ())
    trial: Any = FakeTrial(
        backend.account_id, backend.region_name, name.lower(), experiment, tags, []
    )
    trial.trial_name = name
    trial.display_name = request.get("DisplayName") or name
    add(backend, "Trial", name, trial)
    return {"TrialArn": trial.arn}


def create_trial_component(backend: Any, request: Request) -> dict[str, Any]:
    """CreateTrialComponent: a name is taken once; tags are kept."""
    name = request["TrialComponentName"]
    refuse_taken(backend, "Trial component", name)
    component = FakeTrialComponent(
        account_id=backend.account_id,
        region_name=backend.region_name,
        trial_component_name=name.lower(),
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
    component.trial_component_name = name
    add(backend, "Trial component", name, component)
    return {"TrialComponentArn": component.arn}


# --- update ---------------------------------------------------------------------------------------
def update_experiment(backend: Any, request: Request) -> dict[str, Any]:
    """UpdateExperiment: display name and description."""
    experiment = find(backend, "Experiment", request["ExperimentName"])
    _set(experiment, request, (("DisplayName", "display_name"), ("Description", "description")))
    return {"ExperimentArn": experiment.arn}


def update_trial(backend: Any, request: Request) -> dict[str, Any]:
    """UpdateTrial: the display name."""
    trial = find(backend, "Trial", request["TrialName"])
    _set(trial, request, (("DisplayName", "display_name"),))
    return {"TrialArn": trial.arn}


def update_trial_component(backend: Any, request: Request, enforce_limits: bool) -> dict[str, Any]:
    """UpdateTrialComponent: maps are merged by key, `…ToRemove` removes keys."""
    component = find(backend, "Trial component", request["TrialComponentName"])
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
                f"The number of {name} of a trial component must not exceed "
                f"{maximum('sagemaker', shape)}."
            )
        setattr(component, attribute, merged)
    names = (
        ("Status", "status"),
        ("DisplayName", "display_name"),
        ("StartTime", "start_time"),
        ("EndTime", "end_time"),
    )
    _set(component, request, names)
    return {"TrialComponentArn": component.arn}


def _set(thing: Any, request: Request, names: tuple[tuple[str, str], ...]) -> None:
    for name, attribute in names:
        if request.get(name) is not None:
            setattr(thing, attribute, request[name])
    thing.last_modified_time = now()


# --- associate ------------------------------------------------------------------------------------
def associate_trial_component(backend: Any, request: Request) -> dict[str, Any]:
    """AssociateTrialComponent: any number of trials, each once."""
    component = find(backend, "Trial component", request["TrialComponentName"])
    trial = find(backend, "Trial", request["TrialName"])
    if component.trial_component_name not in trial.trial_components:
        trial.trial_components.append(component.trial_component_name)
    component.trial_name = trial.trial_name
    return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}


def disassociate_trial_component(backend: Any, request: Request) -> dict[str, Any]:
    """DisassociateTrialComponent: from one trial; other trials keep it."""
    component = find(backend, "Trial component", request["TrialComponentName"])
    trial = find(backend, "Trial", request["TrialName"])
    if component.trial_component_name in trial.trial_components:
        trial.trial_components.remove(component.trial_component_name)
    if component.trial_name == trial.trial_name:
        component.trial_name = None
    return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}


# --- delete ---------------------------------------------------------------------------------------
def delete_experiment(backend: Any, request: Request) -> dict[str, Any]:
    """DeleteExperiment: its trials must have been deleted first."""
    experiment = find(backend, "Experiment", request["ExperimentName"])
    name = experiment.experiment_name
    trials = [
        trial.trial_name for trial in backend.trials.values() if same(trial.experiment_name, name)
    ]
    _refuse_used("Experiment", name, "trials", trials)
    remove(backend, "Experiment", name)
    return {"ExperimentArn": experiment.arn}


def delete_trial(backend: Any, request: Request) -> dict[str, Any]:
    """DeleteTrial: its components must have been disassociated first."""
    trial = find(backend, "Trial", request["TrialName"])
    _refuse_used("Trial", trial.trial_name, "trial components", trial.trial_components)
    remove(backend, "Trial", trial.trial_name)
    return {"TrialArn": trial.arn}


def delete_trial_component(backend: Any, request: Request) -> dict[str, Any]:
    """DeleteTrialComponent: it must have been disassociated from all trials first."""
    component = find(backend, "Trial component", request["TrialComponentName"])
    name = component.trial_component_name
    trials = [
        trial.trial_name for trial in backend.trials.values() if name in trial.trial_components
    ]
    _refuse_used("Trial component", name, "trials", trials)
    remove(backend, "Trial component", name)
    return {"TrialComponentArn": component.arn}


def _refuse_used(kind: str, name: str, others: str, names: list[str]) -> None:
    if names:
        raise ValidationError(
            f"{kind} '{name}' can't be deleted while it is associated with {others}: "
            f"{', '.join(names[:3])}."
        )


# --- metrics --------------------------------------------------------------------------------------
def put_metrics(backend: Any, name: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    """BatchPutMetrics: a step is optional, and two values of one step are two values."""
    component = backend.trial_components.get(name.lower())
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
