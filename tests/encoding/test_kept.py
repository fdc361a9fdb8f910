"""Values that are nothing but texts are kept and written at the flush: the very bytes of encoding
them at the event.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, LLMResult
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.prompts import ChatPromptTemplate
from test_encoder import CASES

from langchain_sagemaker_experiments._encoding.any_value import convert_object, to_plain
from langchain_sagemaker_experiments._encoding.encoder import Encoder
from langchain_sagemaker_experiments._langchain_values import know_values
from langchain_sagemaker_experiments._record.kept import plain_of
from langchain_sagemaker_experiments._record.text import LARGE_TEXT
from support.recording import Recording

CHOOSE, FIELDS_OF, KEEPERS, THAW = know_values()
KEEPING = Encoder(CHOOSE, fields_of=FIELDS_OF, keepers=KEEPERS)
PLAIN = Encoder(CHOOSE)


def taken(value: Any, encoder: Encoder = KEEPING) -> bytes:
    result = encoder.take(value)
    if isinstance(result, (str, tuple)):
        return written(result)
    return result if isinstance(result, bytes) else result.join()


def written(kept: Any) -> bytes:
    """As a record's line is."""
    plain = plain_of(kept, THAW)
    try:
        return orjson.dumps(plain)
    except orjson.JSONEncodeError:
        return orjson.dumps(to_plain(plain, convert_object))


