"""Spans → model architectures: what each application is made of, from its recorded components and
from logged graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..._analysis.preview import one_line
from ..._analysis.traces import roots_of
from ..._record.plurals import counted
from ..._record.schema import Record
from .executed_path import ExecutedPath

_MAX_NODES: Final = 250
_MAX_DEPTH: Final = 60
_MAX_SHOWN: Final = 100


def architectures(
    groups: Mapping[str, list[Record]], graphs: Iterable[Record]
) -> list[dict[str, Any]]:
    """Return what the page draws: one for each logged graph, newest last wins by name, and one for
    each kind of trace.

    Traces whose root has the same name and kind are one application; their calls are put together
    by their way from the root.
    """
    logged = {str(record["name"]): record for record in graphs}
    found = [_executed(name, _of_graph(name, record), groups) for name, record in logged.items()]
    applications: dict[tuple[str, str], _Application] = {}
    for group in groups.values():
        root = roots_of(group)[0]
        applications.setdefault((str(root["kind"]), str(root["name"])), _Application()).add(group)
    ranked = sorted(applications.items(), key=lambda item: -item[1].traces)
    found += [application.drawing(name) for (_, name), application in ranked[:_MAX_SHOWN]]
    return found


def _executed(
    name: str, drawing: dict[str, Any], groups: Mapping[str, list[Record]]
) -> dict[str, Any]:
    """Return a graph's drawing with what the traces did in it."""
    edges = [(edge["source"], edge["target"]) for edge in drawing["edges"]]
    path = ExecutedPath(name, (node["id"] for node in drawing["nodes"]), edges)
    for group in groups.values():
        path.add(group)
    if not path.traces:
        return drawing
    for node in drawing["nodes"]:
        node.update(path.figures.get(node["id"], {}))
    drawing["edges"] = [
        {**edge, "taken": path.taken.get((edge["source"], edge["target"]), 0)}
        for edge in drawing["edges"]
    ]
    drawing["about"] += f"; executed by {counted(path.traces, 'trace')}"
    return drawing


class _Application:
    """All traces of one kind, put together: a node for each way of names from the root."""

    def __init__(self) -> None:
        self.traces = 0
        self._nodes: dict[tuple[Any, ...], dict[str, Any]] = {}

    def add(self, group: list[Record]) -> None:
        self.traces += 1
        by_id = {record["span_id"]: record for record in group}
        ways: dict[str, tuple[Any, ...]] = {}
        for record in group:
            for one in reversed(list(_upwards(record, by_id, ways))):
                above = ways.get(one["parent_span_id"], ())
                # Nobody looks at a drawing deeper than this; a recursion without end would make
                # long ways of every call.
                ways[one["span_id"]] = (
                    (*above, one["kind"], one["name"]) if len(above) < 2 * _MAX_DEPTH else above
                )
            if len(ways[record["span_id"]]) < 2 * _MAX_DEPTH:
                self._count(ways[record["span_id"]], record)

    def _count(self, way: tuple[Any, ...], record: Record) -> None:
        node = self._nodes.get(way)
        if node is None:
            node = self._nodes[way] = {
                "calls": 0,
                "errors": 0,
                "component": None,
                "span": record["span_id"],
            }
        node["calls"] += 1
        node["errors"] += record["status"] == "error"
        if isinstance(record["component"], Mapping):
            node["component"] = record["component"]

    def drawing(self, name: str) -> dict[str, Any]:
        ways = sorted(self._nodes, key=len)[:_MAX_NODES]
        kept = {way: f"n{number}" for number, way in enumerate(ways)}
        nodes = []
        for way, key in kept.items():
            node = self._nodes[way]
            nodes.append(
                {
                    "id": key,
                    "name": one_line(way[-1], 120),
                    "kind": way[-2],
                    "calls": node["calls"],
                    "errors": node["errors"],
                    "span": node["span"],
                    **_built_with(node["component"]),
                }
            )
        edges = [
            {"source": kept[way[:-2]], "target": key}
            for way, key in kept.items()
            if way[:-2] in kept
        ]
        left_out = len(self._nodes) - len(ways)
        about = f"from {self.traces:,} trace{'s' if self.traces != 1 else ''}"
        if left_out:
            about += f"; {left_out:,} further components are not drawn"
        return {
            "title": one_line(name, 120),
            "about": about,
            "nodes": nodes,
            "edges": edges,
            "groups": [],
        }


def _upwards(
    record: Record, by_id: Mapping[str, Record], ways: Mapping[str, Any]
) -> Iterable[Record]:
    """The record and those above it whose way is not known yet, nearest first; a circle in damaged
    data ends it.
    """
    seen: set[str] = set()
    current: Record | None = record
    while current is not None and current["span_id"] not in ways and current["span_id"] not in seen:
        seen.add(current["span_id"])
        yield current
        current = (
            by_id.get(current["parent_span_id"])
            if isinstance(current["parent_span_id"], str)
            else None
        )


def _built_with(component: Any) -> dict[str, Any]:
    """Class and settings of a serialized object: LangChain's `id` and `kwargs`."""
    if not isinstance(component, Mapping):
        return {"type": None, "parameters": None}
    path = component.get("id")
    kind = ".".join(str(part) for part in path) if isinstance(path, list) else None
    settings = component.get("kwargs")
    if not isinstance(settings, Mapping):
        settings = {
            key: value
            for key, value in component.items()
            if key not in ("lc", "type", "id", "name", "graph")
        }
    return {"type": kind, "parameters": settings}


def _of_graph(name: str, record: Record) -> dict[str, Any]:
    graph = (record["component"] or {}).get("graph") or {}
    nodes, groups = [], {}
    for node in graph.get("nodes", ())[:_MAX_NODES]:
        *within, _ = str(node["id"]).split(":")
        for depth in range(1, len(within) + 1):
            key = "group:" + ":".join(within[:depth])
            parent = "group:" + ":".join(within[: depth - 1]) if depth > 1 else None
            groups[key] = {"id": key, "name": one_line(within[depth - 1], 80), "parent": parent}
        nodes.append(
            {
                "id": str(node["id"]),
                "name": one_line(node.get("name") or node["id"], 120),
                "kind": node.get("kind") or "chain",
                "calls": 0,
                "errors": 0,
                "group": "group:" + ":".join(within) if within else None,
                **_built_with(node.get("component")),
            }
        )
        nodes[-1]["type"] = node.get("type") or nodes[-1]["type"]
    known = {node["id"] for node in nodes}
    edges = [
        edge
        for edge in graph.get("edges", ())
        if edge["source"] in known and edge["target"] in known
    ]
    about = f"LangChain's own graph: {len(nodes)} nodes, {len(edges)} edges"
    return {
        "title": f"{one_line(name, 110)} (graph)",
        "about": about,
        "nodes": nodes,
        "edges": edges,
        "groups": list(groups.values()),
    }
