"""Puts our operations in the place of moto's, counts requests, refuses what breaks a limit; and
takes it all back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult, BaseResponse
from moto.s3.responses import S3Response
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakermetrics.models import SageMakerMetricsBackend
from moto.sagemakermetrics.responses import SageMakerMetricsResponse

from . import _experiments
from ._limits import error_message, violations

_Operation = Callable[[Any, Mapping[str, Any]], dict[str, Any]]

_OPERATIONS: dict[str, _Operation] = {
    "create_experiment": _experiments.create_experiment,
    "create_trial": _experiments.create_trial,
    "create_trial_component": _experiments.create_trial_component,
    "describe_trial_component": _experiments.describe_trial_component,
    "associate_trial_component": _experiments.associate_trial_component,
    "list_trial_components": _experiments.list_trial_components,
    "create_artifact": _experiments.create_artifact,
    "describe_artifact": _experiments.describe_artifact,
    "add_association": _experiments.add_association,
    "list_associations": _experiments.list_associations,
}

_lock = threading.Lock()
_open = 0


@contextmanager
def patched_moto(requests: dict[str, int], enforce_limits: bool) -> Iterator[None]:
    """Replace moto's SageMaker Experiments by ours while open. Only one may be open at a time in a
    process.

    Args:
        requests: counts the requests by operation.
        enforce_limits: refuse what breaks the service's limits.
    """
    global _open
    with _lock:
        if _open:
            raise RuntimeError(
                "local_sagemaker() is open already in this process; use that one, or leave it first."
            )
        _open += 1
    try:
        with ExitStack() as stack:
            for name, operation in _OPERATIONS.items():
                stack.enter_context(
                    mock.patch.object(SageMakerResponse, name, _method(operation), create=True)
                )
            stack.enter_context(
                mock.patch.object(
                    SageMakerResponse, "update_trial_component", _update(enforce_limits)
                )
            )
            stack.enter_context(
                mock.patch.object(SageMakerResponse, "search", _search(SageMakerResponse.search))
            )
            stack.enter_context(
                mock.patch.object(SageMakerMetricsBackend, "batch_put_metrics", _put_metrics)
            )
            stack.enter_context(
                mock.patch.object(SageMakerMetricsResponse, "batch_put_metrics", _metrics_response)
            )
            stack.enter_context(
                mock.patch.object(
                    SageMakerResponse, "batch_put_metrics", _metrics_response, create=True
                )
            )
            call = _counted(BaseResponse.call_action, requests, enforce_limits)
            stack.enter_context(mock.patch.object(BaseResponse, "call_action", call))
            stack.enter_context(_counted_s3(requests))
            yield
    finally:
        with _lock:
            _open -= 1


def _request(response: Any) -> dict[str, Any]:
    """The request's parameters as moto parsed them: times are datetimes, everything else is as it
    was sent.
    """
    params = getattr(response, "params", None)
    if isinstance(params, dict) and params:
        return dict(params)
    body: dict[str, Any] = json.loads(response.body or "{}")
    return body


def _method(operation: _Operation) -> Callable[[Any], ActionResult]:
    def respond(self: Any) -> ActionResult:
        return ActionResult(operation(self.sagemaker_backend, _request(self)))

    return respond


def _update(enforce_limits: bool) -> Callable[[Any], ActionResult]:
    def update_trial_component(self: Any) -> ActionResult:
        return ActionResult(
            _experiments.update_trial_component(
                self.sagemaker_backend, _request(self), enforce_limits
            )
        )

    return update_trial_component


def _search(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def search(self: Any) -> Any:
        found = _experiments.search(self.sagemaker_backend, _request(self))
        return original(self) if found is None else ActionResult(found)

    return search


def _put_metrics(
    self: Any, trial_component_name: str, metric_data: list[dict[str, Any]]
) -> dict[str, Any]:
    return _experiments.put_metrics(self.sagemaker_backend, trial_component_name, metric_data)


def _metrics_response(self: Any) -> str:
    body = json.loads(self.body)
    backend: SageMakerModelBackend = sagemaker_backends[self.current_account][self.region]
    return json.dumps(
        _experiments.put_metrics(backend, body["TrialComponentName"], body["MetricData"])
    )


def _counted(
    original: Callable[[Any], Any], requests: dict[str, int], enforce_limits: bool
) -> Callable[[Any], Any]:
    def call_action(self: Any) -> Any:
        action = self._get_action() or "?"
        requests[action] = requests.get(action, 0) + 1
        if enforce_limits and isinstance(self, (SageMakerResponse, SageMakerMetricsResponse)):
            service = "sagemaker-metrics" if action == "BatchPutMetrics" else "sagemaker"
            found = violations(service, action, json.loads(self.body or "{}"))
            if found:
                status, headers, body = self.serialized(
                    ActionResult(ValidationError(error_message(found)))
                )
                headers["status"] = str(status)
                return status, headers, body
        return original(self)

    return call_action


@contextmanager
def _counted_s3(requests: dict[str, int]) -> Iterator[None]:
    """Count S3's requests too; S3 has an entry of its own in moto, and names the action while it
    answers.
    """
    with ExitStack() as stack:
        for name in ("_bucket_response", "_key_response"):
            counted = _counted_method(getattr(S3Response, name), requests)
            stack.enter_context(mock.patch.object(S3Response, name, counted))
        yield


def _counted_method(original: Callable[..., Any], requests: dict[str, int]) -> Callable[..., Any]:
    def respond(self: Any, request: Any, full_url: str) -> Any:
        try:
            return original(self, request, full_url)
        finally:
            action = self.data.get("Action") or request.method
            requests[action] = requests.get(action, 0) + 1

    return respond
