"""A run of MLflow on a real server: parts, parameters, metrics, and MLflow's own view of the
traces.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import Generation, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool

from langchain_sagemaker_experiments import (
    MlflowRun,
    SageMakerCallbackHandler,
    Span,
    SpanReadError,
    load_spans,
)
from langchain_sagemaker_experiments._destinations import mlflow_run
from support.mlflow_server import is_installed, mlflow_server
from support.mlflow_traces import assert_same, traces_of

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the server of mlflow")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture(autouse=True)
def tracking(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


class ToolModel(GenericFakeChatModel):
    """Takes tools, and answers what it was given to answer."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


def model(*answers: AIMessage) -> ToolModel:
    return ToolModel(messages=iter(answers))


def usage(given: int, answered: int) -> Any:
    return {"input_tokens": given, "output_tokens": answered, "total_tokens": given + answered}


def record_everything(run: MlflowRun) -> None:
    from langchain.agents import create_agent
    from langgraph.graph import END, START, MessagesState, StateGraph

    with SageMakerCallbackHandler(run, forward_timeout=120) as handler:
        config: Any = {"callbacks": [handler], "metadata": {"thread_id": "s-1", "user_id": "u-1"}}
        prompt = ChatPromptTemplate.from_messages(
            [("system", "be short"), ("human", "tell me about {topic}")]
        )
        answer = AIMessage("fish are fine", usage_metadata=usage(10, 3))
        (prompt | model(answer) | StrOutputParser()).invoke({"topic": "fish"}, config=config)

        call = {"name": "weather", "args": {"city": "Rome"}, "id": "call-1"}
        agent = create_agent(
            model(
                AIMessage("", tool_calls=[call], usage_metadata=usage(20, 5)),
                AIMessage("It is sunny."),
            ),
            [weather],
        )
        agent.invoke(
            {"messages": [HumanMessage("weather in Rome?")]}, config={"callbacks": [handler]}
        )

        graph = StateGraph(MessagesState)
        graph.add_node("echo", lambda state: {"messages": [AIMessage("echo")]})
        graph.add_edge(START, "echo")
        graph.add_edge("echo", END)
        graph.compile().invoke(
            {"messages": [HumanMessage("hello")]}, config={"callbacks": [handler]}
        )

        with pytest.raises(ValueError, match="no such fish"):
            with handler.span("broken", kind="tool", inputs={"query": "unicorn"}):
                raise ValueError("no such fish")


def test_mlflow_shows_what_load_spans_says(server: str) -> None:
    with MlflowRun(server, experiment_name="everything") as run:
        record_everything(run)
    spans = load_spans(f"runs:/{run.run_id}")
    traces = traces_of(run)
    assert len(traces) == 4
    assert_same(traces, spans)


def test_ten_spans_as_they_must_be_in_mlflow(server: str) -> None:
    """Written by hand, not taken from the mapping."""
    with MlflowRun(server, experiment_name="by-hand") as run:
        record_everything(run)
    chain, agent, graph, broken = traces_of(run)

    root, prompt, chat, parser = sorted(chain.data.spans, key=lambda span: span.start_time_ns)
    assert (root.name, root.span_type, root.inputs, root.outputs) == (
        "RunnableSequence",
        "CHAIN",
        {"topic": "fish"},
        "fish are fine",
    )
    assert (prompt.name, prompt.span_type, prompt.inputs) == (
        "ChatPromptTemplate",
        "CHAIN",
        {"topic": "fish"},
    )
    assert (chat.name, chat.span_type) == ("ToolModel", "CHAT_MODEL")
    assert [message["content"] for message in chat.inputs["messages"][0]] == [
        "be short",
        "tell me about fish",
    ]
    assert chat.outputs["generations"][0][0]["message"]["content"] == "fish are fine"
    assert chat.attributes["mlflow.chat.tokenUsage"] == {
        "input_tokens": 10,
        "output_tokens": 3,
        "total_tokens": 13,
    }
    assert chat.attributes["mlflow.message.format"] == "langchain"
    assert (parser.name, parser.span_type, parser.outputs) == (
        "StrOutputParser",
        "PARSER",
        "fish are fine",
    )
    assert chain.info.trace_metadata["mlflow.trace.session"] == "s-1"
    assert chain.info.trace_metadata["mlflow.trace.user"] == "u-1"
    assert chain.info.token_usage == {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}

    (called,) = [span for span in agent.data.spans if span.span_type == "TOOL"]
    assert called.name == "weather"
    assert called.inputs == {"city": "Rome"}
    assert called.outputs["content"] == "sunny in Rome"
    first, second = [span for span in agent.data.spans if span.span_type == "CHAT_MODEL"]
    (asked,) = first.outputs["generations"][0][0]["message"]["tool_calls"]
    assert (asked["name"], asked["args"]) == ("weather", {"city": "Rome"})
    assert second.inputs["messages"][0][-1]["content"] == "sunny in Rome"
    (top,) = [span for span in agent.data.spans if span.parent_id is None]
    assert top.outputs["messages"][-1]["content"] == "It is sunny."

    (echo,) = [span for span in graph.data.spans if span.name == "echo"]
    assert [message["content"] for message in echo.outputs["messages"]] == ["echo"]

    (failed,) = broken.data.spans
    assert (failed.name, failed.span_type, failed.inputs) == (
        "broken",
        "TOOL",
        {"query": "unicorn"},
    )
    assert (failed.status.status_code.value, failed.status.description) == ("ERROR", "no such fish")
    (exception,) = [event for event in failed.events if event.name == "exception"]
    assert exception.attributes["exception.type"] == "ValueError"
    assert broken.info.state.value == "ERROR"


