"""Lists of messages that grow are stored once, and read back as they were at each moment, whatever
happens to them in between.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments._encoding.encoder import Encoder
from langchain_sagemaker_experiments._encoding.growing_lists import MANY
from langchain_sagemaker_experiments._langchain_values import value_kinds
from support.recording import Recording

PLAIN = Encoder(value_kinds().choose)


def history(count: int, text: str = "some words of a message") -> list[BaseMessage]:
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    kinds: list[Callable[[int], BaseMessage]] = [
        lambda n: HumanMessage(f"{n} {text}", id=f"h{n}"),
        lambda n: AIMessage(
            f"{n} {text}",
            id=f"a{n}",
            usage_metadata=usage,
            response_metadata={"finish_reason": "stop"},
        ),  # type: ignore[arg-type]
        lambda n: ToolMessage(f"{n} {text}", tool_call_id=f"call-{n}"),
    ]
    return [kinds[n % 3](n) for n in range(count)]


def plainly(value: Any) -> Any:
    """What is recorded of a value that shares nothing."""
    return orjson.loads(PLAIN.encode_json(value))


def agent(steps: int) -> Any:
    class State(TypedDict):
        messages: Annotated[list[BaseMessage], add_messages]

    def step(state: State) -> dict[str, Any]:
        return {
            "messages": [AIMessage(f"step {len(state['messages'])}")]
        }  # without an id: add_messages sets it in place

    graph = StateGraph(State)
    for number in range(steps):
        graph.add_node(f"n{number}", step)
        graph.add_edge(f"n{number - 1}" if number else START, f"n{number}")
    return graph.add_edge(f"n{steps - 1}", END).compile()


def test_bytes_grow_with_what_is_new_not_with_state_times_steps(recording: Recording) -> None:
    state = history(1_000)
    agent(20).invoke({"messages": list(state)}, recording.config)
    records = recording.records()
    assert len(records) == 21
    one_state = len(PLAIN.encode_json({"messages": state}))
    written = sum(map(len, recording.parts))
    # The state twice: add_messages gives some of the messages an id in place, after the graph's own
    # inputs were recorded.
    assert written < 2.2 * one_state + 21 * 2_000
    nodes = [record for record in records if record["parent_span_id"]]
    for number, record in enumerate(nodes):
        messages = record["inputs"]["messages"]
        assert len(messages) == 1_000 + number
        assert messages[:1_000] == plainly(state)
        assert all(message["id"] for message in messages[1_000:])
    assert len(records[0]["outputs"]["messages"]) == 1_020


def test_the_longest_lists_of_prompts_and_models_are_shared_too(recording: Recording) -> None:
    from langchain_core.language_models import FakeListChatModel

    chain = ChatPromptTemplate.from_messages(
        [("system", "help"), MessagesPlaceholder("history")]
    ) | FakeListChatModel(responses=["x"])
    given_messages = history(100)
    chain.invoke({"history": given_messages}, recording.config)
    records = recording.records()
    assert sum(map(len, recording.parts)) < 2.5 * len(PLAIN.encode_json(given_messages))
    model = next(record for record in records if record["kind"] == "chat_model")
    prompt = next(record for record in records if record["kind"] == "prompt")
    assert (
        model["inputs"]["messages"][0][1:]
        == prompt["outputs"]["messages"][1:]
        == plainly(given_messages)
    )
    assert prompt["inputs"]["history"] == plainly(given_messages)


def test_short_lists_stay_as_they_are(recording: Recording) -> None:
    for _ in range(3):
        with recording.handler.span("s", inputs={"messages": history(MANY - 1)}):
            pass
    recording.records()
    assert b"$shared" not in b"".join(recording.parts)


# --- any history ----------------------------------------------------------------------------------
STEPS = st.lists(
    st.sampled_from(
        [
            "append",
            "append",
            "append many",
            "edit content",
            "edit nested",
            "set id",
            "drop last",
            "drop first",
            "replace",
            "new",
        ]
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(STEPS, st.integers(0, 2**32))
def test_any_history_reads_back_as_it_was_at_each_moment(steps: list[str], seed: int) -> None:
    import random

    chance = random.Random(seed)
    recording = Recording()
    messages = history(MANY + 8, "long " * chance.choice([1, 1_000]))
    expected = []
    for step in ["start", *steps, "append"]:
        place = chance.randrange(len(messages)) if messages else 0
        if step == "append":
            messages = [*messages, AIMessage(f"new {chance.random()}")]
        elif step == "append many":
            messages = messages + history(chance.randint(1, 40))
        elif step == "edit content" and messages:
            messages[place].content = f"edited {chance.random()}"
        elif step == "edit nested" and messages:
            messages[place].additional_kwargs.setdefault("deep", {}).setdefault("list", []).append(
                chance.random()
            )
        elif step == "set id" and messages:
            messages[place].id = str(uuid4())
        elif step == "drop last":
            messages = messages[: -chance.randint(1, 20)]
        elif step == "drop first":
            messages = messages[chance.randint(1, 3) :]
        elif step == "replace" and messages:
            messages = [*messages[:place], HumanMessage("instead"), *messages[place + 1 :]]
        elif step == "new":
            messages = history(chance.randint(0, 60), "other")
        value = chance.choice(
            [{"messages": list(messages), "n": 1}, {"batch": [list(messages)]}, list(messages)]
        )
        expected.append(copy.deepcopy(plainly(value)))
        with recording.handler.span("s", inputs=value):
            pass
        if chance.random() < 0.15:
            recording.handler.flush_tracker()
    assert [record["inputs"] for record in recording.records()] == expected


def test_many_threads_grow_lists_of_their_own_from_one_state(make_recording: Any) -> None:
    recording = make_recording()
    common = history(200)

    def branch(number: int) -> None:
        messages = list(common)
        for step in range(30):
            messages = [*messages, AIMessage(f"{number}-{step}")]
            with recording.handler.span(f"{number}", inputs={"messages": messages}):
                pass

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(branch, range(16)))
    records = recording.records()
    assert len(records) == 16 * 30
    shared = plainly(common)
    for record in records:
        messages = record["inputs"]["messages"]
        assert messages[:200] == shared
        assert [message["content"] for message in messages[200:]] == [
            f"{record['name']}-{n}" for n in range(len(messages) - 200)
        ]


# --- parts, bounds, other ways --------------------------------------------------------------------
def test_each_part_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 30_000)
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with SageMakerCallbackHandler(run) as handler:
        messages = history(100)
        for step in range(60):
            messages = [*messages, HumanMessage(f"step {step}")]
            with handler.span("s", inputs={"messages": messages}):
                pass
    parts = sorted((run.path / "langchain-traces").iterdir())
    assert len(parts) >= 3
    for part in parts:
        for inputs in load_spans(part)["inputs"]:
            assert inputs["messages"][:100] == plainly(history(100))


def test_a_long_text_in_a_message_is_stored_once(recording: Recording) -> None:
    text = "a long text, " * 2_000
    messages = [*history(40), HumanMessage(text)]
    for _ in range(5):
        with recording.handler.span(
            "s",
            inputs={"messages": messages},
        ) as span:
            span.set_outputs(text)
    records = recording.records()
    assert sum(map(len, recording.parts)) < 1.5 * len(text) + 60_000
    for record in records:
        assert record["outputs"] == text
        assert record["inputs"]["messages"][-1]["content"] == text


def test_a_durable_handler_writes_lines_that_stand_alone(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path / "runs", experiment_name="e", run_name="r")
    with SageMakerCallbackHandler(run, durable=True, spool_dir=tmp_path / "spool") as handler:
        for _ in range(3):
            with handler.span("s", inputs={"messages": history(100)}):
                pass
    assert [inputs["messages"] for inputs in load_spans(tmp_path / "runs")["inputs"]] == [
        plainly(history(100))
    ] * 3


def test_what_is_new_is_bounded_as_any_value_is(make_recording: Any) -> None:
    recording = make_recording(max_field_bytes=50_000)
    first, more = history(100, "x" * 2_000), history(110, "x" * 2_000)
    for messages in (first, more, [*more, HumanMessage("y" * 200_000)]):
        with recording.handler.span("s", inputs={"messages": messages}):
            pass
    sizes = [len(orjson.dumps(record["inputs"])) for record in recording.records()]
    assert sizes[0] < 60_000
    assert b"<truncated: " in b"".join(recording.parts)


def test_messages_with_fields_of_ones_own_and_other_objects_are_recorded_plainly(
    recording: Recording,
) -> None:
    class Thing:
        def __init__(self, number: int) -> None:
            self.number = number

        def __repr__(self) -> str:
            return f"Thing({self.number})"

    values = [
        [HumanMessage("x", extra_field=n) for n in range(40)],
        [Thing(n) for n in range(40)],
        [*history(40), "text"],
        [1] * 40,
    ]
    for value in values:
        with recording.handler.span("s", inputs={"messages": value}):
            pass
    records = recording.records()
    assert [record["inputs"]["messages"] for record in records] == [
        plainly(value) for value in values
    ]
    assert b"$take" not in b"".join(recording.parts)


def test_what_a_prompt_says_of_sharing_is_text(recording: Recording) -> None:
    odd = [{"$shared": "x", "$take": 3}, {"$shared": "x"}, {"$shared": 1, "$take": "many"}]
    for _ in range(2):
        with recording.handler.span("s", inputs={"odd": odd, "messages": history(50)}):
            pass
    assert [record["inputs"]["odd"] for record in recording.records()] == [odd, odd]
