"""The ends of child processes that libraries make: those leave by `os._exit`, which runs no exit
hooks of Python, after finalizers of their own.

`multiprocessing` (with it `ProcessPoolExecutor` and joblib) and billiard have a registry of
finalizers; Celery's prefork workers, which end without these, send a signal of Celery's.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, Final

Save = Callable[[], None]

_REGISTRIES: Final = (
    ("multiprocessing.util", "multiprocessing.process"),
    ("billiard.util", "billiard.process"),
)
_LAST: Final = -100
"""Finalizers with high numbers run first: those of the application may still record spans."""


class _Anchor:
    """What `register_after_fork` holds weakly."""


_anchor = _Anchor()


def watch(save: Save) -> None:
    """Call `save` at the end of this process, if it is a child that a library has made."""
    for registry, processes in _REGISTRIES:
        util, process = sys.modules.get(registry), sys.modules.get(processes)
        if util is not None and process is not None and _is_child(process):
            util.Finalize(None, save, exitpriority=_LAST)
    _watch_celery(save)


def after_fork(save: Save) -> None:
    """Do the same in a child that has just been forked, once its library has cleared what it
    inherited.
    """
    for registry, _ in _REGISTRIES:
        util = sys.modules.get(registry)
        if util is not None:
            util.register_after_fork(
                _anchor, lambda _, util=util: util.Finalize(None, save, exitpriority=_LAST)
            )
    _watch_celery(save)


def _is_child(process: Any) -> bool:
    # `_parent_pid` of the main process is None in both libraries.
    return getattr(process.current_process(), "_parent_pid", None) is not None


def _watch_celery(save: Save) -> None:
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        with contextlib.suppress(Exception):
            signals.worker_process_shutdown.connect(
                lambda **_: save(), weak=False, dispatch_uid="langchain-sagemaker-experiments"
            )
