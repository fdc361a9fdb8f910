"""Tools and retrievers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .._langchain_values import name_of
from .outcome import error_of_result
from .span_capture import Details, SpanCapture

_TOOLS: Final = ("tool",)
_RETRIEVERS: Final = ("retriever",)


class ToolEvents:
    """Records tools and retrievers."""

    def __init__(self, capture: SpanCapture) -> None:
        self._capture = capture
        self._close = capture.open_spans.close

    def tool_started(
        self, serialized: Mapping[str, Any] | None, text: str, details: Details
    ) -> None:
        """Open a span; inputs are the tool's arguments where LangChain gives them, else its
        text.
        """
        arguments = details.get("inputs")
        inputs = arguments if arguments is not None else text
        name = details.get("name") or name_of(serialized, "tool")
        span = self._capture.start("tool", name, serialized, inputs, details)
        self._capture.open_spans.enter(span)
        span.facts = "tool"
        if details.get("tool_call_id"):
            span.set_attribute("gen_ai.tool.call.id", details["tool_call_id"])

    def tool_ended(self, output: Any, details: Details) -> None:
        """Close a span with what the tool returned, an error given back as data included."""
        message = error_of_result(output)
        if message is None:
            self._close(self._capture.end(_TOOLS, output, details))
            return
        span = self._capture.end(_TOOLS, output, details, "error")
        shown = message if self._capture.record_content else ""
        span.error = {"type": "ToolError", "message": shown, "stacktrace": ""}
        self._close(span)

    def tool_failed(self, error: BaseException, details: Details) -> None:
        """Close a span as failed, interrupted or cancelled."""
        self._close(self._capture.fail(_TOOLS, error, details))

    def retriever_started(
        self, serialized: Mapping[str, Any] | None, query: str, details: Details
    ) -> None:
        """Open a span with the query."""
        name = details.get("name") or name_of(serialized, "retriever")
        span = self._capture.start("retriever", name, serialized, {"query": query}, details)
        self._capture.open_spans.enter(span)
        span.facts = "retriever"

    def retriever_ended(self, documents: Any, details: Details) -> None:
        """Close a span with its documents, their metadata and scores."""
        outputs = {"documents": documents}
        self._close(self._capture.end(_RETRIEVERS, outputs, details))

    def retriever_failed(self, error: BaseException, details: Details) -> None:
        """Close a span as failed, interrupted or cancelled."""
        self._close(self._capture.fail(_RETRIEVERS, error, details))
