"""What a model answered → token usage, finish reasons, response model, under the OpenTelemetry
GenAI names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from langchain_core.outputs import LLMResult

Json = dict[str, Any]

_INPUT: Final = (
    "prompt_eval_count",
    "input_tokens",
    "prompt_tokens",
    "prompt_token_count",
    "inputTokens",
    "inputTokenCount",
    "input_token_count",
)
_OUTPUT: Final = (
    "eval_count",
    "output_tokens",
    "completion_tokens",
    "candidates_token_count",
    "outputTokens",
    "outputTokenCount",
    "generated_token_count",
)


def raw_response(response: LLMResult) -> Json:
    """Return the small parts of a result that its attributes are computed from; cheap, for the time
    of the event.
    """
    raw: Json = {}
    if response.llm_output:
        raw["llm_output"] = response.llm_output
    for candidates in response.generations:
        for generation in candidates:
            info = generation.generation_info
            if info:
                raw.setdefault("generation_info", []).append(info)
            message = getattr(generation, "message", None)
            if message is not None:
                fields = message.__dict__
                if fields.get("response_metadata"):
                    raw.setdefault("response_metadata", []).append(fields["response_metadata"])
                # Models that return several candidates repeat the call's total on each: the first
                # one tells all.
                if fields.get("usage_metadata") and "usage" not in raw:
                    raw["usage"] = fields["usage_metadata"]
    return raw


def response_attributes(raw: Json) -> Json:
    """Return usage, finish reasons, response model and id from what `raw_response` took."""
    attributes: Json = {}
    output = _dict(raw.get("llm_output"))
    infos = [_dict(info) for info in raw.get("generation_info", [])]
    metas = [_dict(meta) for meta in raw.get("response_metadata", [])]
    if _is_from_cache(_dict(raw.get("usage"))):
        attributes["langchain.cache_hit"] = True
    else:
        attributes.update(_usage(raw, output, infos, metas))
    reasons = _finish_reasons(metas) or _finish_reasons(infos)
    if reasons:
        attributes["gen_ai.response.finish_reasons"] = reasons
    model = _text([*metas, output, *infos], ("model_name", "model", "model_id", "modelId"))
    if model:
        attributes["gen_ai.response.model"] = model
    identity = _text([*metas, output], ("id", "response_id", "ResponseId"))
    if identity:
        attributes["gen_ai.response.id"] = identity
    return attributes


def _usage(raw: Json, output: Json, infos: list[Json], metas: list[Json]) -> Json:
    usage = _normal_usage(_dict(raw.get("usage")))
    if usage:
        return usage
    candidates: list[Any] = [output.get("token_usage"), output.get("usage")]
    candidates += infos  # OllamaLLM's counts stand in generation_info itself
    for source in (*metas, *infos):
        candidates += [source.get("token_usage"), source.get("usage"), source.get("usage_metadata")]
    for candidate in candidates:
        usage = _normal_usage(_dict(candidate))
        if usage:
            return usage
    return {}


def _normal_usage(usage: Json) -> Json:
    result: Json = {}
    for attribute, known in (
        ("gen_ai.usage.input_tokens", _INPUT),
        ("gen_ai.usage.output_tokens", _OUTPUT),
    ):
        value = _number(usage, known)
        if value is not None:
            result[attribute] = value
    if not result:
        return {}
    into = _dict(usage.get("input_token_details")) or _dict(usage.get("prompt_tokens_details"))
    out = _dict(usage.get("output_token_details")) or _dict(usage.get("completion_tokens_details"))
    if (
        not into and not out and len(usage) <= len(result) + 1
    ):  # the two, and their total: nothing else is told
        return result
    details: tuple[tuple[str, Json, tuple[str, ...]], ...] = (
        ("gen_ai.usage.cache_read.input_tokens", into, ("cache_read", "cached_tokens")),
        # ChatAnthropic and ChatBedrockConverse count by lifetime and leave `cache_creation` at 0.
        ("gen_ai.usage.cache_creation.input_tokens", _by_lifetime(into), ("total",)),
        ("gen_ai.usage.cache_creation.input_tokens", into, ("cache_creation",)),
        (
            "gen_ai.usage.cache_read.input_tokens",
            usage,
            ("cache_read_input_tokens", "cacheReadInputTokens"),
        ),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            usage,
            ("cache_creation_input_tokens", "cacheWriteInputTokens"),
        ),
        ("gen_ai.usage.reasoning.output_tokens", out, ("reasoning", "reasoning_tokens")),
    )
    for attribute, source, names in details:
        value = _number(source, names)
        if value is not None:
            result.setdefault(attribute, value)
    return result


def _by_lifetime(details: Json) -> Json:
    counts = [
        _number(details, (name,))
        for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    ]
    total = sum(count for count in counts if count is not None)
    return {"total": total} if total else {}


def _is_from_cache(usage: Json) -> bool:
    """Return True for a hit of LangChain's own cache: it keeps the tokens of the call that was
    paid for, and sets their cost to 0.
    """
    return usage.get("total_cost") == 0 and "total_cost" in usage


def _finish_reasons(sources: list[Json]) -> list[str]:
    reasons = []
    for source in sources:
        for name in ("finish_reason", "stop_reason", "stopReason", "done_reason"):
            if isinstance(source.get(name), str) and source[name]:
                reasons.append(source[name])
                break
    return reasons


def _text(sources: list[Json], names: tuple[str, ...]) -> str | None:
    for source in sources:
        for name in names:
            if isinstance(source.get(name), str) and source[name]:
                return str(source[name])
    return None


def _number(source: Json, names: tuple[str, ...]) -> int | float | None:
    for name in names:
        value = source.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
    return None


def _dict(value: Any) -> Json:
    return dict(value) if isinstance(value, Mapping) else {}
