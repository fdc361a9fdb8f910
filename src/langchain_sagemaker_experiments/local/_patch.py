"""Puts our operations in the place of moto's, counts requests, refuses what breaks a limit; and
takes it all back.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

from moto.core.responses import ActionResult, BaseResponse
from moto.s3.responses import S3Response
from moto.sagemaker.exceptions import SagemakerClientError, ValidationError
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakermetrics.responses import SageMakerMetricsResponse

from . import _experiments, _lineage, _records
from ._limits import error_message, violations

_Operation = Callable[..., dict[str, Any]]

_READS: dict[str, _Operation] = {
    "describe_experiment": _records.describe_experiment,
    "describe_trial": _records.describe_trial,
    "describe_trial_component": _records.describe_trial_component,
    "list_trials": _records.list_trials,
    "list_trial_components": _records.list_trial_components,
    "create_artifact": _lineage.create_artifact,
    "describe_artifact": _lineage.describe_artifact,
    "add_association": _lineage.add_association,
    "list_associations": _lineage.list_associations,
}
"""Operations that change nothing that Search tells."""
_WRITES: dict[str, _Operation] = {
    "create_experiment": _experiments.create_experiment,
    "create_trial": _experiments.create_trial,
    "create_trial_component": _experiments.create_trial_component,
    "update_experiment": _experiments.update_experiment,
    "update_trial": _experiments.update_trial,
    "associate_trial_component": _experiments.associate_trial_component,
    "disassociate_trial_component": _experiments.disassociate_trial_component,
    "delete_experiment": _experiments.delete_experiment,
    "delete_trial": _experiments.delete_trial,
    "delete_trial_component": _experiments.delete_trial_component,
}


@dataclass(frozen=True)
class Settings:
    """How the local SageMaker behaves; see `local_sagemaker`."""

    enforce_limits: bool = True
    search_lag: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)


_lock = threading.Lock()
_open = 0


@contextmanager
def patched_moto(requests: dict[str, int], settings: Settings) -> Iterator[None]:
    """Replace moto's SageMaker Experiments by ours while open. Only one may be open at a time in a
    process.

    Args:
        requests: counts the requests by operation.
        settings: limits, rates and the lag of Search.
    """
    global _open
    with _lock:
        if _open:
            raise RuntimeError(
                "local_sagemaker() is open already in this process; use that one, or leave it "
                "first."
            )
        _open += 1
    try:
        with ExitStack() as stack:
            for owner, name, replacement in list(_replacements(requests, settings)):
                stack.enter_context(mock.patch.object(owner, name, replacement, create=True))
            stack.enter_context(_counted_s3(requests))
            yield
    finally:
        with _lock:
            _open -= 1


def _replacements(
    requests: dict[str, int], settings: Settings
) -> Iterator[tuple[type[Any], str, Callable[..., Any]]]:
    """Yield class, name and replacement of each method of moto's."""
    lag, limits = settings.search_lag, settings.enforce_limits
    for name, operation in _READS.items():
        yield SageMakerResponse, name, _method(operation)
    for name, operation in _WRITES.items():
        yield SageMakerResponse, name, _method(_remembered(operation, lag))
    update = partial(_experiments.update_trial_component, enforce_limits=limits)
    yield SageMakerResponse, "update_trial_component", _method(_remembered(update, lag))
    yield SageMakerResponse, "search", _search(SageMakerResponse.search, lag)
    yield SageMakerMetricsResponse, "batch_put_metrics", _metrics_response(lag)
    yield SageMakerResponse, "batch_put_metrics", _metrics_response(lag)
    yield BaseResponse, "call_action", _counted(BaseResponse.call_action, requests, settings)


def _remembered(operation: Callable[..., Any], lag: float) -> Callable[..., Any]:
    """Return an operation after which a Search that lags can tell what it changed."""
    if not lag:
        return operation

    def operate(backend: Any, *args: Any) -> Any:
        answer = operation(backend, *args)
        _records.remember(backend)
        return answer

    return operate


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


def _search(original: Callable[[Any], Any], lag: float) -> Callable[[Any], Any]:
    def search(self: Any) -> Any:
        found = _records.search(self.sagemaker_backend, _request(self), lag)
        return original(self) if found is None else ActionResult(found)

    return search


def _metrics_response(lag: float) -> Callable[[Any], str]:
    put = _remembered(_experiments.put_metrics, lag)

    def batch_put_metrics(self: Any) -> str:
        body = json.loads(self.body)
        backend: SageMakerModelBackend = sagemaker_backends[self.current_account][self.region]
        return json.dumps(put(backend, body["TrialComponentName"], body["MetricData"]))

    return batch_put_metrics


class _TooFastError(SagemakerClientError):
    code = "ThrottlingException"


class _Throttle:
    """Refuses what comes faster than a rate: a bucket that holds what a second brings."""

    def __init__(self, rates: Mapping[str, float]) -> None:
        self._rates = rates
        self._held = dict(rates)
        self._filled = dict.fromkeys(rates, time.monotonic())
        self._lock = threading.Lock()

    def refuses(self, action: str) -> bool:
        """Return True if a request of this operation comes too soon."""
        rate = self._rates.get(action)
        if rate is None:
            return False
        with self._lock:
            at = time.monotonic()
            more = (at - self._filled[action]) * rate
            self._held[action] = min(rate, self._held[action] + more)
            self._filled[action] = at
            if self._held[action] < 1:
                return True
            self._held[action] -= 1
            return False


def _counted(
    original: Callable[[Any], Any], requests: dict[str, int], settings: Settings
) -> Callable[[Any], Any]:
    throttle = _Throttle(settings.rates)

    def call_action(self: Any) -> Any:
        action = self._get_action() or "?"
        requests[action] = requests.get(action, 0) + 1
        if not isinstance(self, (SageMakerResponse, SageMakerMetricsResponse)):
            return original(self)
        if throttle.refuses(action):
            return _refusal(self, _TooFastError("Rate exceeded"))
        if settings.enforce_limits:
            service = "sagemaker-metrics" if action == "BatchPutMetrics" else "sagemaker"
            found = violations(service, action, json.loads(self.body or "{}"))
            if found:
                return _refusal(self, ValidationError(error_message(found)))
        return original(self)

    return call_action


def _refusal(response: Any, error: Exception) -> tuple[int, Any, Any]:
    status, headers, body = response.serialized(ActionResult(error))
    headers["status"] = str(status)
    return status, headers, body


@contextmanager
def _counted_s3(requests: dict[str, int]) -> Iterator[None]:
    """Count S3's requests too; S3 has an entry of its own in moto, and names the action while it
    answers. Writes come one after the other, so that of two conditional ones one wins.
    """
    writing = threading.RLock()
    with ExitStack() as stack:
        for name in ("_bucket_response", "_key_response"):
            counted = _counted_method(getattr(S3Response, name), requests, writing)
            stack.enter_context(mock.patch.object(S3Response, name, counted))
        yield


def _counted_method(
    original: Callable[..., Any], requests: dict[str, int], writing: threading.RLock
) -> Callable[..., Any]:
    def respond(self: Any, request: Any, full_url: str) -> Any:
        try:
            # moto looks whether a key is there, and writes it later.
            with writing if request.method == "PUT" else nullcontext():
                return original(self, request, full_url)
        finally:
            action = self.data.get("Action") or request.method
            requests[action] = requests.get(action, 0) + 1

    return respond
