"""LangChain's serialized form of an object → its name, its kind, and the `component` of the span
record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .prompts import prompts_among

_AGENT_CLASSES: Final = frozenset(("AgentExecutor",))
_REGION: Final = re.compile(r"\bregion_name='([a-z0-9-]{4,40})'")
_CACHE_SIZE: Final = 512
_CACHE_BYTES: Final = 4_194_304
"""Bytes of the objects and of their JSON that are remembered."""


def name_of(serialized: Mapping[str, Any] | None, default: str) -> str:
    """Return the name of a run that was given none: as the serialized object says, else the last
    part of its id.
    """
    if serialized:
        named = serialized.get("name")
        if named:
            return str(named)
        path = serialized.get("id")
        if isinstance(path, (list, tuple)) and path:
            return str(path[-1])
    return default


def chain_kind(name: str, run_type: str | None, metadata: Mapping[str, Any] | None) -> str:
    """Return the kind of what LangChain calls a chain: `prompt`, `parser`, `agent`, `retriever`,
    `tool`, … or `chain`.

    `run_type` is what LangChain says itself (prompts and parsers do). An agent is a classic
    `AgentExecutor`, or the graph that `create_agent` built, which names itself in
    `metadata["lc_agent_name"]` and `metadata["ls_integration"]`.
    """
    if run_type is not None and run_type != "chain":
        return run_type if run_type in _RUN_TYPES else "custom"
    if metadata is not None:
        agent = metadata.get("lc_agent_name")
        if agent is not None:
            if agent == name:
                return "agent"
        elif (
            metadata.get("ls_integration") == "langchain_create_agent"
            and "langgraph_node" not in metadata
        ):
            return "agent"
    if name in _AGENT_CLASSES:
        return "agent"
    return "chain"


_RUN_TYPES: Final = frozenset(
    ("prompt", "parser", "tool", "retriever", "llm", "embedding", "agent")
)


class ComponentCache:
    """Encodes serialized objects once: LangChain hands over the very same dictionary at each call
    of one object.

    Args:
        encode: value → JSON bytes.
        content: False keeps class and name only: arguments hold prompts.
    """

    def __init__(self, encode: Callable[[Any], bytes], *, content: bool = True) -> None:
        self._encode = encode
        self._content = content
        self._known: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self._size = 0

    def encode(self, serialized: Mapping[str, Any] | None) -> bytes | None:
        """Return the component as JSON bytes, or None when there is nothing to tell."""
        if not serialized:
            return None
        known = self._known.get(id(serialized))
        # The entry holds the dictionary itself, so its id can't have been given to another one.
        if known is not None and known[0] is serialized:
            return known[1]
        shown = serialized if self._content else _without_content(serialized)
        data = self._encode(without_reprs(shown))
        size = 2 * len(data) + _repr_size(serialized)
        if len(self._known) >= _CACHE_SIZE or self._size + size > _CACHE_BYTES:
            self._known.clear()
            self._size = 0
        if size <= _CACHE_BYTES:
            self._known[id(serialized)] = (serialized, data)
            self._size += size
        return data

    def prompts(self) -> list[tuple[str, str]]:
        """Return name and text of the prompt templates seen lately."""
        return prompts_among(serialized for serialized, _ in list(self._known.values()))


def _without_content(serialized: Mapping[str, Any]) -> dict[str, Any]:
    return {name: serialized[name] for name in ("lc", "type", "id", "name") if name in serialized}


def _repr_size(value: Any, depth: int = 0) -> int:
    """Return the characters of what `without_reprs` leaves out."""
    if depth > 50:
        return 0
    if isinstance(value, Mapping):
        items = [item for key, item in value.items() if key != "repr"]
        shown = value.get("repr")
        own = len(shown) if isinstance(shown, str) else 0
        return own + sum(_repr_size(item, depth + 1) for item in items)
    if isinstance(value, (list, tuple)):
        return sum(_repr_size(item, depth + 1) for item in value)
    return 0


def without_reprs(value: Any, depth: int = 0) -> Any:
    """Serialized form without the `repr` of objects that LangChain can't serialize: it may hold
    anything, secrets included.
    """
    if depth > 50:
        return "<nested too deep>"
    if isinstance(value, Mapping):
        foreign = value.get("type") == "not_implemented"
        plain = {
            key: without_reprs(item, depth + 1)
            for key, item in value.items()
            if not (foreign and key == "repr")
        }
        region = (
            _REGION.search(value["repr"])
            if foreign and isinstance(value.get("repr"), str)
            else None
        )
        if region is not None:
            # The one setting of AWS models that LangChain tells nowhere else.
            plain["kwargs"] = {"region_name": region[1]}
        return plain
    if isinstance(value, (list, tuple)):
        return [without_reprs(item, depth + 1) for item in value]
    return value
