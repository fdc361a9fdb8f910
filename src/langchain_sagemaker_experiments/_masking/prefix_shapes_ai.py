"""Secrets with a prefix: AI services (models, vector stores, tracing)."""

from __future__ import annotations

from typing import Final

from .shape import (
    ALNUM,
    BASE64_PADDED,
    HEX,
    LOWER,
    URLSAFE,
    UUID,
    WORD,
    Shape,
    at_least,
    exactly,
    prefixed,
)

AI_SHAPES: Final[tuple[Shape, ...]] = (
    prefixed("anthropic-key", "Anthropic", "sk-ant-", at_least(16, URLSAFE)),
    prefixed("openrouter-key", "OpenRouter", "sk-or-v1-", at_least(40, HEX), anchors=["sk-"]),
    prefixed("langfuse-key", "Langfuse", ("sk-lf-", "pk-lf-"), *UUID),
    # OpenAI, and those that follow its form: DeepSeek, Stability AI, Moonshot, DashScope, LiteLLM.
    prefixed("openai-key", "OpenAI", "sk-", at_least(20, URLSAFE), digit=True),
    prefixed("huggingface-token", "Hugging Face", "hf_", at_least(30, ALNUM)),
    prefixed("huggingface-organization-token", "Hugging Face", "api_org_", at_least(30, ALNUM)),
    prefixed(
        "langsmith-key",
        "LangSmith",
        ("lsv2_pt_", "lsv2_sk_"),
        at_least(20, WORD),
        anchors=["lsv2_"],
    ),
    prefixed("langsmith-legacy-key", "LangSmith", "ls__", at_least(28, ALNUM), digit=True),
    prefixed("groq-key", "Groq", "gsk_", at_least(40, ALNUM)),
    prefixed("xai-key", "xAI", "xai-", at_least(60, ALNUM)),
    prefixed("perplexity-key", "Perplexity", "pplx-", at_least(40, ALNUM)),
    prefixed("replicate-token", "Replicate", "r8_", at_least(36, ALNUM)),
    prefixed("pinecone-key", "Pinecone", "pcsk_", at_least(40, WORD)),
    prefixed("fireworks-key", "Fireworks AI", "fw_", at_least(20, ALNUM), digit=True),
    prefixed("together-key", "Together AI", "tgp_v1_", at_least(40, URLSAFE)),
    prefixed("cerebras-key", "Cerebras", "csk-", at_least(40, LOWER)),
    prefixed("nvidia-key", "NVIDIA", "nvapi-", at_least(50, URLSAFE)),
    prefixed("tavily-key", "Tavily", "tvly-", at_least(20, URLSAFE), digit=True),
    prefixed("jina-key", "Jina AI", "jina_", at_least(50, URLSAFE)),
    prefixed("voyage-key", "Voyage AI", "pa-", at_least(40, URLSAFE), digit=True),
    prefixed("nomic-key", "Nomic", "nk-", at_least(40, URLSAFE), digit=True),
    prefixed("firecrawl-key", "Firecrawl", "fc-", exactly(32, HEX)),
    prefixed("llamacloud-key", "LlamaCloud", "llx-", at_least(40, ALNUM)),
    prefixed("elevenlabs-key", "ElevenLabs", "sk_", exactly(48, HEX)),
    prefixed("e2b-key", "E2B", "e2b_", at_least(36, HEX)),
    prefixed("modal-token", "Modal", ("as-", "ak-"), exactly(22, ALNUM), digit=True),
    prefixed("arize-key", "Arize", "ak-", *UUID, "-", at_least(20, URLSAFE)),
    prefixed("braintrust-key", "Braintrust", "bt-st-", at_least(40, ALNUM)),
    prefixed("portkey-key", "Portkey", "pk-live-", at_least(20, URLSAFE), digit=True),
    prefixed("helicone-key", "Helicone", "sk-helicone-", at_least(20, URLSAFE), anchors=["sk-"]),
    prefixed("logfire-token", "Pydantic Logfire", "pylf_v1_", "us_", at_least(40, ALNUM)),
    prefixed("wandb-v1-key", "Weights & Biases", "wandb_v1_", at_least(40, WORD)),
    prefixed("apify-token", "Apify", "apify_api_", at_least(36, ALNUM)),
    prefixed("browserbase-key", "Browserbase", "bb_live_", at_least(20, URLSAFE)),
    prefixed("bedrock-key", "Amazon Bedrock", "ABSK", at_least(100, BASE64_PADDED)),
    prefixed(
        "bedrock-short-key", "Amazon Bedrock", "bedrock-api-key-", at_least(40, BASE64_PADDED)
    ),
)
