"""`log_architecture`: LangChain's own graph of a runnable, recorded beside the spans and no trace
of its own.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from langchain_sagemaker_experiments import trace_table
from langchain_sagemaker_experiments._reading import to_frame
from support.recording import Recording


class State(TypedDict):
    steps: Annotated[list[str], operator.add]


def plan(state: State) -> dict[str, Any]:
    return {"steps": ["plan"]}


def graph_in(record: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str, bool]]]:
    graph = record["component"]["graph"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    return nodes, [(edge["source"], edge["target"], edge["conditional"]) for edge in graph["edges"]]


def test_a_chain_is_drawn_with_what_its_components_were_built_with(recording: Recording) -> None:
    chain = (
        ChatPromptTemplate.from_template("hi {name}")
        | FakeListChatModel(responses=["x"])
        | StrOutputParser()
    )
    recording.handler.log_architecture(chain, name="greeter")
    record = recording.one(name="greeter")
    nodes, edges = graph_in(record)
    kinds = [node["kind"] for node in nodes.values()]
    assert kinds[1:4] == ["prompt", "chat_model", "parser"]
    prompt = next(node for node in nodes.values() if node["kind"] == "prompt")
    assert prompt["component"]["kwargs"]["input_variables"] == ["name"]
    assert len(edges) == len(nodes) - 1


def test_subgraphs_are_opened_and_conditional_edges_marked(recording: Recording) -> None:
    inner = (
        StateGraph(State).add_node("draft", plan).add_edge(START, "draft").add_edge("draft", END)
    )
    outer = (
        StateGraph(State)
        .add_node("plan", plan)
        .add_node("write", inner.compile())
        .add_edge(START, "plan")
    )
    outer.add_conditional_edges("plan", lambda state: "write", ["write", END]).add_edge(
        "write", END
    )
    recording.handler.log_architecture(outer.compile(name="writer"))
    nodes, edges = graph_in(recording.one(name="writer"))
    assert set(nodes) == {"__start__", "plan", "write:draft", "__end__"}
    assert set(edges) == {
        ("__start__", "plan", False),
        ("plan", "write:draft", True),
        ("plan", "__end__", True),
        ("write:draft", "__end__", False),
    }


def test_an_agents_tools_are_named(recording: Recording) -> None:
    from langchain.agents import create_agent

    @tool
    def search(query: str) -> str:
        """Search the web."""
        return ""

    class Model(FakeListChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    recording.handler.log_architecture(create_agent(Model(responses=["x"]), [search], name="agent"))
    nodes, _ = graph_in(recording.one(name="agent"))
    assert nodes["tools"]["component"] == {"tools": {"search": "Search the web."}}


def test_it_is_no_trace_and_is_recorded_even_where_no_trace_is(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.0)
    with recording.handler.span("work"):
        recording.handler.log_architecture(FakeListChatModel(responses=["x"]), name="model")
    (record,) = recording.records()
    assert record["parent_span_id"] is None
    assert record["attributes"]["langchain.architecture"] is True
    assert len(trace_table(to_frame([record]))) == 0


def test_secrets_of_components_stay_out(recording: Recording) -> None:
    from langchain_openai import ChatOpenAI

    recording.handler.log_architecture(
        ChatOpenAI(model="m", api_key="sk-fake-0123456789abcdefghijABCDEFGHIJ"), name="model"
    )  # type: ignore[arg-type]
    recording.handler.flush_tracker()
    text = b"".join(recording.parts).decode()
    assert "OPENAI_API_KEY" in text
    assert "sk-fake" not in text


def test_what_is_no_runnable_is_refused(recording: Recording) -> None:
    with pytest.raises(TypeError, match="takes a LangChain runnable or a compiled graph, not int"):
        recording.handler.log_architecture(3)
    assert recording.records() == []