ODD_TEXTS = ["\ud800 alone", "\x00", "data:x/y;base64," + "A" * 40, '"\\', "🐟"]
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(ODD_TEXTS)
EXTRAS = st.just({}) | st.dictionaries(st.sampled_from(["name", "id"]), TEXTS)
RICH = st.just({}) | st.sampled_from(
    [
        {"additional_kwargs": {"a": float("nan")}},
        {"response_metadata": {"model_name": "m"}},
        {"surplus": "a field of the user's own"},
        {"usage_metadata": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
        {"tool_calls": [{"name": "t", "args": {"q": 2**70}, "id": "1", "type": "tool_call"}]},
    ]
)
CONTENTS: st.SearchStrategy[Any] = (
    TEXTS | st.just([{"type": "text", "text": "a block"}]) | st.just([])
)
MESSAGES: st.SearchStrategy[BaseMessage] = (
    st.builds(lambda content, more: HumanMessage(content, **more), CONTENTS, EXTRAS)
    | st.builds(lambda content, more: SystemMessage(content, **more), CONTENTS, EXTRAS)
    | st.builds(
        lambda content, more, rich: AIMessage(content, **more, **rich), CONTENTS, EXTRAS, RICH
    )
    | st.builds(lambda content, more: AIMessageChunk(content, **more), CONTENTS, EXTRAS)
    | st.builds(
        lambda content, artifact: ToolMessage(content, tool_call_id="1", artifact=artifact),
        CONTENTS,
        st.none() | TEXTS,
    )
)
LISTS = st.lists(MESSAGES, max_size=6)
ITEMS = (
    TEXTS
    | LISTS
    | st.builds(lambda one: [one], LISTS)
    | st.lists(TEXTS, max_size=3)
    | st.none()
    | st.floats()
    | st.integers()
)
GENERATIONS = st.builds(lambda message: ChatGeneration(message=message), MESSAGES) | st.builds(
    lambda text, info: Generation(text=text, generation_info=info),
    TEXTS,
    st.none() | st.just({"finish_reason": "stop"}),
)
VALUES = (
    TEXTS
    | MESSAGES
    | st.dictionaries(TEXTS | st.integers(), ITEMS, max_size=4)
    | st.builds(lambda messages: ChatPromptValue(messages=messages), LISTS)
    | st.builds(lambda text: StringPromptValue(text=text), TEXTS)
    | st.builds(
        lambda batches, output: LLMResult(generations=batches, llm_output=output),
        st.lists(st.lists(GENERATIONS, max_size=2), max_size=2),
        st.none() | st.just({}) | st.just({"model_name": "m"}),
    )
)


@given(VALUES)
def test_any_value_is_written_as_if_it_were_encoded_at_the_event(value: Any) -> None:
    assert taken(value) == PLAIN.encode(value)


@pytest.mark.parametrize(("name", "value", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_is_no_text_means_what_it_meant(name: str, value: Any, expected: Any) -> None:
    assert json.loads(taken({"a": value})) == {"a": expected}
    assert json.loads(taken(value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"topic": "fish", "": "a name that is none", "two words": ""},
        {"messages": [SystemMessage("s"), HumanMessage("h", id="1", name="n"), AIMessage("")]},
        {"messages": [[HumanMessage("h")]]},
        "an answer",
        "",
        AIMessage("an answer", id="1").text,
        AIMessageChunk("x"),
        ToolMessage("found", tool_call_id="1"),
        ChatPromptValue(messages=[HumanMessage("h")]),
        StringPromptValue(text="t"),
        LLMResult(generations=[[ChatGeneration(message=AIMessage("a"))]]),
        LLMResult(generations=[[ChatGenerationChunk(message=AIMessageChunk("a"))]]),
        LLMResult(generations=[[Generation(text="a")]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_through_a_plain_chain_is_kept(value: Any) -> None:
    assert isinstance(KEEPING.take(value), (str, tuple))
    assert taken(value) == PLAIN.encode(value)


def test_later_changes_do_not_show() -> None:
    message = AIMessage("before", id="1")
    inputs = {"topic": "before"}
    state = {"messages": [message]}
    batch = [[message]]
    result = LLMResult(generations=[[ChatGeneration(message=message)]])
    prompt = ChatPromptValue(messages=[message])
    values: list[Any] = [inputs, state, {"messages": batch}, result, prompt, message]
    expected = [PLAIN.encode(value) for value in values]
    kept = [KEEPING.take(value) for value in values]
    assert all(isinstance(one, str) for one in kept)

    message.content, message.id, message.name = "after", "2", "new"
    message.additional_kwargs["late"] = message.response_metadata["late"] = "new"
    message.tool_calls.append({"name": "t", "args": {}, "id": "1", "type": "tool_call"})
    result.generations[0][0].text = "after"
    result.generations.append([])
    prompt.messages = []
    state["messages"].append(message)
    inputs["topic"] = "after"
    batch[0].append(HumanMessage("after"))

    assert [written(one) for one in kept if isinstance(one, str)] == expected


def test_a_value_without_its_usual_fields_goes_the_thorough_way() -> None:
    bare = AIMessage.model_construct()
    del bare.__dict__["type"]
    assert taken(bare) == PLAIN.encode(bare)

    class Raises(str):
        def __bool__(self) -> bool:
            raise RuntimeError("not today")

        def __len__(self) -> int:
            raise RuntimeError("not today")

    value = HumanMessage("h")
    value.__dict__["name"] = Raises("n")
    assert json.loads(taken({"a": Raises("text"), "b": "c"})) == {"a": "text", "b": "c"}
    taken(value)


@pytest.mark.parametrize(
    "character", ["x", "\x00", "\ud800", "🐟"], ids=["plain", "control", "surrogate", "emoji"]
)
@pytest.mark.parametrize("size", [10, 140, 300, 1_000, 20_000])
def test_the_bound_of_a_field_holds(character: str, size: int) -> None:
    bounded = Encoder(CHOOSE, max_bytes=2_000, fields_of=FIELDS_OF, keepers=KEEPERS)
    for value in (character * size, {"a": character * size}, HumanMessage(character * size)):
        assert taken(value, bounded) == Encoder(CHOOSE, max_bytes=2_000).encode(value)


def test_wide_dictionaries_and_long_lists_are_encoded_at_once() -> None:
    for value in (
        {str(number): "x" for number in range(100)},
        {"messages": [HumanMessage("h")] * 20},
    ):
        assert isinstance(KEEPING.take(value), bytes)
        assert taken(value) == PLAIN.encode(value)


def test_a_long_text_is_written_once_whatever_object_holds_it(recording: Recording) -> None:
    context = "context " * LARGE_TEXT
    answer = "answer " * LARGE_TEXT
    chain = (
        ChatPromptTemplate.from_template("{context}")
        | FakeListChatModel(responses=[answer])
        | StrOutputParser()
    )
    assert chain.invoke({"context": context}, recording.config) == answer
    root, prompt, model, parser = recording.records()
    (part,) = recording.parts
    assert part.count(context.encode()) == 1
    assert part.count(answer.encode()) == 1
    assert root["inputs"] == prompt["inputs"] == {"context": context}
    assert model["inputs"]["messages"][0][0]["content"] == context
    assert (
        model["outputs"]["generations"][0][0]["text"]
        == parser["inputs"]["content"]
        == root["outputs"]
        == answer
    )


LONG_SECRET = "an obviously fake secret, " * 400


@pytest.mark.parametrize(
    "value",
    [
        {"password": LONG_SECRET},
        {"db_password": LONG_SECRET, "list": []},
        {"question": "what?", "inner": {"api_key": StringPromptValue(text=LONG_SECRET)}},
        {"client_secret": LONG_SECRET, "context": "a long context, " * 1_000},
        {"refresh_token": LONG_SECRET, "messages": [HumanMessage("a long context, " * 1_000)]},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_long_secret_that_comes_again_is_masked_each_time(
    recording: Recording, value: dict[str, Any]
) -> None:
    for _ in range(3):
        with recording.handler.span("login", inputs=value):
            pass
    records = recording.records()
    (part,) = recording.parts
    assert b"obviously fake" not in part
    assert part.count(b"a long context, " * 1_000) == (
        "long context" in str(value)
    )  # what is no secret is still written once
    assert all("[REDACTED]" in json.dumps(record["inputs"]) for record in records)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_recorded_in_every_shape(recording: Recording, text: str) -> None:
    values: list[Any] = [
        text,
        {"a": text},
        HumanMessage(text),
        {"messages": [HumanMessage(text), AIMessage(text)]},
    ]
    for value in values:
        with recording.handler.span("odd", inputs=value, tags=[text]) as span:
            span.set_outputs(text)
    expected = [json.loads(PLAIN.encode(value)) for value in values]
    for record, value in zip(recording.records(), expected, strict=True):
        mark = "<media x/y"
        assert record["inputs"] == value or mark in json.dumps(record["inputs"])
        assert record["outputs"] == expected[0] or mark in record["outputs"]
