"""A plugin for pytest: each test of a foreign suite runs under `record_calls` beside a shadow, and
their spans are compared. `scripts/foreign.py` starts it.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from foreign_outcomes import write
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls

NOT_INLINE = bool(os.environ.get("FOREIGN_NOT_INLINE"))
KINDS = ("chain", "llm", "chat_model", "tool", "retriever")


class Span(NamedTuple):
    """What both sides must agree on."""

    run_id: str
    parent: str | None
    status: str


class Shadow(BaseCallbackHandler):
    """Sees the same events, and knows nothing of how the other handler records them."""

    run_inline = not NOT_INLINE

    def __init__(self) -> None:
        self.started: list[list[Any]] = []
        self.latest: dict[str, list[Any]] = {}

    def start(self, *_: Any, run_id: Any, parent_run_id: Any = None, **__: Any) -> None:
        span = [str(run_id), parent_run_id and str(parent_run_id), "running"]
        self.started.append(span)
        self.latest[span[0]] = span

    def end(self, *_: Any, run_id: Any, **__: Any) -> None:
        self._close(run_id, "ok")

    def error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        self._close(run_id, status_of(error))

    def _close(self, run_id: Any, status: str) -> None:
        span = self.latest.get(str(run_id))
        if span is not None and span[2] == "running":
            span[2] = status

    def spans(self) -> list[Span]:
        return [Span(*span) for span in self.started]


for _kind in KINDS:
    setattr(Shadow, f"on_{_kind}_start", Shadow.start)
    setattr(Shadow, f"on_{_kind}_end", Shadow.end)
    setattr(Shadow, f"on_{_kind}_error", Shadow.error)


def status_of(error: BaseException) -> str:
    """What docs/record.md promises for an exception."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"CancelledError", "GeneratorExit", "KeyboardInterrupt", "SystemExit"}:
        return "cancelled"
    if "ParentCommand" in names:
        return "ok"
    return "interrupted" if "GraphBubbleUp" in names else "error"


class Everywhere:
    """Gives LangChain the shadow in every thread: it asks a hook for a handler, as here."""

    shadow: Shadow | None = None

    def get(self) -> Shadow | None:
        return self.shadow


everywhere = Everywhere()
register_configure_hook(everywhere, inheritable=True)  # type: ignore[arg-type]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    with tempfile.TemporaryDirectory(prefix="foreign-", ignore_cleanup_errors=True) as folder:
        run = OfflineRun(folder, experiment_name="foreign", run_name="test")
        everywhere.shadow = shadow = Shadow()
        recorded = record_calls(run, run_inline=not NOT_INLINE, spool_dir=Path(folder) / "spool")
        row: dict[str, Any] = {}
        try:
            with recorded as handler:
                try:
                    return (yield)
                finally:
                    everywhere.shadow = None
                    expected = shadow.spans()
                    row = {"faults": handler.flush_tracker().faults}
        finally:
            row |= differences(expected, written_spans(run, set(shadow.latest)))
            write({"test": item.nodeid, "spans": row})


def written_spans(run: OfflineRun, seen: set[str]) -> list[Span]:
    """Return the spans that the run's files hold, under the ids that LangChain gave them.

    A parent that is none of LangChain's (`seen`), as one of LangSmith's `traceable`, is an
    attribute: the span lies in the nearest one that is.
    """
    if not list(Path(run.path).rglob("*.jsonl")):
        return []
    rows: list[Any] = list(load_spans(run).itertuples())
    # A run id that an application gives twice is the id of its first span only.
    given = {
        row.span_id: (row.attributes or {}).get("langchain.run_id", row.span_id) for row in rows
    }
    spans = []
    for row in rows:
        named = (row.attributes or {}).get("langchain.parent_run_id")
        parent = given.get(row.parent_span_id, row.parent_span_id)
        spans.append(
            Span(
                given[row.span_id], parent if named is None or named in seen else named, row.status
            )
        )
    return spans


def differences(expected: list[Span], found: list[Span]) -> dict[str, Any]:
    """Return how many spans each side has, and which ones are missing, extra or different."""
    lost = Counter(expected) - Counter(found)
    added = Counter(found) - Counter(expected)
    missing = Counter(span.run_id for span in expected) - Counter(span.run_id for span in found)
    extra = Counter(span.run_id for span in found) - Counter(span.run_id for span in expected)
    pairs = [
        (mine, theirs)
        for mine in lost.elements()
        for theirs in added.elements()
        if mine.run_id == theirs.run_id
    ]
    return {
        "shadow": len(expected),
        "ours": len(found),
        "missing": missing.total(),
        "extra": extra.total(),
        "parents": sum(mine.parent != theirs.parent for mine, theirs in pairs),
        "status": sorted({f"{a.status} → {b.status}" for a, b in pairs if a.status != b.status}),
    }
