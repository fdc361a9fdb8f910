"""What a Run keeps for its handlers, and what it sends when it closes.

A handler may live for one call only: `agent.run(q, callbacks=[SageMakerCallbackHandler(run)])`. Its
spans belong to the Run, so the Run holds them until a flush, or until it is left.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final

from .._masking.masked_logger import masked_logger
from .outlet import Outlet
from .time_limit import run_within

logger = masked_logger(__name__)

SECONDS_AT_CLOSE: Final = 30.0
"""For sending what handlers still hold when their Run closes."""
_ATTRIBUTE: Final = "_langchain_sagemaker_outlets"


class RunOutlets:
    """The outlets of one Run, one for each set of settings.

    Args:
        run: whose `close` is wrapped.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._outlets: dict[Hashable, Outlet] = {}
        self._wrap_close()

    def outlet(self, settings: Hashable, make: Callable[[], Outlet]) -> Outlet:
        """Return the outlet for handlers with these settings; make it for the first."""
        found = self._outlets.get(settings)
        return found if found is not None else self._outlets.setdefault(settings, make())

    def orphans(self) -> list[Outlet]:
        """Return the outlets whose handlers were all given up while something waits; forget those
        that are empty.
        """
        found = []
        for settings, outlet in list(self._outlets.items()):
            if outlet.pipeline.sources:
                continue
            if outlet.pipeline.is_waiting:
                found.append(outlet)
            else:
                self._outlets.pop(settings, None)
        return found

    def _wrap_close(self) -> None:
        close = self._run.close

        @functools.wraps(close)
        def send_and_close(*args: Any, **options: Any) -> Any:
            try:
                self._send()
            finally:
                result = close(*args, **options)
            return result

        self._run.close = send_and_close

    def _send(self) -> None:
        """Send what the outlets hold. Never raises an error: the Run must close."""
        try:
            waiting = [one for one in self._outlets.values() if one.pipeline.has_unwritten]
            if waiting:
                with _inside(self._run):
                    run_within(SECONDS_AT_CLOSE, [functools.partial(_flush_all, waiting)])
            for outlet in list(self._outlets.values()):
                for source in list(outlet.pipeline.sources):
                    source.run_closes()
            for outlet in self.orphans():
                outlet.give_up()
        except Exception as error:
            logger.warning("Spans could not be sent when the Run closed: %s", error)


def _flush_all(outlets: list[Outlet]) -> None:
    # One after the other: a Run of the SDK has no lock.
    for outlet in outlets:
        try:
            outlet.flush()
        except Exception as error:
            logger.warning("When the Run closed: %s", error)


@contextlib.contextmanager
def _inside(run: Any) -> Iterator[None]:
    """Let the SDK's Run take records: its `__exit__` has marked it as left before it closes it."""
    before = getattr(run, "_inside_init_context", None)
    if before is None:
        yield
        return
    run._inside_init_context = True
    try:
        yield
    finally:
        run._inside_init_context = before


def outlets_of(run: Any) -> RunOutlets | None:
    """Return the outlets of a Run that sends them when it closes; None for any other object."""
    from .._destinations import closes

    if not closes(run):
        return None
    found = vars(run).get(_ATTRIBUTE)
    if found is None:
        found = RunOutlets(run)
        setattr(run, _ATTRIBUTE, found)
    assert isinstance(found, RunOutlets)  # noqa: S101 - for the type
    return found
