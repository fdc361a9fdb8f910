"""What is asked of a span record most: its model, its tokens, its time to the first token.

Attributes may be anybody's, set by hand or read from a file of another program: what is of no use
as such a fact is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

MODEL_KINDS: Final = ("llm", "chat_model", "embedding")
"""Kinds of spans that are calls of a model."""
TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""Attribute of a streamed call: seconds to its first token."""
MODEL_NAMES: Final = ("gen_ai.request.model", "gen_ai.response.model", "sagemaker.endpoint_name")
TOKEN_NAMES: Final = {side: f"gen_ai.usage.{side}_tokens" for side in ("input", "output")}
_MAX_COUNT: Final = 2**53
"""What JSON, metrics and pandas hold exactly; no call has so many tokens."""

FACTS: Final[dict[str, str]] = {
    "model": "string",
    "provider": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "time_to_first_token_ms": "double",
    "error_type": "string",
}
"""Columns beside those of the record, of what is asked for most, with their types in Arrow's names.
"""


def facts_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of `FACTS` of one span."""
    attributes, error = record.get("attributes"), record.get("error")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    provider = attributes.get("gen_ai.provider.name")
    return {
        "model": model_of(attributes),
        "provider": provider if isinstance(provider, str) else None,
        "input_tokens": tokens_of(attributes, "input"),
        "output_tokens": tokens_of(attributes, "output"),
        "time_to_first_token_ms": first_token_ms_of(attributes),
        "error_type": str(error.get("type")) if isinstance(error, Mapping) else None,
    }


def model_of(attributes: Mapping[str, Any] | None) -> str | None:
    """Return the model of a call: as it was asked for, else as it answered, else its SageMaker
    endpoint; None of no call.
    """
    if not attributes:
        return None
    return next(
        (name for name in map(attributes.get, MODEL_NAMES) if isinstance(name, str) and name), None
    )


def tokens_of(attributes: Mapping[str, Any] | None, side: Literal["input", "output"]) -> int | None:
    """Return the tokens of a call's input or output; None where they are not told."""
    value = _amount(attributes, TOKEN_NAMES[side])
    return int(value) if value is not None else None


USAGE_NAMES: Final = tuple(
    f"gen_ai.usage.{name}"
    for name in (
        "input_tokens",
        "output_tokens",
        "cache_read.input_tokens",
        "cache_creation.input_tokens",
        "reasoning.output_tokens",
    )
)


def usage_of(attributes: Mapping[str, Any] | None) -> tuple[int | None, ...]:
    """Return the tokens of a call as five counts, each None where it is not told: input, output,
    read from a cache, written to a cache, reasoning.

    The third and fourth are part of the input, the fifth is part of the output.
    """
    counts = (_amount(attributes, name) for name in USAGE_NAMES)
    return tuple(int(count) if count is not None else None for count in counts)


def first_token_ms_of(attributes: Mapping[str, Any] | None) -> float | None:
    """Return the milliseconds to a call's first token; None where it was not streamed."""
    value = _amount(attributes, TO_FIRST_CHUNK)
    return value * 1e3 if value is not None else None


def _amount(attributes: Mapping[str, Any] | None, name: str) -> int | float | None:
    value = attributes.get(name) if attributes else None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value < _MAX_COUNT
    ):
        return None
    return value
