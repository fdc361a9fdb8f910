"""Prices of models: genai-prices under a table of the user's, tiers, caches, unknown models."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_spans import make_traces, write_run

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    compare_runs,
    cost,
    load_spans,
    log_score,
    scan_spans,
    summarize,
    trace_table,
)
from langchain_sagemaker_experiments._analysis.prices import Rate, cost_of, rates_of
from langchain_sagemaker_experiments._reading import to_frame
from langchain_sagemaker_experiments._record.causes import root_causes

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


def test_tables_of_traces_and_runs_have_costs_scores_and_root_causes(tmp_path: Path) -> None:
    write_run(tmp_path, 30, 5)
    table = trace_table(load_spans(tmp_path))
    log_score(tmp_path / "made" / "run", table["trace_id"][0], key="helpful", score=True)
    log_score(tmp_path / "made" / "run", table["trace_id"][1], key="helpful", score=False)
    spans = load_spans(tmp_path)
    (run,) = compare_runs(spans).to_dict("records")
    assert run["cost"] == pytest.approx(table["cost"].sum())
    assert run["score.helpful"] == 0.5
    calls = cost(spans).set_index("model")["cost"]
    assert calls["gpt-4o-mini"] == pytest.approx(run["cost"])
    assert calls.isna()["claude-sonnet"]  # no such model is known: not zero
    assert table.loc[table["model"] == "claude-sonnet", "cost"].isna().all()


def test_an_error_that_spans_pass_on_is_one_error() -> None:
    trace = next(make_traces(1, 5))
    for place, span in enumerate(trace):
        span["parent_span_id"] = trace[place - 1]["span_id"] if place else None
        span["status"] = "error"
        span["error"] = {"type": "ToolError", "message": "no bread", "stacktrace": None}
    trace[1]["error"] = {"type": "AgentError", "message": "gave up", "stacktrace": None}
    trace[0]["error"] = trace[1]["error"]
    (row,) = trace_table(to_frame(trace)).to_dict("records")
    assert (row["errors"], row["error"]) == (2, "AgentError: gave up")
    assert [span["span_id"] for span in root_causes(trace)] == [
        trace[1]["span_id"],
        trace[4]["span_id"],
    ]


def cached_calls(folder: Path) -> None:
    """Record two calls with tokens of caches, and one of a model without a price."""
    counts = {"input_tokens": 1_000_000, "cache_read.input_tokens": 600_000}
    counts.update({"cache_creation.input_tokens": 100_000, "output_tokens": 50_000})
    counts["reasoning.output_tokens"] = 40_000
    usage = {f"gen_ai.usage.{name}": count for name, count in counts.items()}
    with OfflineRun(folder, experiment_name="costs", run_name="r") as run:
        with SageMakerCallbackHandler(run) as handler:
            for model in ("claude-sonnet-4-5", "claude-sonnet-4-5", "nobody-knows"):
                attributes = {**usage, "gen_ai.request.model": model}
                handler.log_trace(Span("chat", "chat_model", attributes=attributes))


@pytest.mark.parametrize("source", ["frame", "folder", "scan", "scan of few columns"])
def test_tokens_of_a_cache_have_their_price_in_every_table(tmp_path: Path, source: str) -> None:
    cached_calls(tmp_path)
    few = ["kind", "status", "duration_ms", "model", "input_tokens", "output_tokens", "attributes"]
    few += ["time_to_first_token_ms", "start_time", "trace_id"]
    spans: Any = {
        "frame": lambda: load_spans(tmp_path),
        "folder": lambda: tmp_path,
        "scan": lambda: scan_spans(tmp_path),
        "scan of few columns": lambda: scan_spans(tmp_path, columns=few),
    }[source]()
    own = {"claude-sonnet-4-5": (3.0, 15.0, 0.3, 3.75)}
    one = (300_000 * 3 + 600_000 * 0.3 + 100_000 * 3.75 + 50_000 * 15) / 1e6
    costs = cost(spans, own).set_index("model")["cost"]
    assert costs["claude-sonnet-4-5"] == pytest.approx(2 * one)
    assert pd.isna(costs["nobody-knows"])
    listed = summarize(spans, "model").set_index("model")["cost"]
    of_traces = trace_table(load_spans(tmp_path)).groupby("model")["cost"].sum(min_count=1)
    assert listed["claude-sonnet-4-5"] == pytest.approx(of_traces["claude-sonnet-4-5"])
    assert pd.isna(listed["nobody-knows"])
    assert summarize(spans, "kind")["cost"].tolist() == [pytest.approx(listed.sum())]
