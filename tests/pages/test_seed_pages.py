"""The three scenarios of LangChain's "SageMaker Tracking" page, run for real: OpenAI's client over
HTTP, the SDK over moto.
"""

from __future__ import annotations

import json
import re
import runpy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from langchain_sagemaker_experiments import load_spans, trace_table
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments.demo import _script, stand_ins

EXAMPLES = Path(__file__).parents[2] / "examples"
CLASSIC = (
    "scenario_1_llm_classic",
    "scenario_2_sequential_chain_classic",
    "scenario_3_agent_classic",
)
EXPERIMENT = "langchain-sagemaker-tracker"


@pytest.fixture(scope="module")
def frame(sdk: Sdk) -> Iterator[Any]:
    """What ExperimentAnalytics shows after the page's code ran, scenario by scenario."""
    with stand_ins(force=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in CLASSIC:
            runpy.run_path(str(EXAMPLES / f"{name}.py"))
        yield sdk.ExperimentAnalytics(experiment_name=EXPERIMENT).dataframe(force_refresh=True)


def lines_of(frame: Any, scenario: int) -> list[dict[str, Any]]:
    """The JSON behind the path that ExperimentAnalytics shows for a scenario."""
    row = frame[frame["TrialComponentName"] == f"{EXPERIMENT}-run-scenario-{scenario}"].iloc[0]
    paths = [value for value in row if isinstance(value, str) and value.startswith("s3://")]
    assert len(paths) == 1
    bucket, key = paths[0].removeprefix("s3://").split("/", 1)
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_experiment_analytics_has_one_row_for_each_scenario_with_settings_and_a_path(
    frame: Any,
) -> None:
    assert frame.shape[0] == 3
    assert set(frame["temperature"]) == {0.1}
    assert set(frame["model_name"]) == {"gpt-3.5-turbo-instruct"}
    assert frame["langchain-traces - Value"].str.fullmatch(r"s3://.+\.jsonl").all()
    assert frame["langchain-traces - Value"].nunique() == 3


def test_scenario_1_holds_the_prompt_and_the_generation_exactly(frame: Any) -> None:
    lines = lines_of(frame, 1)
    assert [line["kind"] for line in sorted(lines, key=lambda line: line["start_time"])] == [
        "chain",
        "llm",
    ]
    (llm,) = [line for line in lines if line["kind"] == "llm"]
    (chain,) = [line for line in lines if line["kind"] == "chain"]
    assert llm["inputs"]["prompts"] == ["tell me a joke about fish"]
    assert llm["outputs"]["generations"][0][0]["text"] == _script.JOKE
    assert chain["inputs"] == {"topic": "fish"}
    assert chain["outputs"] == {"text": _script.JOKE}
    assert (llm["parent_span_id"], chain["parent_span_id"]) == (chain["span_id"], None)
    assert llm["trace_id"] == chain["trace_id"] == chain["span_id"]
    attributes = llm["attributes"]
    assert attributes["gen_ai.request.temperature"] == 0.1
    assert attributes["gen_ai.request.model"] == "gpt-3.5-turbo-instruct"
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert attributes["gen_ai.usage.input_tokens"] == 6
    assert attributes["gen_ai.usage.output_tokens"] == 11
    for line in lines:
        assert line["schema_version"] == 1
        assert line["status"] == "ok"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["start_time"])
        assert line["start_time"] <= line["end_time"]
        assert line["duration_ms"] > 0


def test_scenario_2_is_one_tree_of_a_sequential_chain_two_chains_and_two_calls(frame: Any) -> None:
    from support.recording import trees

    lines = sorted(lines_of(frame, 2), key=lambda line: line["start_time"])
    call = ("llm", "OpenAI", "ok", [])
    chain = ("chain", "LLMChain", "ok", [call])
    assert trees(lines) == [("chain", "SimpleSequentialChain", "ok", [chain, chain])]
    first, second = (line for line in lines if line["kind"] == "llm")
    assert first["inputs"]["prompts"][0].startswith("You are a playwright. Given the title of play")
    assert (
        "documentary about good video games that push the boundary" in first["inputs"]["prompts"][0]
    )
    assert first["outputs"]["generations"][0][0]["text"] == _script.SYNOPSIS
    # The second prompt holds the first answer, exactly as the model received it.
    assert f"Play Synopsis: {_script.SYNOPSIS}\nReview from" in second["inputs"]["prompts"][0]
    assert second["outputs"]["generations"][0][0]["text"] == _script.REVIEW


def test_scenario_3_is_one_tree_with_agent_steps_and_both_tools(frame: Any) -> None:
    from support.recording import trees

    lines = sorted(lines_of(frame, 3), key=lambda line: line["start_time"])
    call = ("llm", "OpenAI", "ok", [])
    tree = [call, ("tool", "Search", "ok", []), call, ("tool", "Calculator", "ok", [call]), call]
    assert trees(lines) == [("agent", "AgentExecutor", "ok", tree)]
    search, calculator = (line for line in lines if line["kind"] == "tool")
    assert (search["inputs"], search["outputs"]) == ("oldest person alive age", _script.OLDEST)
    assert (calculator["inputs"], calculator["outputs"]) == ("116 ** 1.51", f"Answer: {116**1.51}")
    (executor,) = (line for line in lines if line["kind"] == "agent")
    steps = [event for event in executor["events"] if event["name"] == "agent_action"]
    assert [(step["attributes"]["tool"], step["attributes"]["tool_input"]) for step in steps] == [
        ("Search", "oldest person alive age"),
        ("Calculator", "116 ** 1.51"),
    ]
    assert "I need to find out who the oldest person alive is." in steps[0]["attributes"]["log"]
    (finish,) = [event for event in executor["events"] if event["name"] == "agent_finish"]
    assert finish["attributes"]["return_values"] == executor["outputs"]
    assert str(116**1.51) in executor["outputs"]["output"]


def test_the_whole_experiment_loads_as_one_table(frame: Any) -> None:
    spans = load_spans(experiment_name=EXPERIMENT)
    assert spans.shape[0] == 2 + 5 + 7
    traces = trace_table(spans)
    assert traces["name"].tolist() == ["LLMChain", "SimpleSequentialChain", "AgentExecutor"]
    assert traces["model_calls"].tolist() == [1, 2, 4]
    assert traces["errors"].tolist() == [0, 0, 0]
    assert set(traces["model"]) == {"gpt-3.5-turbo-instruct"}
