"""The end of a process and its forks: what handlers still hold is flushed or put on disk, and we
say where.

One exit hook and one SIGTERM handler serve all handlers. SIGTERM is only taken when nobody else
has: the process still dies of it, only later by the time it takes to write a file.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
import weakref
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

_handlers: weakref.WeakSet[Any] = weakref.WeakSet()
_installed = False


def watch(handler: Any) -> None:
    """See to it that what `handler` holds outlives the process."""
    global _installed
    _handlers.add(handler)
    if not _installed:
        _installed = True
        atexit.register(_save_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    if threading.current_thread() is threading.main_thread():
        with contextlib.suppress(ValueError, OSError):
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    _save_all()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _save_all() -> None:
    for handler in list(_handlers):
        try:
            save(handler)
            handler.wait_forwarded()
        except Exception as error:
            print(
                f"langchain-sagemaker-experiments: spans could not be kept at exit: {error}",
                file=sys.stderr,
            )


def save(handler: Any, *, flush: bool = True) -> None:
    """Flush what a handler holds if its run still takes records, else write it to the spool folder
    and say where.

    Args:
        handler: whose spans.
        flush: False where no network may be waited for, as when the handler is being collected.
    """
    pipeline = handler._pipeline
    if handler._background is not None:
        handler._background.stop()
    if not pipeline.pending_spans and not handler.open_spans and not pipeline.scores:
        return
    target: dict[str, object] = {}
    try:
        destination = handler._find_destination()
        target = destination.target()
        destination.check()
        if flush:
            handler.flush_tracker()
            return
        reason = "the handler was given up"
    except Exception as error:
        reason = str(error)
    folder = pipeline.save(handler._parts.open_spans, target)
    if folder is not None:
        names = [f"--{option} {target.get(key, option.upper())}" for option, key in _OPTIONS]
        print(
            f"langchain-sagemaker-experiments: spans were not flushed ({reason[:200]}). "
            f"They are kept in {folder}; upload them with:\n  sagemaker-traces sync {folder} {' '.join(names)}",
            file=sys.stderr,
        )


_OPTIONS = (("experiment", "experiment_name"), ("run", "run_name"))


def _after_fork() -> None:
    for handler in list(_handlers):
        handler._pipeline.after_fork()
        if handler._parts.open_spans.sampling is not None:
            handler._parts.open_spans.sampling.after_fork()
        handler._forwarding.after_fork()
        if handler._background is not None:
            handler._background.start()
