"""Attributes of a span from what its events left in `raw`, `metadata` and `component`: computed at
the flush, not at the event.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from .._langchain_values import request_attributes, response_attributes
from .live_span import LiveSpan

_MAX_SETTINGS: Final = 128
"""Sets of equal settings whose attributes are remembered."""
_MAX_BYTES: Final = 4_096
"""Bytes of settings that are remembered: small values only."""

_Settings = tuple[str, bytes | None, bytes | None, bytes | None]


class SpanAttributes:
    """Computes attributes; those of calls with equal settings, which most are, once."""

    def __init__(self) -> None:
        self._requests: dict[_Settings, dict[str, Any]] = {}

    def of(self, span: LiveSpan) -> dict[str, Any]:
        """Return the attributes of a span under the names of the GenAI conventions."""
        facts = span.facts
        if facts is None:
            return {}
        if facts == "model":
            return self._model(span)
        if facts == "tool":
            return _tool(span)
        if facts == "agent":
            return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": span.name}
        return {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": span.name}

    def _model(self, span: LiveSpan) -> dict[str, Any]:
        """Request settings, usage and finish reasons of a model call."""
        raw = span.raw or {}
        attributes = self._request(
            (span.kind, raw.get("invocation"), span.metadata, span.component)
        )
        response = raw.get("response")
        if response:
            attributes.update(response_attributes(_loads(response)))
        if span.token_count:
            # Some models stream although their settings say that they do not.
            attributes["gen_ai.request.stream"] = True
        return attributes

    def _request(self, settings: _Settings) -> dict[str, Any]:
        before = self._requests.get(settings)
        if before is not None:
            return dict(before)
        kind, invocation, metadata, component = settings
        attributes = request_attributes(
            kind, _loads(invocation), _loads(metadata), _loads(component)
        )
        if sum(len(data or b"") for data in settings[1:]) <= _MAX_BYTES:
            if len(self._requests) >= _MAX_SETTINGS:
                self._requests.clear()
            self._requests[settings] = attributes
        return dict(attributes)


def _tool(span: LiveSpan) -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": span.name}
    description = _loads(span.component).get("description")
    if isinstance(description, str) and description:
        attributes["gen_ai.tool.description"] = description
    return attributes


def _loads(data: bytes | None) -> dict[str, Any]:
    value = orjson.loads(data) if data else None
    return value if isinstance(value, dict) else {}
