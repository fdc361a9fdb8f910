"""The executed path of a declared graph: how often each node ran and each edge was taken.

LangGraph tells the step of each node it runs. An edge was taken when its source ran in one step and
its target in the next; nothing is guessed from times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..._record.cells import has_value
from ..._record.schema import Record

_STEP: Final = "graph:step:"
_START: Final = "__start__"
_END: Final = "__end__"

Occurrence = tuple[str, Record]
Run = dict[int, list[Occurrence]]
"""One run of a graph, or of a graph within a node: step → the nodes that ran in it."""


def step_of(record: Record) -> int | None:
    """Return the step in which a graph ran a span as a node; None of any other span."""
    for tag in record["tags"] or ():
        if isinstance(tag, str) and tag.startswith(_STEP):
            number = tag[len(_STEP) :]
            return int(number) if number.isdecimal() else None
    return None


class ExecutedPath:
    """Counts what traces did in one declared graph.

    Args:
        name: the graph's, which its spans bear.
        nodes: ids of its nodes.
        edges: its edges, as pairs of ids.
    """

    def __init__(self, name: str, nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> None:
        self._name = name
        self._nodes = set(nodes)
        self._edges = set(edges)
        self.taken: dict[tuple[str, str], int] = {}
        self.figures: dict[str, dict[str, Any]] = {}
        self.traces = 0

    def add(self, group: list[Record]) -> None:
        """Count one trace; one without this graph changes nothing."""
        by_id = {record["span_id"]: record for record in group}
        runs: dict[tuple[str, str], Run] = {}  # (span of the graph or node, prefix) → run
        for record in group:
            step = step_of(record)
            place = self._place(record, by_id) if step is not None else None
            if step is not None and place is not None:
                holder, node = place
                prefix = node.rpartition(":")[0]
                run = runs.setdefault((holder, prefix), {})
                run.setdefault(step, []).append((node, record))
                self._count(node, record)
        self.traces += bool(runs)
        inner = {holder: run for (holder, _), run in runs.items()}
        for (holder, prefix), run in runs.items():
            ended = by_id[holder]["status"] == "ok"
            self._follow(run, f"{prefix}:" if prefix else "", inner, ended)

    def _place(self, record: Record, by_id: dict[str, Record]) -> tuple[str, str] | None:
        """Return the span that holds a node's run, and the node's id; None of another graph."""
        names, holder = [str(record["name"])], ""
        seen: set[str] = set()
        above = by_id.get(record["parent_span_id"] or "")
        while above is not None and above["span_id"] not in seen:
            seen.add(above["span_id"])
            if step_of(above) is not None:
                names.append(str(above["name"]))
                holder = holder or above["span_id"]
            elif above["name"] == self._name:
                return holder or above["span_id"], ":".join(reversed(names))
            above = by_id.get(above["parent_span_id"] or "")
        return None

    def _count(self, node: str, record: Record) -> None:
        found = self.figures.setdefault(node, {"calls": 0, "errors": 0, "ms": 0.0})
        found["calls"] += 1
        found["errors"] += record["status"] == "error"
        if has_value(record["duration_ms"]):
            found["ms"] += record["duration_ms"]

    def _follow(self, run: Run, prefix: str, inner: dict[str, Run], ended: bool) -> None:
        before = {f"{prefix}{_START}"}
        for step in sorted(run):
            ids = {end for one in run[step] for end in self._ends(one, inner, first=True)}
            self._take(before, ids)
            before = {end for one in run[step] for end in self._ends(one, inner, first=False)}
        if ended:
            self._take(before, {f"{prefix}{_END}"})

    def _take(self, sources: set[str], targets: set[str]) -> None:
        for source in sources:
            for target in targets:
                if (source, target) in self._edges:
                    self.taken[source, target] = self.taken.get((source, target), 0) + 1

    def _ends(
        self, occurrence: Occurrence, inner: dict[str, Run], *, first: bool, depth: int = 0
    ) -> list[str]:
        """Return the drawn nodes by which a node is entered, or left: itself, or, where it is a
        graph that is drawn open, the first or last of that.
        """
        node, record = occurrence
        run = inner.get(record["span_id"])
        if node in self._nodes or not run or depth > 20:
            return [node]
        ones = run[min(run) if first else max(run)]
        return [end for one in ones for end in self._ends(one, inner, first=first, depth=depth + 1)]
