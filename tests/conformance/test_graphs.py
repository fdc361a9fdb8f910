"""LangGraph and `create_agent`: nodes, subgraphs, Send, interrupts and their resumption, tool
errors, middleware.
"""

from __future__ import annotations

import asyncio
import operator
import sys
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from langchain_sagemaker_experiments import record_calls


class Model(GenericFakeChatModel):
    """A scripted chat model that accepts tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(
            tools=[
                {"type": "function", "function": {"name": getattr(t, "name", str(t))}}
                for t in tools
            ]
        )


def call(name: str, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call-{name}"}])


def model(*messages: AIMessage | str) -> Model:
    return Model(messages=iter([AIMessage(m) if isinstance(m, str) else m for m in messages]))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def explode(reason: str) -> str:
    """Fail."""
    raise ValueError(reason)


CHAT = ("chat_model", "Model", "ok", [])


def agent_step(*, tools: list[Any] | None = None) -> Any:
    return ("chain", "model", "ok", [CHAT]) if tools is None else ("chain", "tools", "ok", tools)


def test_create_agent_is_one_tree_of_steps_and_tools(recording: Any) -> None:
    agent = create_agent(model(call("add", a=1, b=2), "three"), [add], name="adder")
    agent.invoke({"messages": [("user", "1+2?")]}, recording.config)
    steps = [agent_step(), agent_step(tools=[("tool", "add", "ok", [])]), agent_step()]
    assert recording.tree() == [("agent", "adder", "ok", steps)]
    used = recording.one(kind="tool")
    assert used["inputs"] == {"a": 1, "b": 2}
    assert (used["outputs"]["type"], used["outputs"]["content"]) == ("tool", "3")
    assert used["attributes"]["gen_ai.tool.name"] == "add"
    assert used["attributes"]["gen_ai.tool.call.id"] == "call-add"
    assert used["attributes"]["gen_ai.tool.description"] == "Add two numbers."
    agent_record = recording.one(kind="agent")
    assert agent_record["attributes"]["gen_ai.agent.name"] == "adder"
    assert [message["type"] for message in agent_record["outputs"]["messages"]] == [
        "human",
        "ai",
        "tool",
        "ai",
    ]
    first, second = (record for record in recording.records() if record["kind"] == "chat_model")
    assert first["outputs"]["generations"][0][0]["message"]["tool_calls"][0]["args"] == {
        "a": 1,
        "b": 2,
    }
    assert [message["type"] for message in second["inputs"]["messages"][0]] == [
        "human",
        "ai",
        "tool",
    ]
    assert first["attributes"]["gen_ai.tool.definitions"] == [
        {"type": "function", "function": {"name": "add"}}
    ]


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="before Python 3.11 LangGraph hands its callbacks to no nested async call",
)
def test_an_unnamed_agent_is_an_agent_too(recording: Any) -> None:
    asyncio.run(
        create_agent(model("hello"), []).ainvoke({"messages": [("user", "hi")]}, recording.config)
    )
    assert recording.tree() == [("agent", "LangGraph", "ok", [agent_step()])]


def test_record_calls_sees_an_async_agent_on_every_python() -> None:
    from support.recording import Recording

    sink = Recording()
    agent = create_agent(model("hello"), [])
    with record_calls(sink):
        asyncio.run(agent.ainvoke({"messages": [("user", "hi")]}))
    kinds = sorted(record["kind"] for record in sink.records())
    assert kinds == ["agent", "chain", "chat_model"]


class Answer(BaseModel):
    """The form of the answer."""

    number: int


def test_structured_output_and_middleware(recording: Any) -> None:
    class Counting(AgentMiddleware):
        def before_model(self, state: Any, runtime: Any) -> None:
            return None

    agent = create_agent(
        model(call("Answer", number=3)), [add], response_format=Answer, middleware=[Counting()]
    )
    result = agent.invoke({"messages": [("user", "1+2?")]}, recording.config)
    assert result["structured_response"] == Answer(number=3)
    ((kind, _, status, children),) = recording.tree()
    assert (kind, status) == ("agent", "ok")
    assert [child[1] for child in children] == ["Counting.before_model", "model"]
    assert recording.one(kind="agent")["outputs"]["structured_response"] == {"number": 3}


def test_tools_in_parallel_are_siblings(recording: Any) -> None:
    both = AIMessage(
        "", tool_calls=[{"name": "add", "args": {"a": n, "b": n}, "id": f"c{n}"} for n in (1, 2)]
    )
    create_agent(model(both, "done"), [add]).invoke({"messages": [("user", "?")]}, recording.config)
    used = [record for record in recording.records() if record["kind"] == "tool"]
    assert sorted(record["outputs"]["content"] for record in used) == ["2", "4"]
    assert len({record["trace_id"] for record in used}) == 1


def test_a_tool_error_that_the_node_handles_is_on_the_tool_only(recording: Any) -> None:
    node = ToolNode([explode], handle_tool_errors=True)
    graph = (
        StateGraph(MessagesState)
        .add_node("tools", node)
        .add_edge(START, "tools")
        .add_edge("tools", END)
        .compile()
    )
    result = graph.invoke(
        {"messages": [HumanMessage("go"), call("explode", reason="boom")]}, recording.config
    )
    assert isinstance(result["messages"][-1], ToolMessage)
    assert recording.tree() == [
        ("chain", "LangGraph", "ok", [("chain", "tools", "ok", [("tool", "explode", "error", [])])])
    ]
    assert recording.one(kind="tool")["error"]["message"] == "boom"


def test_a_tool_error_that_nobody_handles_goes_up(recording: Any) -> None:
    agent = create_agent(model(call("explode", reason="boom")), [explode])
    with pytest.raises(ValueError, match="boom"):
        agent.invoke({"messages": [("user", "?")]}, recording.config)
    statuses = {
        (record["kind"], record["name"]): record["status"] for record in recording.records()
    }
    assert (
        statuses[("tool", "explode")]
        == statuses[("chain", "tools")]
        == statuses[("agent", "LangGraph")]
        == "error"
    )
    assert statuses[("chat_model", "Model")] == "ok"


def test_a_tool_that_answers_with_its_own_error(recording: Any) -> None:
    @tool
    def picky(value: str) -> str:
        """Refuse."""
        raise ToolException("not this one")

    picky.handle_tool_error = True
    assert picky.invoke({"value": "x"}, recording.config) == "not this one"
    assert recording.one(kind="tool")["outputs"] == "not this one"


class State(TypedDict):
    """What the graphs of these tests pass on."""

    items: Annotated[list[str], operator.add]


def graph_of(**nodes: Any) -> Any:
    builder = StateGraph(State)
    previous = START
    for name, function in nodes.items():
        builder.add_node(name, function)
        builder.add_edge(previous, name)
        previous = name
    return builder.add_edge(previous, END)


def test_subgraphs_nest(recording: Any) -> None:
    inner = graph_of(inside=lambda state: {"items": ["inside"]}).compile()
    outer = graph_of(before=lambda state: {"items": ["before"]}, sub=inner).compile()
    outer.invoke({"items": []}, recording.config)
    ((_, name, status, children),) = recording.tree()
    assert (name, status) == ("LangGraph", "ok")
    assert [child[1] for child in children] == ["before", "sub"]
    # The node, the graph that is its work, and that graph's own node.
    ((_, inner_name, _, inner_children),) = children[1][3]
    assert (inner_name, inner_children) == ("LangGraph", [("chain", "inside", "ok", [])])


def test_send_fans_out(recording: Any) -> None:
    builder = StateGraph(State)
    builder.add_node("work", lambda state: {"items": [f"did {state['item']}"]})
    builder.add_conditional_edges(
        START, lambda state: [Send("work", {"item": n}) for n in range(3)]
    )
    builder.add_edge("work", END)
    result = builder.compile().invoke({"items": []}, recording.config)
    assert sorted(result["items"]) == ["did 0", "did 1", "did 2"]
    done = [record for record in recording.records() if record["name"] == "work"]
    assert sorted(record["inputs"]["item"] for record in done) == [0, 1, 2]
    assert len({record["trace_id"] for record in done}) == 1


def test_an_interrupt_and_its_resumption_lie_in_one_session_and_are_no_errors(
    recording: Any,
) -> None:
    def ask(state: State) -> State:
        return {"items": [interrupt({"question": "really?"})]}

    graph = graph_of(first=lambda state: {"items": ["first"]}, ask=ask).compile(
        checkpointer=InMemorySaver()
    )
    config = {**recording.config, "configurable": {"thread_id": "thread-7"}}
    graph.invoke({"items": []}, config)
    records = recording.records()
    assert [(record["name"], record["status"]) for record in records] == [
        ("LangGraph", "ok"),
        ("first", "ok"),
        ("ask", "interrupted"),
    ]
    paused = recording.one(name="ask")
    assert paused["error"] is None
    assert paused["attributes"]["langchain.interrupted_by"] == "GraphInterrupt"
    (event,) = [event for event in paused["events"] if event["name"] == "interrupt"]
    assert "really?" in str(event["attributes"])
    result = graph.invoke(Command(resume="yes"), config)
    assert result["items"] == ["first", "yes"]
    again = recording.records()[3:]
    assert [(record["name"], record["status"]) for record in again] == [
        ("LangGraph", "ok"),
        ("ask", "ok"),
    ]
    assert {record["session_id"] for record in recording.records()} == {"thread-7"}
    assert len({record["trace_id"] for record in recording.records()}) == 2
    assert recording.metrics["errors"] == 0


def test_an_interrupt_inside_a_tool_is_no_error_of_the_tool(recording: Any) -> None:
    @tool
    def approve(amount: int) -> str:
        """Ask a human."""
        return str(interrupt(f"pay {amount}?"))

    agent = create_agent(
        model(call("approve", amount=5), "paid"), [approve], checkpointer=InMemorySaver()
    )
    config = {**recording.config, "configurable": {"thread_id": "t"}}
    agent.invoke({"messages": [("user", "pay")]}, config)
    assert recording.one(kind="tool")["status"] == "interrupted"
    agent.invoke(Command(resume="ok"), config)
    statuses = [record["status"] for record in recording.records() if record["kind"] == "tool"]
    assert statuses == ["interrupted", "ok"]
    assert "error" not in {record["status"] for record in recording.records()}


def test_handing_over_to_the_parent_graph_is_no_error(recording: Any) -> None:
    def hand_over(state: State) -> Command[Any]:
        return Command(goto="after", update={"items": ["handed"]}, graph=Command.PARENT)

    inner = (
        StateGraph(State).add_node("hand_over", hand_over).add_edge(START, "hand_over").compile()
    )
    outer = (
        StateGraph(State)
        .add_node("sub", inner)
        .add_node("after", lambda state: {"items": ["after"]})
    )
    graph = outer.add_edge(START, "sub").add_edge("after", END).compile()
    assert graph.invoke({"items": []}, recording.config)["items"][-1] == "after"
    statuses = {record["status"] for record in recording.records()}
    assert "error" not in statuses


def test_streams_of_a_graph(recording: Any) -> None:
    graph = graph_of(
        one=lambda state: {"items": ["1"]}, two=lambda state: {"items": ["2"]}
    ).compile()
    list(graph.stream({"items": ["0"]}, recording.config, stream_mode="updates"))

    async def run() -> None:
        async for _ in graph.astream({"items": ["0"]}, recording.config):
            pass

    asyncio.run(run())
    expected = (
        "chain",
        "LangGraph",
        "ok",
        [("chain", "one", "ok", []), ("chain", "two", "ok", [])],
    )
    assert recording.tree() == [expected, expected]
    for record in recording.records():
        if record["parent_span_id"] is None:
            assert record["inputs"] == {"items": ["0"]}


def test_a_closed_graph_stream_is_cancelled_or_ok_but_never_an_error(recording: Any) -> None:
    graph = graph_of(
        one=lambda state: {"items": ["1"]}, two=lambda state: {"items": ["2"]}
    ).compile()
    stream = graph.stream({"items": []}, recording.config)
    next(stream)
    stream.close()
    assert recording.handler.open_spans == 0
    assert "error" not in {record["status"] for record in recording.records()}


def test_state_is_taken_at_the_moment_of_the_event(recording: Any) -> None:
    def mutate(state: Any) -> Any:
        state["items"].append("sneaked in")
        return {"items": ["out"]}

    graph = graph_of(mutate=mutate).compile()
    graph.invoke({"items": ["in"]}, recording.config)
    assert recording.one(name="mutate")["inputs"] == {"items": ["in"]}
