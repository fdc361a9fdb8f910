"""Prices of models: genai-prices under a table of the user's, tiers, caches, unknown models."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from langchain_sagemaker_experiments._analysis.prices import Rate, cost_of, rates_of

PROFILE = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0"


@pytest.mark.parametrize(
    ("model", "provider", "named"),
    [
        ("gpt-4o-mini", "openai", "openai"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "aws.bedrock", "aws"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "aws.bedrock", "aws"),
        (PROFILE, "aws.bedrock", "aws"),
        ("claude-sonnet-4-5", "anthropic", "anthropic"),
        ("gemini-2.5-pro", "gcp.vertex_ai", "google"),
    ],
)
@pytest.mark.parametrize(
    "usage", [(1_000, 200, 0, 0), (1_000, 200, 400, 300), (250_000, 9_000, 100_000, 0)]
)
def test_a_cost_is_what_genai_prices_says(
    model: str, provider: str, named: str, usage: tuple[int, ...]
) -> None:
    from genai_prices import Usage, calc_price

    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    told = Usage(**dict(zip(names, usage, strict=True)))
    noon = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.timezone.utc)
    wanted = calc_price(told, model, provider_id=named, genai_request_timestamp=noon).total_price
    assert isinstance(wanted, Decimal)
    cost = cost_of((*usage, None), rates_of(model, provider, noon.date()))
    assert cost == pytest.approx(float(wanted))


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("no-such-model", "openai"),
        ("", "openai"),
        (None, None),
        ("llama3", "ollama"),
        ("my-endpoint", "aws.sagemaker"),
    ],
)
def test_what_has_no_price_has_no_cost(model: Any, provider: Any) -> None:
    assert rates_of(model, provider) == ()
    assert cost_of((1, 1, None, None, None), rates_of(model, provider)) is None


def test_an_own_price_goes_before_the_list() -> None:
    own = {"gpt-4o-mini": (1.0, 2.0), "mine": (1.0, 2.0, 0.1, 3.0)}
    assert rates_of("gpt-4o-mini", "openai", prices=own) == (Rate(0, 1.0, 2.0, 1.0, 1.0),)
    assert cost_of((1_000_000, 500_000, 200_000, 100_000), rates_of("mine", prices=own)) == (
        pytest.approx(0.7 + 1.0 + 0.02 + 0.3)
    )
    assert cost_of((None, None, None, None), rates_of("mine", prices=own)) is None


def test_an_unknown_provider_is_no_reason_to_know_no_price() -> None:
    assert rates_of("gpt-4o-mini", "my-gateway") == rates_of("gpt-4o-mini", "openai")
