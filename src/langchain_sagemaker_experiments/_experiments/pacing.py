"""Many small requests within the rates that SageMaker allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from botocore.exceptions import ClientError

THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "ServiceUnavailable",
    }
)
DESCRIBES_PER_SECOND: Final = 18.0
"""SageMaker allows approximately 20 DescribeTrialComponent a second in an account; others use them
too.
"""
_ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.5
"""Seconds before the second attempt; each further pause is twice as long."""

Answer = TypeVar("Answer")


class Pace:
    """Lets callers of any number of threads pass at a steady rate.

    Args:
        per_second: how many may pass in a second.
        burst: how many may pass at once after a time of rest.
    """

    def __init__(self, per_second: float, burst: int = 10) -> None:
        self._interval = 1.0 / per_second
        self._head_start = burst * self._interval
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until the caller may pass."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._head_start) + self._interval
            pause = self._next - now
        if pause > 0:
            time.sleep(pause)


def is_throttled(error: ClientError) -> bool:
    """Return True if the service asks for fewer requests."""
    return error.response.get("Error", {}).get("Code") in THROTTLED


def call_paced(call: Callable[[], Answer], pace: Pace) -> Answer:
    """Call AWS at a pace, and again after a growing pause where it throttles all the same.

    Raises:
        ClientError: AWS refused, or throttled the last attempt too.
    """
    for attempt in range(_ATTEMPTS):
        pace.wait()
        try:
            return call()
        except ClientError as error:
            if not is_throttled(error) or attempt == _ATTEMPTS - 1:
                raise
        time.sleep(_FIRST_PAUSE * 2**attempt)
    raise AssertionError  # the last attempt returns or raises
