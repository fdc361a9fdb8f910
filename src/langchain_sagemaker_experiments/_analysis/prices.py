"""Prices of models: `genai-prices`, whose data ships in its package, under a table of the user's.

Costs are always computed when they are read, from the raw usage, and never stored: a price that was
wrong can be mended. A model without a price has no cost; nothing is guessed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from .._record.cells import has_value
from .._record.model_facts import MODEL_KINDS, model_of, usage_of
from .._record.schema import Record

Prices = Mapping[str, Sequence[float]]
"""Model → dollars for 1,000,000 tokens: input, output, and, where they differ from the input's
price, input read from a cache and input written to a cache.
"""


class Rate(NamedTuple):
    """Dollars for 1,000,000 tokens, from `above` input tokens of a call."""

    above: int
    input: float
    output: float
    cache_read: float
    cache_write: float


RatesOf = Callable[[str | None, str | None, datetime.date | None], Sequence[Rate]]
"""Model, provider, day → the rates, lowest first; empty where no price is known."""
_PROVIDERS: Final = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
"""OpenTelemetry's names of providers, where genai-prices has another one."""
_NO_LIST_PRICE: Final = ("aws.sagemaker", "ollama", "huggingface")
"""What runs on a machine that is paid by the hour, or on the user's own."""
_PROBE: Final = 1_000_000


def rates_of(
    model: str | None,
    provider: str | None = None,
    day: datetime.date | None = None,
    prices: Prices | None = None,
) -> tuple[Rate, ...]:
    """Return what a model's tokens cost, the lowest tier first; empty where no price is known.

    Args:
        model: as it was asked for: a name, a Bedrock model id, an inference profile or its ARN.
        provider: `gen_ai.provider.name`; empty where it is not known.
        day: of the call; today's prices without it.
        prices: a table that goes before that of `genai-prices`.
    """
    if not model:
        return ()
    if prices is not None and model in prices:
        return (_own(prices[model]),)
    return _listed(model, provider or "", day)


def _own(price: Sequence[float]) -> Rate:
    given = [float(value) for value in price]
    cached = [*given[2:], *[given[0]] * 2][:2]
    return Rate(0, given[0], given[1], *cached)


@lru_cache(maxsize=4_096)
def _listed(model: str, provider: str, day: datetime.date | None) -> tuple[Rate, ...]:
    if provider in _NO_LIST_PRICE:
        return ()
    noon = datetime.time(12, tzinfo=datetime.timezone.utc)
    when = datetime.datetime.combine(day, noon) if day is not None else None
    for named in (_PROVIDERS.get(provider, provider) or None, None):
        try:
            return _probed(model, named, when)
        except (LookupError, ValueError, ImportError):
            continue
    return ()


def _probed(model: str, provider: str | None, when: datetime.datetime | None) -> tuple[Rate, ...]:
    """Ask genai-prices for calls of one kind of token each: all its units and tiers, by its public
    function alone.
    """
    from genai_prices import Usage, calc_price

    def price(**usage: int) -> Any:
        told = Usage(**usage)
        return calc_price(told, model, provider_id=provider, genai_request_timestamp=when)

    tiers = {
        tier.start
        for value in vars(price(input_tokens=1, output_tokens=0).model_price).values()
        for tier in getattr(value, "tiers", ())
    }
    return tuple(
        _rate(price, above, max(above, 1)) for above in (0, *sorted(start + 1 for start in tiers))
    )


def _rate(price: Any, above: int, tokens: int) -> Rate:
    def dollars(**usage: int) -> float:
        return float(price(**usage).total_price)

    def one_million(cost: float) -> float:
        return round(cost * _PROBE / tokens, 9)

    plain = dollars(input_tokens=tokens, output_tokens=0)
    return Rate(
        above,
        one_million(plain),
        one_million(dollars(input_tokens=tokens, output_tokens=tokens) - plain),
        one_million(dollars(input_tokens=tokens, output_tokens=0, cache_read_tokens=tokens)),
        one_million(dollars(input_tokens=tokens, output_tokens=0, cache_write_tokens=tokens)),
    )


def rates_in(prices: Prices | None) -> RatesOf:
    """Return what tells the rates of a model by a table alone, or those of `genai-prices` without
    one.
    """
    if prices is None:
        return rates_of
    own = {model: (_own(price),) for model, price in prices.items()}
    return lambda model, provider, day: own.get(model or "", ())


def rates_of_call(record: Record, rates: RatesOf) -> Sequence[Rate]:
    """Return the rates of a model call, at the prices of its day."""
    attributes = record["attributes"] or {}
    started = record["start_time"]
    day = started.date() if isinstance(started, datetime.datetime) and has_value(started) else None
    provider = attributes.get("gen_ai.provider.name")
    return rates(model_of(attributes), provider if isinstance(provider, str) else None, day)


def call_cost(record: Record, prices: Prices | None = None) -> float | None:
    """Return the dollars of a model call, at the prices of its day; None of anything else, and of
    a model without a known price.
    """
    if record["kind"] not in MODEL_KINDS:
        return None
    rates = rates_of_call(
        record, lambda model, provider, day: rates_of(model, provider, day, prices)
    )
    return cost_of(usage_of(record["attributes"] or {}), rates)


def has_usage(record: Record) -> bool:
    """Return True if a span is a model call whose tokens are told."""
    return record["kind"] in MODEL_KINDS and any(usage_of(record["attributes"] or {})[:2])


def cost_of(usage: Sequence[int | None], rates: Sequence[Rate]) -> float | None:
    """Return the dollars of one call; None where its price or its usage is not known.

    Args:
        usage: tokens of input, output, input read from a cache, input written to a cache, as
            `usage_of` gives them. Reasoning tokens are part of the output and cost as much.
        rates: of its model.
    """
    if not rates or (usage[0] is None and usage[1] is None):
        return None
    inputs, outputs, read, written = (count or 0 for count in usage[:4])
    rate = max((rate for rate in rates if inputs >= rate.above), default=rates[0])
    plain = max(inputs - read - written, 0)
    return (
        plain * rate.input
        + outputs * rate.output
        + read * rate.cache_read
        + written * rate.cache_write
    ) / 1e6
