"""A runnable → its graph as plain values: nodes with what they were built with, edges,
subgraphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .components import without_reprs

_KINDS: Final = (
    ("langchain_core.language_models", "BaseChatModel", "chat_model"),
    ("langchain_core.language_models", "BaseLLM", "llm"),
    ("langchain_core.tools", "BaseTool", "tool"),
    ("langchain_core.retrievers", "BaseRetriever", "retriever"),
    ("langchain_core.prompts", "BasePromptTemplate", "prompt"),
    ("langchain_core.output_parsers", "BaseOutputParser", "parser"),
)


def graph_of(runnable: Any) -> dict[str, Any]:
    """Return LangChain's own graph of a runnable.

    Subgraphs are opened where the runnable can (LangGraph's `xray`); the id of a node within one is
    `{subgraph}:{node}`.

    Returns:
        `{"name", "nodes": [{"id", "name", "kind", "type", "component"}], "edges": [{"source",
        "target", "label", "conditional"}]}`.

    Raises:
        TypeError: it is not a runnable, so has no graph.
    """
    draw = getattr(runnable, "get_graph", None)
    if not callable(draw):
        raise TypeError(
            f"log_architecture takes a LangChain runnable or a compiled graph, not "
            f"{type(runnable).__name__}."
        )
    try:
        graph = draw(xray=True)
    except TypeError:
        graph = draw()
    return {
        "name": _name(runnable),
        "nodes": [_node(node) for node in graph.nodes.values()],
        "edges": [
            {
                "source": str(edge.source),
                "target": str(edge.target),
                "label": str(edge.data) if edge.data is not None else None,
                "conditional": bool(edge.conditional),
            }
            for edge in graph.edges
        ],
    }


def _name(runnable: Any) -> str:
    name = getattr(runnable, "name", None)
    if isinstance(name, str) and name:
        return name
    get_name = getattr(runnable, "get_name", None)
    return str(get_name()) if callable(get_name) else type(runnable).__name__


def _node(node: Any) -> dict[str, Any]:
    data = node.data
    return {
        "id": str(node.id),
        "name": str(node.name),
        "kind": _kind(data),
        "type": _type_name(data),
        "component": _component(data),
        **(
            {"metadata": dict(node.metadata)}
            if isinstance(node.metadata, Mapping) and node.metadata
            else {}
        ),
    }


def _type_name(data: Any) -> str | None:
    if data is None:
        return None
    cls = data if isinstance(data, type) else type(data)
    return f"{cls.__module__}.{cls.__qualname__}"


def _kind(data: Any) -> str:
    from importlib import import_module

    for module, name, kind in _KINDS:
        if isinstance(data, getattr(import_module(module), name)):
            return kind
    return "chain"


def _component(data: Any) -> Any:
    """What a node was built with: its serialized form; of a node with tools, their names and
    descriptions.
    """
    from langchain_core.load import dumpd

    tools = getattr(data, "tools_by_name", None)
    if isinstance(tools, Mapping):
        return {
            "tools": {
                str(name): str(getattr(tool, "description", "")) for name, tool in tools.items()
            }
        }
    if data is None or isinstance(data, type):
        return None
    serialized = dumpd(data)
    if isinstance(serialized, Mapping) and serialized.get("type") == "constructor":
        return without_reprs(serialized)
    return None