def test_traces_are_linked_to_their_run(server: str) -> None:
    runs = [
        MlflowRun(server, experiment_name="linked", run_name=f"run-{number}") for number in range(2)
    ]
    for number, run in enumerate(runs):
        with run, SageMakerCallbackHandler(run, forward_timeout=60) as handler:
            handler.log_trace(Span(f"trace-{number}"))
    for number, run in enumerate(runs):
        (trace,) = run.client.search_traces(locations=[run.experiment_id], run_id=run.run_id)
        assert [span.name for span in trace.data.spans] == [f"trace-{number}"]


def call_model(handler: SageMakerCallbackHandler, temperature: float) -> None:
    handler.on_llm_start(
        {}, ["prompt"], invocation_params={"model": "small", "temperature": temperature}
    )
    handler.on_llm_end(LLMResult(generations=[[Generation(text="answer")]]))


def test_parameters_metrics_and_status(server: str) -> None:
    run = MlflowRun(server, experiment_name="numbers", run_name="one")
    with pytest.raises(RuntimeError), run:
        handler = SageMakerCallbackHandler()
        call_model(handler, 0.5)
        handler.flush_tracker()
        raise RuntimeError
    data = run.client.get_run(run.run_id).data
    assert data.params["temperature"] == "0.5"
    assert (data.metrics["traces"], data.metrics["model_calls"]) == (1, 1)
    assert run.client.get_run(run.run_id).info.status == "FAILED"
    again = MlflowRun(server, run_id=run.run_id)
    assert (again.run_name, again.experiment_name) == ("one", "numbers")
    handler = SageMakerCallbackHandler(again)
    call_model(handler, 0.9)
    handler.flush_tracker()
    params = run.client.get_run(run.run_id).data.params
    assert (params["temperature"], params["model_2.temperature"]) == ("0.5", "0.9")


def test_what_mlflow_starts_is_a_run_too(server: str) -> None:
    mlflow.set_experiment("its-own")
    with mlflow.start_run(run_name="active") as run:
        with SageMakerCallbackHandler(run, forward_timeout=60) as handler:
            handler.log_trace(Span("root", children=[Span("step", kind="tool")]))
        assert sorted(load_spans(run)["name"]) == ["root", "step"]
    frame = load_spans(f"runs:/{run.info.run_id}/langchain-traces")
    assert set(frame["experiment_name"]) == {"its-own"}
    assert set(frame["run_name"]) == {"active"}
    (trace,) = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
    assert {span.name for span in trace.data.spans} == {"root", "step"}


def test_a_second_tracer_is_told_once(
    server: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_run, "_told", [])
    mlflow.langchain.autolog()
    try:
        for _ in range(3):
            SageMakerCallbackHandler(MlflowRun(server))
        assert caplog.text.count("every trace twice") == 1
    finally:
        mlflow.langchain.autolog(disable=True)
    caplog.clear()
    SageMakerCallbackHandler(MlflowRun(server))
    assert "every trace twice" not in caplog.text


def test_a_run_that_does_not_exist_is_said_to(server: str) -> None:
    with pytest.raises(SpanReadError, match="can't be read from http"):
        load_spans("runs:/00000000000000000000000000000000")


def test_the_command_reads_a_run_of_mlflow(server: str) -> None:
    from typer.testing import CliRunner

    from langchain_sagemaker_experiments._cli.app import app

    run = MlflowRun(server, experiment_name="command")
    handler = SageMakerCallbackHandler(run)
    handler.log_trace(Span("shown"))
    handler.flush_tracker()
    done = CliRunner().invoke(app, ["list", f"runs:/{run.run_id}"])
    assert done.exit_code == 0, done.output
    assert "shown" in done.output


def test_arns_of_sagemaker_go_through_its_plugin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("sagemaker_mlflow")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mlflow_server(tmp_path, serve_artifacts=False) as address:
        monkeypatch.setenv("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT", address)
        for kind in ("mlflow-tracking-server/mine", "mlflow-app/app-ABCDEFGHIJKL"):
            arn = f"arn:aws:sagemaker:us-east-1:123456789012:{kind}"
            with MlflowRun(arn, experiment_name="managed") as run:
                with SageMakerCallbackHandler(run, forward_timeout=60) as handler:
                    handler.log_trace(Span(kind))
            assert not handler.flush_tracker().faults
            assert list(load_spans(run)["name"]) == [kind]
            (trace,) = run.client.search_traces(locations=[run.experiment_id], run_id=run.run_id)
            assert trace.data.spans[0].name == kind


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
