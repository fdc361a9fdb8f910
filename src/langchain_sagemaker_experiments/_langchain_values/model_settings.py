"""Model settings: what LangChain sends with a call → OpenTelemetry GenAI attributes, and friendly
Run parameters.

The conventions followed are those of the repository `open-telemetry/semantic-conventions-genai`,
schema gen-ai/1.42.0. LangChain sends settings at three places; a call's own `invocation_params` win
over `metadata` (`ls_…`), which wins over the serialized form of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

_PROVIDERS: Final = {
    "amazon_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "sagemaker_endpoint": "aws.sagemaker",
    "sagemakerendpoint": "aws.sagemaker",
    "chatsagemakerendpoint": "aws.sagemaker",
    "chatbedrockconverse": "aws.bedrock",
    "chatbedrock": "aws.bedrock",
    "ibm": "ibm.watsonx.ai",
    "xai": "x_ai",
}

# attribute: (type, names in invocation_params, model_kwargs or the serialized form; the first
# present wins)
_NAMES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("gen_ai.request.model", "str", (
        "model", "model_name", "model_id", "modelId", "engine", "deployment_name",
        "azure_deployment",
    )),
    ("gen_ai.request.temperature", "number", ("temperature",)),
    ("gen_ai.request.max_tokens", "number", (
        "max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens",
        "max_tokens_to_sample", "maxTokens",
    )),
    ("gen_ai.request.top_p", "number", ("top_p", "topP")),
    ("gen_ai.request.top_k", "number", ("top_k", "topK")),
    ("gen_ai.request.frequency_penalty", "number", ("frequency_penalty",)),
    ("gen_ai.request.presence_penalty", "number", ("presence_penalty",)),
    ("gen_ai.request.seed", "number", ("seed",)),
    ("gen_ai.request.choice.count", "number", ("n",)),
    ("gen_ai.request.stream", "bool", ("stream", "streaming")),
    ("gen_ai.request.stop_sequences", "list", ("stop", "stop_sequences", "stopSequences")),
    ("gen_ai.tool.definitions", "list", ("tools", "functions")),
    ("sagemaker.endpoint_name", "str", ("endpoint_name",)),
    ("sagemaker.inference_component_name", "str", ("inference_component_name",)),
    ("sagemaker.region", "str", ("region_name",)),
    ("sagemaker.model_kwargs", "dict", ("model_kwargs",)),
)  # fmt: skip

_METADATA_NAMES: Final = {
    "gen_ai.request.model": "ls_model_name",
    "gen_ai.request.temperature": "ls_temperature",
    "gen_ai.request.max_tokens": "ls_max_tokens",
    "gen_ai.request.stop_sequences": "ls_stop",
    "sagemaker.region": "region_name",
}

_PARAMETER_NAMES: Final = {
    "gen_ai.request.model": "model_name",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.choice.count": "n",
    "gen_ai.request.stop_sequences": "stop",
    "sagemaker.endpoint_name": "endpoint_name",
    "sagemaker.inference_component_name": "inference_component_name",
    "sagemaker.region": "region_name",
}


def request_attributes(kind: str, invocation: Json, metadata: Json, component: Json) -> Json:
    """Return the request attributes of a model call.

    Args:
        kind: `llm` or `chat_model`.
        invocation: LangChain's `invocation_params` of the call.
        metadata: the run's metadata, with LangChain's `ls_…` entries.
        component: the model's serialized form.
    """
    nested = invocation.get("model_kwargs")
    built = component.get("kwargs")
    sources = [source for source in (invocation, nested, built) if isinstance(source, Mapping)]
    attributes: Json = {
        "gen_ai.operation.name": "chat" if kind == "chat_model" else "text_completion"
    }
    provider = metadata.get("ls_provider") or _provider_from(invocation.get("_type"))
    if provider:
        attributes["gen_ai.provider.name"] = _PROVIDERS.get(str(provider), str(provider))
    for attribute, expected, names in _NAMES:
        value = _first(sources, names, expected)
        if value is None and attribute in _METADATA_NAMES:
            value = _as(expected, metadata.get(_METADATA_NAMES[attribute]))
        if value is not None:
            attributes[attribute] = value
    if "sagemaker.endpoint_name" not in attributes:
        for name in (
            "sagemaker.inference_component_name",
            "sagemaker.region",
            "sagemaker.model_kwargs",
        ):
            attributes.pop(name, None)
    return attributes


def _provider_from(model_type: Any) -> str | None:
    """LangChain's `_type`, such as `openai-chat` or `sagemaker_endpoint`, for models that send no
    `ls_provider`.
    """
    if not isinstance(model_type, str):
        return None
    return model_type.removesuffix("-chat").removeprefix("chat-")


def _first(sources: list[Mapping[str, Any]], names: tuple[str, ...], expected: str) -> Any:
    for source in sources:
        for name in names:
            value = _as(expected, source.get(name))
            if value is not None:
                return value
    return None


def _as(expected: str, value: Any) -> Any:
    """Return `value` if it has the type its attribute asks for, else None: models send all sorts of
    things under one name.
    """
    if value is None:
        return None
    if expected == "number":
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if expected == "bool":
        return value if isinstance(value, bool) else None
    if expected == "str":
        return value if isinstance(value, str) and value else None
    if expected == "dict":
        return value if isinstance(value, dict) and value else None
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) and value else None


def run_parameters(attributes: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Return the settings of one model call under the names people know: `temperature`,
    `model_name`, `endpoint_name` and so on.
    """
    parameters: dict[str, str | int | float] = {}
    for attribute, name in _PARAMETER_NAMES.items():
        value = attributes.get(attribute)
        if isinstance(value, list):
            value = ", ".join(str(item) for item in value)
        if isinstance(value, (str, int, float)):
            parameters[name] = _exact(value)
    nested = attributes.get("sagemaker.model_kwargs")
    if isinstance(nested, Mapping):
        for name, value in nested.items():
            if (
                name not in parameters
                and isinstance(value, (str, int, float))
                and not isinstance(value, bool)
            ):
                parameters[str(name)] = _exact(value)
    return parameters


def _exact(value: str | int | float) -> str | int | float:
    """A number that a parameter, which is a double in SageMaker, would not hold exactly goes as
    text.
    """
    if not isinstance(value, int) or abs(value) <= _MAX_EXACT:
        return value
    # Python refuses the decimal text of very large integers.
    return str(value) if value.bit_length() < 4_000 else hex(value)


_MAX_EXACT: Final = 2**53
