"""Where the spans of one handler go: to the outlet of its run, or to one of its own until a run is
known.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from .._destinations import Destination, surrounding_run
from .._masking.masked_logger import masked_logger
from .._record.score import Score
from .._recording.live_span import LiveSpan
from ..exceptions import DestinationError
from .flush_result import FlushResult
from .outlet import Outlet
from .run_outlets import outlets_of
from .source import Source

logger = masked_logger(__name__)

MakeOutlet = Callable[[Callable[[], Destination], bool], Outlet]
"""Makes an outlet, from what finds the destination, and whether a run shares it out."""


class Route:
    """Leads the finished spans of a handler to an outlet.

    Args:
        source: the handler's open spans and faults.
        settings: equal for handlers that may share an outlet.
        make_outlet: makes an outlet with these settings.
        destination_of: a run → where to write, for S3 uploads with the handler's `extra_args`.
    """

    def __init__(
        self,
        source: Source,
        settings: Hashable,
        make_outlet: MakeOutlet,
        destination_of: Callable[[Any], Destination],
    ) -> None:
        self._source = source
        source.run_closes = self._run_closes
        self._settings = settings
        self._make_outlet = make_outlet
        self._destination_of = destination_of
        self._own: Outlet | None = None
        self._outlet: Outlet | None = None
        self._earlier: list[Outlet] = []
        self._given: Any = None

    # --- the run ----------------------------------------------------------------------------------
    @property
    def run(self) -> Any:
        """The run that was given; None takes the one that surrounds the calls or the flush."""
        return self._given

    def set_run(self, run: Any) -> None:
        """Lead spans to another run.

        Raises:
            DestinationError: it can't take records.
        """
        if run is None:
            self._given = None
            self._lead_to_surrounding()
            return
        outlet = self._outlet_for(run)
        self._given = run
        self._lead_to(outlet, outlet.sink)

    def set_destination(self, destination: Destination) -> None:
        """Lead spans to a destination of the caller's own, through an outlet that no other handler
        shares.
        """
        outlet = self._make_outlet(lambda: destination, False)
        self._lead_to(outlet, outlet.sink)

    def wait_forwarded(self, seconds: float) -> int:
        """Wait for the backends of an outlet that another handler made; return how many parts still
        wait.
        """
        outlet = self._outlet
        return outlet.wait_forwarded(seconds) if outlet is not None and outlet.shared else 0

    def _outlet_for(self, run: Any) -> Outlet:
        destination = self._destination_of(run)
        outlets = outlets_of(run)
        if outlets is None:
            return self._make_outlet(lambda: destination, False)
        return outlets.outlet(self._settings, lambda: self._make_outlet(lambda: destination, True))

    def _lead_to_surrounding(self) -> None:
        run = surrounding_run()
        if run is not None:
            outlet = self._outlet_for(run)
            self._lead_to(outlet, outlet.sink)
            return
        if self._own is None:
            self._own = self._make_outlet(self._find_destination, False)
        self._lead_to(self._own, self._sink_without_run)

    def _sink_without_run(self, span: LiveSpan) -> None:
        """Take a span as long as no run is known; a run that has been entered takes over."""
        if surrounding_run() is not None:
            self._lead_to_surrounding()
        assert self._outlet is not None  # noqa: S101 - for the type
        self._outlet.sink(span)

    def _lead_to(self, outlet: Outlet, sink: Callable[[LiveSpan], None]) -> None:
        before = self._outlet
        if before is not outlet:
            outlet.pipeline.attach(self._source)
            self._outlet = outlet
        self._source.open_spans.sink = sink
        if before is not None and before is not outlet:
            before.pipeline.sources.remove(self._source)
            if not before.shared or not _takes_records(before):
                self._earlier.append(before)

    def _run_closes(self) -> None:
        """Part from a run that surrounded the calls and is left now."""
        if self._given is None:
            self._lead_to_surrounding()

    def _find_destination(self) -> Destination:
        """Return where a flush goes."""
        outlet = self._outlet
        if outlet is not None and outlet is not self._own:
            return outlet.find_destination()
        run = surrounding_run()
        if run is None:
            raise DestinationError(
                "This handler was given no run, and no `with Run(...)` surrounds this flush. "
                "Flush inside the `with`, or set handler.run."
            )
        return self._destination_of(run)

    # --- what waits -------------------------------------------------------------------------------
    def _all(self) -> list[Outlet]:
        """The outlets that hold spans of this handler, oldest first."""
        assert self._outlet is not None  # noqa: S101 - for the type
        self._earlier = [
            one for one in self._earlier if one is not self._outlet and one.pipeline.has_unwritten
        ]
        return [*self._earlier, self._outlet]

    @property
    def pending_spans(self) -> int:
        """Finished spans that no flush has written yet."""
        return sum(one.pipeline.pending_spans for one in self._all())

    @property
    def is_waiting(self) -> bool:
        """Whether finished spans or scores wait."""
        return any(one.pipeline.is_waiting for one in self._all())

    def add_scores(self, scores: list[Score]) -> None:
        """Take scores that go with the next flush.

        Raises:
            ValueError: one of them has no JSON form.
        """
        self._all()[-1].pipeline.scores.add(scores)

    def flush(self) -> FlushResult:
        """Send what waits, and what handlers of the same run left that were given up.

        Raises:
            FlushError: something failed; what has not arrived is kept.
        """
        outlets = self._all()
        results = [one.flush(self._find_destination) for one in outlets]
        run = self._given or surrounding_run()
        shared = outlets_of(run) if run is not None else None
        if shared is not None:
            results += [one.flush() for one in shared.orphans() if one not in outlets]
        return results[0] if len(results) == 1 else FlushResult.sum(results)

    @contextlib.contextmanager
    def leaving(self, error: BaseException | None) -> Iterator[None]:
        """Let a block that flushes be the end of a `with`.

        Args:
            error: the user's own exception, which is the one that must be seen.
        """
        self.stop_background()
        try:
            yield
        except Exception as failure:
            if _forbids_blocking(failure):
                # In a coroutine, under a watchdog (blockbuster): a thread may do what we may not.
                threading.Thread(target=self._flush_later, name="langchain-traces-last").start()
            elif error is None:
                raise
            else:
                kind = type(error).__name__
                logger.warning("While %s was on its way: %s", kind, failure)

    def _flush_later(self) -> None:
        try:
            self.flush()
        except Exception as failure:
            logger.warning("Spans were not sent: %s", failure)

    @property
    def outlet(self) -> Outlet:
        """Where the spans go that end now."""
        return self._all()[-1]

    def stop_background(self) -> None:
        """End the threads of background flushes that no other handler needs."""
        outlets = self._all()
        if self._own is not None and self._own not in outlets:
            outlets.append(self._own)  # what was made before a run was known, empty by now
        for one in outlets:
            if one.pipeline.sources in ([], [self._source]):
                one.stop_background()

    def give_up(self) -> None:
        """The handler is gone: what it recorded belongs to its run, or goes to disk."""
        for one in [*self._earlier, self._outlet]:
            if one is None:
                continue
            one.pipeline.detach(self._source)
            if not one.shared:
                one.give_up()


def _forbids_blocking(failure: BaseException | None) -> bool:
    while failure is not None:
        if type(failure).__name__ == "BlockingError":
            return True
        failure = failure.__cause__ or failure.__context__
    return False


def _takes_records(outlet: Outlet) -> bool:
    try:
        outlet.find_destination().check()
    except Exception:
        return False
    return True
