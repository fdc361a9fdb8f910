"""A span record under the names of OpenInference, which Phoenix and Langfuse read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .._record.cells import has_value, json_text

KINDS: Final = {
    "chain": "CHAIN",
    "llm": "LLM",
    "chat_model": "LLM",
    "tool": "TOOL",
    "agent": "AGENT",
    "retriever": "RETRIEVER",
    "embedding": "EMBEDDING",
    "prompt": "PROMPT",
    "parser": "CHAIN",
}
"""Kinds of this package → kinds of OpenInference; others are CHAIN."""
ATTRIBUTES: Final = {
    "gen_ai.request.model": "llm.model_name",
    "gen_ai.provider.name": "llm.provider",
    "gen_ai.usage.input_tokens": "llm.token_count.prompt",
    "gen_ai.usage.output_tokens": "llm.token_count.completion",
    "gen_ai.tool.name": "tool.name",
}
"""Attributes of the GenAI conventions → those of OpenInference."""


def attributes_of(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a span's attributes."""
    yield "openinference.span.kind", KINDS.get(row["kind"], "CHAIN")
    attributes = row["attributes"] or {}
    for ours, theirs in ATTRIBUTES.items():
        if attributes.get(ours) is not None:
            yield theirs, attributes[ours]
    if has_value(row["session_id"]):
        yield "session.id", row["session_id"]
    user = (row["metadata"] or {}).get("user_id")
    if isinstance(user, str):
        yield "user.id", user
    for name, value in (("input", row["inputs"]), ("output", row["outputs"])):
        if has_value(value):
            is_text = isinstance(value, str)
            yield f"{name}.value", value if is_text else json_text(value)
            yield f"{name}.mime_type", "text/plain" if is_text else "application/json"
