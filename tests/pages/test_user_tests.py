"""Unit tests as users write them: plain moto, any object with `log_file`, a Mock, callbacks called
by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from moto import mock_aws

from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk

RESULT = LLMResult(generations=[[Generation(text="a joke")]])


@pytest.fixture
def plain_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def test_plain_moto_with_a_new_run(sdk: Sdk, plain_moto: None) -> None:
    session = sdk.Session()
    with sdk.Run(experiment_name="exp", run_name="run", sagemaker_session=session) as run:
        handler = SageMakerCallbackHandler(run)
        handler.on_llm_start({"name": "OpenAI", "kwargs": {"temperature": 0.1}}, ["tell me a joke"])
        handler.on_llm_end(RESULT)
        result = handler.flush_tracker()
    assert result.spans == 1
    assert result.uris[0].startswith(
        f"s3://{session.default_bucket()}/trial-component-artifacts/exp-run/"
    )
    component = boto3.client("sagemaker").describe_trial_component(TrialComponentName="exp-run")
    assert component["OutputArtifacts"]["langchain-traces"]["Value"] == result.uris[0]
    assert component["Parameters"]["temperature"] == {"NumberValue": 0.1}
    assert {metric["MetricName"] for metric in component["Metrics"]} >= {"model_calls", "errors"}
    assert load_spans(run, sagemaker_session=session)["inputs"].tolist() == [
        {"prompts": ["tell me a joke"]}
    ]


class S3Run:
    """A user's own object: nothing but `log_file`, which puts files into a bucket."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.client = boto3.client("s3")
        self.client.create_bucket(Bucket=bucket)

    def log_file(self, file_path: str) -> None:
        self.client.upload_file(file_path, self.bucket, f"logs/{Path(file_path).name}")


def test_s3_alone_with_any_object_that_offers_log_file(plain_moto: None) -> None:
    run = S3Run("my-bucket")
    handler = SageMakerCallbackHandler(run)
    for number in range(3):
        handler.on_llm_start({}, [f"prompt {number}"])
        handler.on_llm_end(RESULT)
        assert handler.flush_tracker().spans == 1
    listed = run.client.list_objects_v2(Bucket="my-bucket")["Contents"]
    assert len(listed) == 3
    spans = load_spans("s3://my-bucket/logs")
    assert [inputs["prompts"][0] for inputs in spans["inputs"]] == [
        "prompt 0",
        "prompt 1",
        "prompt 2",
    ]


def test_a_mock_as_the_run_gets_records_through_log_file() -> None:
    run = Mock()
    seen: list[dict[str, Any]] = []
    run.log_file.side_effect = lambda path, **_: seen.extend(
        json.loads(line) for line in Path(path).read_text().splitlines()
    )
    handler = SageMakerCallbackHandler(run)
    handler.on_llm_start({"kwargs": {"model_name": "m", "temperature": 0.5}}, ["hello"])
    handler.on_llm_end(RESULT)
    handler.flush_tracker()
    run.log_file.assert_called_once()
    assert seen[0]["inputs"] == {"prompts": ["hello"]}
    assert seen[0]["outputs"] == {"generations": [[{"text": "a joke"}]]}
    run.log_parameters.assert_called_once_with({"model_name": "m", "temperature": 0.5})
    assert {call.kwargs["name"] for call in run.log_metric.call_args_list} >= {
        "model_calls",
        "errors",
        "latency_ms",
    }


def test_callbacks_called_by_hand_without_ids_make_a_tree(recording: Any) -> None:
    handler = recording.handler
    handler.on_chain_start({"id": ["langchain", "AgentExecutor"]}, {"input": "question"})
    handler.on_chat_model_start({"name": "Chat"}, [[HumanMessage("question")]])
    handler.on_llm_new_token("an")
    handler.on_llm_new_token("swer")
    handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=AIMessage("answer"))]]))
    handler.on_agent_action(AgentAction(tool="search", tool_input="q", log="I search"))
    handler.on_tool_start({"name": "search"}, "q")
    handler.on_tool_end("found")
    handler.on_retriever_start({"name": "docs"}, "query")
    handler.on_retriever_end([Document("text", metadata={"score": 0.9})])
    handler.on_text("some text")
    handler.on_agent_finish(AgentFinish({"output": "answer"}, "done"))
    handler.on_chain_end({"output": "answer"})
    children = [
        ("chat_model", "Chat", "ok", []),
        ("tool", "search", "ok", []),
        ("retriever", "docs", "ok", []),
    ]
    assert recording.tree() == [("agent", "AgentExecutor", "ok", children)]
    agent = recording.one(kind="agent")
    assert [event["name"] for event in agent["events"]] == ["agent_action", "text", "agent_finish"]
    assert recording.one(kind="chat_model")["attributes"]["langchain.stream.chunks"] == 2
    assert recording.one(kind="retriever")["outputs"]["documents"][0]["metadata"] == {"score": 0.9}


