"""A span record under MLflow's own names, so that its trace view shows all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .._record.cells import has_value, json_text

SPAN_TYPES: Final = {
    "chain": "CHAIN",
    "llm": "LLM",
    "chat_model": "CHAT_MODEL",
    "tool": "TOOL",
    "agent": "AGENT",
    "retriever": "RETRIEVER",
    "embedding": "EMBEDDING",
    "parser": "PARSER",
    "prompt": "CHAIN",
}
"""Kinds of this package → types of MLflow's spans (`mlflow.entities.SpanType`); others are
UNKNOWN.
"""
USAGE: Final = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_input_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_creation_input_tokens",
}
"""Attributes of the GenAI conventions → keys of `mlflow.chat.tokenUsage`."""
ATTRIBUTES: Final = {
    "gen_ai.provider.name": "mlflow.llm.provider",
}
"""Attributes of the GenAI conventions → attributes of MLflow."""
_MODELS: Final = ("llm", "chat_model")


def attributes_of(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a span's attributes."""
    attributes = row["attributes"] or {}
    yield "mlflow.spanType", SPAN_TYPES.get(row["kind"], "UNKNOWN")
    for name, value in (
        ("mlflow.spanInputs", row["inputs"]),
        ("mlflow.spanOutputs", row["outputs"]),
    ):
        if has_value(value):
            yield name, json_text(value) if isinstance(value, (str, list, dict)) else value
    for ours, theirs in ATTRIBUTES.items():
        if attributes.get(ours) is not None:
            yield theirs, attributes[ours]
    if row["kind"] in _MODELS:
        yield from _of_model(attributes)
    if has_value(row["session_id"]):
        yield "session.id", row["session_id"]
    user = (row["metadata"] or {}).get("user_id")
    if isinstance(user, str):
        yield "user.id", user


def _of_model(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    # The messages are those of LangChain, for which MLflow has a view.
    yield "mlflow.message.format", "langchain"
    model = attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
    if model:
        yield "mlflow.llm.model", model
    usage = {theirs: attributes[ours] for ours, theirs in USAGE.items() if attributes.get(ours)}
    if usage:
        total = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        yield "mlflow.chat.tokenUsage", json_text({**usage, "total_tokens": total})
