"""Attributes of a span from what its events left in `raw`, `metadata` and `component`: computed at
the flush, not at the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .._langchain_values import request_attributes, response_attributes
from .live_span import LiveSpan


def _loads(data: bytes | None) -> dict[str, Any]:
    import orjson  # at the flush: who only imports the handler's name needs none of it

    value = orjson.loads(data) if data else None
    return value if isinstance(value, dict) else {}


def model_attributes(span: LiveSpan) -> Mapping[str, Any]:
    """Request settings, usage and finish reasons of a model call."""
    raw = span.raw or {}
    request = _request_attributes(span.kind, raw.get("invocation"), span.metadata, span.component)
    response = raw.get("response")
    return {**request, **response_attributes(_loads(response))} if response else dict(request)


@lru_cache(maxsize=512)
def _request_attributes(
    kind: str, invocation: bytes | None, metadata: bytes | None, component: bytes | None
) -> Mapping[str, Any]:
    """Request attributes of a model call; calls with the same settings, which most are, compute
    them once.
    """
    return request_attributes(kind, _loads(invocation), _loads(metadata), _loads(component))


def tool_attributes(span: LiveSpan) -> Mapping[str, Any]:
    """Name and description of a tool."""
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": span.name}
    description = _loads(span.component).get("description")
    if isinstance(description, str) and description:
        attributes["gen_ai.tool.description"] = description
    return attributes


def agent_attributes(span: LiveSpan) -> Mapping[str, Any]:
    """Name of an agent."""
    return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": span.name}


def retriever_attributes(span: LiveSpan) -> Mapping[str, Any]:
    """Name of a retriever."""
    return {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": span.name}
