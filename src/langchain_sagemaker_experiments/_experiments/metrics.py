"""Metrics of a run: checked, batched, sent by BatchPutMetrics, and kept until SageMaker has taken
them.
"""

from __future__ import annotations

import datetime
import math
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from .._masking.masked_logger import masked_logger
from .._record.limits import MAX_METRIC_NAME, MAX_METRICS_PER_CALL
from ..exceptions import TrackerError

logger = masked_logger(__name__)

_OLDEST: Final = 14 * 24 * 3_600
"""Seconds back that SageMaker accepts (`METRIC_TS_LOWER_BOUND_TO_NOW` of the SDK)."""
_NEWEST: Final = 2 * 3_600
"""Seconds ahead that SageMaker accepts."""
_AGAIN: Final = ("INTERNAL_ERROR",)
"""Codes of a refused metric that may go well another time."""


@dataclass(frozen=True)
class Metric:
    """One value of a metric.

    Attributes:
        name: at most 255 characters.
        value: a finite number.
        timestamp: seconds since 1970, UTC.
        step: the iteration it belongs to, 0 or more, or None.
    """

    name: str
    value: float
    timestamp: float
    step: int | None = None


def make_metric(
    name: str, value: float, timestamp: datetime.datetime | None = None, step: int | None = None
) -> Metric | None:
    """Return a metric as SageMaker takes it, or None for NaN and infinity, which it does not.

    Args:
        name: cut to 255 characters.
        value: a number.
        timestamp: when it was measured; local time if it names no time zone; now by default.
        step: the iteration it belongs to.

    Raises:
        ValueError: the time is more than two weeks ago or two hours ahead, or the step is not an
            integer.
    """
    number = float(value)
    if not math.isfinite(number):
        logger.warning(
            "The metric %s was not logged: SageMaker does not take the value %s.", name, value
        )
        return None
    now = time.time()
    when = now if timestamp is None else timestamp.timestamp()
    if not now - _OLDEST <= when <= now + _NEWEST:
        raise ValueError(
            f"The metric {name!r} was not logged: its time {timestamp} must lie between two weeks "
            f"ago and two hours ahead."
        )
    if step is not None and (not isinstance(step, int) or step < 0):
        raise ValueError(
            f"The metric {name!r} was not logged: its step must be an integer of 0 or more, not "
            f"{step!r}."
        )
    return Metric(name[:MAX_METRIC_NAME], number, when, step)


class MetricQueue:
    """Metrics on their way to one trial component. Any number of threads may use it.

    Args:
        client: a boto3 client for `sagemaker-metrics`.
        component: the trial component's name.
    """

    def __init__(self, client: Any, component: str) -> None:
        self._client = client
        self._component = component
        self._waiting: list[Metric] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, metric: Metric) -> None:
        """Take a metric; each tenth sends ten."""
        with self._lock:
            self._waiting.append(metric)
            if len(self._waiting) >= MAX_METRICS_PER_CALL:
                self.send()

    def send(self) -> None:
        """Send what waits. What SageMaker did not take yet goes on waiting.

        Raises:
            ClientError: AWS refused the request.
            TrackerError: SageMaker refused some of the metrics for good; they are named and
                dropped.
        """
        with self._lock:
            waiting, again, refused = self._waiting, [], []
            try:
                while waiting:
                    batch = waiting[:MAX_METRICS_PER_CALL]
                    codes = self._put(batch)
                    # Only now: an exception of the request leaves the batch where it is.
                    del waiting[: len(batch)]
                    again += [batch[index] for index, code in codes.items() if code in _AGAIN]
                    refused += [
                        f"{batch[at].name} ({code})"
                        for at, code in codes.items()
                        if code not in _AGAIN
                    ]
            finally:
                waiting[:0] = again
        if refused:
            raise TrackerError(
                f"SageMaker refused these metrics, which are dropped: {', '.join(refused)}."
            )

    def _put(self, batch: list[Metric]) -> dict[int, str]:
        """Send up to ten metrics; return the codes of those that were refused, by their place."""
        answer = self._client.batch_put_metrics(
            TrialComponentName=self._component, MetricData=[_raw(metric) for metric in batch]
        )
        return {
            error.get("MetricIndex", 0): error.get("Code", "?")
            for error in answer.get("Errors") or ()
            if error.get("MetricIndex", 0) < len(batch)
        }


def _raw(metric: Metric) -> dict[str, Any]:
    step = {"Step": metric.step} if metric.step is not None else {}
    return {
        "MetricName": metric.name,
        "Value": metric.value,
        # botocore wants text here, although the service's model says timestamp.
        "Timestamp": str(int(metric.timestamp)),
        **step,
    }