def test_callbacks_called_by_hand_with_text_ids_nest_by_them(recording: Any) -> None:
    handler = recording.handler
    handler.on_chain_start({"name": "outer"}, {"a": 1}, run_id="outer-id")
    handler.on_tool_start({"name": "inner"}, "x", run_id="inner-id", parent_run_id="outer-id")
    handler.on_tool_end("y", run_id="inner-id")
    handler.on_llm_start({"name": "model"}, ["p"], run_id="model-id", parent_run_id="outer-id")
    handler.on_llm_new_token("piece", run_id="model-id")
    handler.on_llm_end(RESULT, run_id="model-id")
    handler.on_chain_end({"b": 2}, run_id="outer-id")
    assert recording.tree() == [
        ("chain", "outer", "ok", [("tool", "inner", "ok", []), ("llm", "model", "ok", [])])
    ]
    assert recording.one(kind="llm")["attributes"]["langchain.stream.chunks"] == 1


def test_errors_by_hand_are_recorded(recording: Any) -> None:
    handler = recording.handler
    for start, failed in (
        (lambda: handler.on_llm_start({}, ["p"]), handler.on_llm_error),
        (lambda: handler.on_chain_start({}, {"a": 1}), handler.on_chain_error),
        (lambda: handler.on_tool_start({}, "x"), handler.on_tool_error),
        (lambda: handler.on_retriever_start({}, "q"), handler.on_retriever_error),
    ):
        start()
        failed(ValueError("went wrong"))
    records = recording.records()
    assert [(r["kind"], r["status"]) for r in records] == [
        (kind, "error") for kind in ("llm", "chain", "tool", "retriever")
    ]
    assert all(
        r["error"]["type"] == "ValueError" and r["error"]["message"] == "went wrong"
        for r in records
    )


def test_an_end_without_a_start_keeps_its_outputs(recording: Any) -> None:
    recording.handler.on_llm_end(RESULT)
    recording.handler.on_tool_end("lost and found")
    records = recording.records()
    assert [r["kind"] for r in records] == ["llm", "tool"]
    assert records[0]["outputs"]["generations"][0][0]["text"] == "a joke"
    assert records[1]["outputs"] == "lost and found"
    assert all(r["attributes"]["langchain.start_seen"] is False for r in records)


def test_the_handler_flushes_any_number_of_times(recording: Any) -> None:
    handler = recording.handler
    assert handler.flush_tracker().spans == 0
    for number in range(5):
        handler.on_llm_start({}, [f"p{number}"])
        handler.on_llm_end(RESULT)
        result = handler.flush_tracker()
        assert (result.spans, result.bytes) == (1, len(recording.parts[-1]))
        assert result.metrics["model_calls"] == 1
    assert handler.flush_tracker().spans == 0
    assert len(recording.parts) == 5
    assert len(recording.records()) == 5


def test_an_open_span_is_written_as_running_and_replaced_by_its_end(recording: Any) -> None:
    handler = recording.handler
    handler.on_chain_start({"name": "long"}, {"a": 1})
    assert handler.flush_tracker().spans == 1
    assert handler.flush_tracker().spans == 0
    assert recording.raw_lines()[0]["status"] == "running"
    handler.on_chain_end({"b": 2})
    (record,) = recording.records()
    assert (record["status"], record["inputs"], record["outputs"]) == ("ok", {"a": 1}, {"b": 2})


def test_without_a_run_the_surrounding_one_is_taken(open_run: Any) -> None:
    handler = SageMakerCallbackHandler()
    uris = []
    for name in ("first", "second"):
        with open_run(name):
            handler.on_llm_start({}, [name])
            handler.on_llm_end(RESULT)
            uris += handler.flush_tracker().uris
    assert "experiment-first" in uris[0]
    assert "experiment-second" in uris[1]


def test_one_handler_serves_several_runs_one_after_the_other(open_run: Any) -> None:
    handler = SageMakerCallbackHandler()
    for name in ("one", "two"):
        with open_run(name) as run:
            handler.run = run
            handler.on_llm_start({}, [name])
            handler.on_llm_end(RESULT)
            handler.flush_tracker()
            assert [i["prompts"] for i in load_spans(run)["inputs"]] == [[name]]
