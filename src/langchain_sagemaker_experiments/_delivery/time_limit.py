"""Work that may hang on a dead network, within a bound."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NoReturn

from .._masking.masked_logger import masked_logger

logger = masked_logger(__name__)

Work = Callable[[], None]


def run_within(seconds: float, works: Sequence[Work], *, here: bool = False) -> None:
    """Run each work in a thread of its own and wait for all of them, but no longer than the bound.

    What has not ended by then goes on in its daemon thread until the process ends. Where no thread
    can be started (the interpreter is shutting down) the calling thread does the work, and an
    alarm ends it, where the system has one.

    Args:
        seconds: the bound for all of them together.
        works: what to run. An exception is logged.
        here: prefer the calling thread: a signal handler may have interrupted it while it held
            locks, which another thread would wait for.
    """
    end = time.monotonic() + seconds
    if here and _has_alarm():
        with _alarm(seconds):
            for work in works:
                _guarded(work)
        return
    threads = []
    for work in works:
        thread = threading.Thread(
            target=_guarded, args=(work,), name="langchain-traces-last", daemon=True
        )
        try:
            thread.start()
            threads.append(thread)
        except RuntimeError:
            with _alarm(end - time.monotonic()):
                _guarded(work)
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.001))


def _guarded(work: Work) -> None:
    try:
        work()
    except Exception as error:
        logger.warning("Spans were not sent: %s", error)


class _TimeUpError(BaseException):
    """The alarm. No `except Exception` of a library may swallow it."""


def _ring(number: int, frame: FrameType | None) -> NoReturn:
    raise _TimeUpError


def _has_alarm() -> bool:
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and hasattr(signal, "setitimer")


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End the block after some seconds, by a signal that interrupts a system call."""
    if not _has_alarm():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    except _TimeUpError:
        logger.warning("Spans were not sent: time is up")
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)
