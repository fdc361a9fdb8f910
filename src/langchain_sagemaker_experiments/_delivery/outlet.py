"""A pipeline and the run it belongs to. Handlers of one run with equal settings share an outlet,
which the run keeps alive.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final

from .._destinations import Destination
from .._masking.masked_logger import masked_logger
from . import process_exit
from .background_flush import BackgroundFlush
from .flush import flush
from .flush_result import FlushResult
from .pipeline import Pipeline

logger = masked_logger(__name__)

_PATIENCE: Final = 2.0
"""Seconds that the last flush of a process waits for another one, of another thread."""
_OPTIONS: Final = (("experiment", "experiment_name"), ("run", "run_name"))


class Outlet:
    """Sends what a pipeline holds: at a flush, in the background, at the end of the process.

    Args:
        pipeline: what holds the spans.
        find_destination: where they go; raises as long as that is not known.
        shared: whether a run keeps this outlet and sends what it holds when it closes.
        flush_interval: seconds between two flushes in the background; None for none.
        flush_bytes: also flush in the background once this many bytes wait.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        find_destination: Callable[[], Destination],
        *,
        shared: bool = False,
        flush_interval: float | None = None,
        flush_bytes: int | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.find_destination = find_destination
        self.shared = shared
        self.sink = pipeline.sink
        """Takes a finished span."""
        self._background: BackgroundFlush | None = None
        if flush_interval is not None:
            # The thread must not keep alive what nobody holds any more.
            self._background = BackgroundFlush(_weakly(self.flush_if_needed), flush_interval)
            if flush_bytes is not None:
                self.sink = pipeline.wake_at(flush_bytes, self._background.wake)
        self._reason = ""
        self._ended = False
        self._patience = _PATIENCE
        process_exit.watch(self)

    # --- flushing ---------------------------------------------------------------------------------
    def flush(self, find_destination: Callable[[], Destination] | None = None) -> FlushResult:
        """Send what waits, to another destination than its own if one is given.

        Raises:
            FlushError: something failed; what has not arrived is kept.
        """
        process_exit.take_signals()
        return flush(self.pipeline, find_destination or self.find_destination)

    def flush_if_needed(self) -> None:
        """Send what waits, if anything does."""
        if self.pipeline.is_waiting:
            self.flush()

    def stop_background(self, *, wait: bool = True) -> None:
        """End the thread of the background flush, if there is one."""
        if self._background is not None:
            self._background.stop(wait=wait)

    # --- the end of the process -------------------------------------------------------------------
    def prepare_for_end(self) -> bool:
        """Stop the background flush; return True if anything waits."""
        self.stop_background(wait=False)
        self._reason = ""
        # The signal came in the middle of a flush of this very thread, which can't go on.
        own = self.pipeline.flusher == threading.get_ident()
        self._patience = 0.0 if own else _PATIENCE
        return self.pipeline.has_unwritten

    def save_to_disk(self) -> bool:
        """Write what waits to the spool folder; return True if all of it is there."""
        target: dict[str, object] = {}
        try:
            destination = self.find_destination()
            target = destination.target()
            destination.check()
        except Exception as error:
            self._reason = self.pipeline.writer.masker.message(str(error))
        try:
            return self.pipeline.save(target)
        except Exception as error:
            logger.warning("Spans could not be written to disk: %s", error)
            return False

    @property
    def can_send(self) -> bool:
        """Whether the destination took records when `save_to_disk` looked."""
        return not self._reason

    def send_at_end(self) -> None:
        """Send what waits; what has arrived is removed from the disk."""
        self._reason = "there was no answer in time"
        try:
            flush(self.pipeline, self.find_destination, patience=self._patience)
            self._reason = ""
        except Exception as error:
            self._reason = self.pipeline.writer.masker.message(str(error))

    def tell_what_is_left(self) -> None:
        """Say on standard error what was not sent, where it is, and how to upload it."""
        left = self.pipeline.pending_spans or len(self.pipeline.scores)
        folder = self.pipeline.folder()
        if left and folder is not None:
            process_exit.tell(
                f"spans were not flushed ({self._reason[:200]}). They are kept in {folder}; "
                f"upload them with:\n  sagemaker-traces sync {folder} {self._names()}"
            )
        elif left:
            process_exit.tell(f"{left} spans could not be kept: {self._reason[:200]}")
        with contextlib.suppress(Exception):
            self.pipeline.spool.release()

    def _names(self) -> str:
        target: dict[str, object] = {}
        with contextlib.suppress(Exception):
            target = self.find_destination().target()
        return " ".join(f"--{option} {target.get(key, option.upper())}" for option, key in _OPTIONS)

    # --- nobody holds it any more -----------------------------------------------------------------
    def give_up(self) -> None:
        """Write what waits to disk and say where: no handler will flush it."""
        self._ended = True
        self.stop_background(wait=False)
        if not self.pipeline.has_unwritten:
            return
        if not self._save_and_tell():
            # In a coroutine, blocking may be forbidden; in a thread it is not.
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._save_and_tell, args=(True,), daemon=False).start()

    def _save_and_tell(self, again: bool = False) -> bool:
        saved = self.save_to_disk()
        if saved or again:
            self._reason = self._reason or "the handler was given up"
            self.tell_what_is_left()
        return saved

    def __del__(self) -> None:
        if getattr(self, "_ended", True):
            return
        try:
            self.give_up()
        except Exception as error:
            logger.warning("Spans of a handler that was given up could not be kept: %s", error)

    def wait_forwarded(self, seconds: float) -> int:
        """Wait until the backends beside the run have taken what was stored; return how many parts
        still wait.
        """
        with contextlib.suppress(Exception):
            wait = getattr(self.find_destination(), "wait_forwarded", None)
            if callable(wait):
                return int(wait(seconds))
        return 0

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent."""
        self.pipeline.after_fork()
        with contextlib.suppress(Exception):
            begin_anew = getattr(self.find_destination(), "begin_anew", None)
            if callable(begin_anew):
                begin_anew()
        if self._background is not None:
            self._background.start()


def _weakly(method: Callable[[], Any]) -> Callable[[], None]:
    from weakref import WeakMethod

    reference = WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    return call
