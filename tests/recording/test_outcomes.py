"""What an exception or a result means: causes count once, control flow is no error, errors given
back as data are.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from langchain_sagemaker_experiments._recording.outcome import describe_error, status_of


def broken_in_depth() -> Any:
    @tool
    def lookup(query: str) -> str:
        """Look up."""
        raise ConnectionError("no route")

    def node(state: MessagesState) -> Any:
        return {"messages": [AIMessage(lookup.invoke({"query": "fish"}))]}

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node").add_edge("node", END)
    return graph.compile() | RunnableLambda(lambda state: state)


def test_one_failing_tool_is_one_error_however_deep_it_lies(recording: Any) -> None:
    with pytest.raises(ConnectionError):
        broken_in_depth().invoke({"messages": [HumanMessage("x")]}, recording.config)
    records = recording.records()
    failed = [record for record in records if record["status"] == "error"]
    assert len(failed) >= 4
    (cause,) = [r for r in failed if "langchain.error_origin" not in r["attributes"]]
    assert cause["kind"] == "tool"
    origins = {r["attributes"].get("langchain.error_origin") for r in failed if r is not cause}
    assert origins == {cause["span_id"]}
    assert recording.metrics["errors"] == 1


def test_an_exception_raised_from_another_was_caused_by_it(recording: Any) -> None:
    def inner(value: Any) -> Any:
        raise KeyError("missing")

    step = RunnableLambda(inner)

    def outer(value: Any) -> Any:
        try:
            return step.invoke(value)
        except KeyError as error:
            raise RuntimeError("the step failed") from error

    with pytest.raises(RuntimeError):
        RunnableLambda(outer).invoke(1, recording.config)
    top, below = recording.records()
    assert top["error"]["type"] == "RuntimeError"
    assert top["attributes"]["langchain.error_origin"] == below["span_id"]
    assert recording.metrics["errors"] == 1


def test_two_failures_of_their_own_are_two(recording: Any) -> None:
    def fail(value: Any) -> Any:
        raise ValueError(f"{value}")

    step = RunnableLambda(fail)

    def both(value: Any) -> Any:
        for number in range(2):
            with pytest.raises(ValueError, match=str(number)):
                step.invoke(number)
        raise OSError("a third of its own")

    with pytest.raises(OSError, match="third"):
        RunnableLambda(both).invoke(1, recording.config)
    recording.records()
    # The third was raised while no other was being handled.
    assert recording.metrics["errors"] == 3


def test_a_tool_that_returns_its_error_failed(recording: Any) -> None:
    @tool
    def lookup(query: str) -> str:
        """Look up."""
        raise ConnectionError("no route")

    node = ToolNode([lookup], handle_tool_errors=True)
    graph = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools").add_edge("tools", END)
    call = {"name": "lookup", "args": {"query": "x"}, "id": "1", "type": "tool_call"}
    graph.compile().invoke({"messages": [AIMessage("", tool_calls=[call])]}, recording.config)
    assert recording.one(kind="tool")["status"] == "error"
    recording.handler.on_tool_start({"name": "t"}, "x")
    recording.handler.on_tool_end(ToolMessage("it broke", tool_call_id="1", status="error"))
    record = recording.one(name="t")
    assert record["status"] == "error"
    assert record["error"] == {"type": "ToolError", "message": "it broke", "stacktrace": ""}
    assert record["outputs"]["content"] == "it broke"


def test_a_handoff_to_the_parent_graph_is_no_interruption(recording: Any) -> None:
    inner = StateGraph(MessagesState)
    inner.add_node("hand over", lambda state: Command(graph=Command.PARENT, goto="other"))
    inner.add_edge(START, "hand over")
    outer = StateGraph(MessagesState)
    outer.add_node("first", inner.compile())
    outer.add_node("other", lambda state: {"messages": [AIMessage("done")]})
    outer.add_edge(START, "first")
    outer.compile().invoke({"messages": [HumanMessage("x")]}, recording.config)
    records = recording.records()
    assert {record["status"] for record in records} == {"ok"}
    handoffs = [r for r in records if "langchain.handoff" in r["attributes"]]
    assert handoffs
    assert recording.metrics["errors"] == 0


def test_the_message_of_a_group_names_its_causes() -> None:
    import builtins

    group_of = getattr(builtins, "ExceptionGroup", None)
    if group_of is None:
        pytest.skip("exception groups came with Python 3.11")
    group = group_of("two tasks", [ValueError("first"), KeyError("second")])
    message = describe_error(group)["message"]
    assert "ValueError: first" in message
    assert "second" in message
    assert status_of(group) == "error"


def test_content_can_be_left_out_of_errors() -> None:
    try:
        raise ValueError("the customer's words")
    except ValueError as error:
        described = describe_error(error, content=False)
    assert described["type"] == "ValueError"
    assert "customer" not in str(described)
    assert "test_content_can_be_left_out_of_errors" in described["stacktrace"]
