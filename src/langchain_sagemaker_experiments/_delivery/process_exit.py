"""The end of a process, whichever way it comes: what waits is written to disk first, then sent
within a bound, then removed from the disk.

Every end calls the one function `save_everything`: a normal exit, SIGTERM, SIGHUP, the finalizers
of `multiprocessing` and billiard, the shutdown of a Celery worker. A signal is only taken when
nobody else has taken it, and the process still dies of it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Final

from .._masking.masked_logger import masked_logger
from . import child_processes
from .time_limit import run_within

if TYPE_CHECKING:
    from .outlet import Outlet

logger = masked_logger(__name__)

SECONDS_AFTER_SIGNAL: Final = 5.0
"""For sending after SIGTERM or SIGHUP. `docker stop` kills ten seconds after its SIGTERM."""
SECONDS_AT_EXIT: Final = 30.0
"""For sending when the process ends by itself."""

SECONDS_FOR_BACKENDS: Final = 2.0
"""For what other backends have not taken yet: it is in the run, from which it can be replayed."""

_outlets: weakref.WeakSet[Outlet] = weakref.WeakSet()
_installed = False


def watch(outlet: Outlet) -> None:
    """See to it that what `outlet` holds outlives the process."""
    global _installed
    _outlets.add(outlet)
    if not _installed:
        _installed = True
        atexit.register(save_everything, SECONDS_AT_EXIT)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
        child_processes.watch(_save_at_exit)
    take_signals()


def take_signals() -> None:
    """Take SIGTERM and SIGHUP where their default would end the process without notice.

    Python lets only the main thread do that. A process whose handlers are all made and flushed in
    other threads keeps the default.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is None:
            continue
        with contextlib.suppress(ValueError, OSError):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    save_everything(SECONDS_AFTER_SIGNAL, by_signal=True)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Still here: the first process of a container, which a default action does not end.
    signal.signal(number, _on_signal)


def _save_at_exit() -> None:
    save_everything(SECONDS_AT_EXIT)


def save_everything(seconds: float, *, by_signal: bool = False) -> None:
    """Write what all handlers hold to disk, then try to send it, and say what is left where.

    Args:
        seconds: the bound for sending, for all of them together.
        by_signal: whether a signal handler calls, in the middle of whatever the thread was doing.
    """
    waiting = [outlet for outlet in list(_outlets) if outlet.prepare_for_end()]
    for outlet in waiting:
        outlet.save_to_disk()
    works = [outlet.send_at_end for outlet in waiting if outlet.can_send]
    run_within(seconds, works, here=by_signal)
    for outlet in waiting:
        outlet.tell_what_is_left()
    for outlet in list(_outlets):
        outlet.wait_forwarded(SECONDS_FOR_BACKENDS)


def tell(text: str) -> None:
    """Write a line for the user to standard error, which may be closed."""
    with contextlib.suppress(Exception):
        print(f"langchain-sagemaker-experiments: {text}", file=sys.stderr, flush=True)


def _after_fork() -> None:
    for outlet in list(_outlets):
        outlet.after_fork()
    child_processes.after_fork(_save_at_exit)
