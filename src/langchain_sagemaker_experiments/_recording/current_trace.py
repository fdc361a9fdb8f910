"""The trace that the code of a context belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from uuid import UUID

latest_trace: ContextVar[UUID | None] = ContextVar("latest_trace", default=None)
"""The trace that began last in this context. Calls within a trace see it too: contexts inherit."""


def current_trace_id() -> str | None:
    """Return the id of the trace that this code runs in, else of the last one that began here.

    Inside a recorded call or a span by hand it is the id of their trace, after `chain.invoke(…)`
    the id of that call's trace: what an application hands out so that its users can score the
    answer. Contexts as of `contextvars`: tasks and requests do not see each other's. None if there
        is
    none. With `sample_rate`, a trace outside the sample has an id too: a score before it ends makes
    it one that is recorded.
    """
    trace_id = latest_trace.get()
    return str(trace_id) if trace_id is not None else None
