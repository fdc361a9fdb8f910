"""Any Python value becomes valid JSON within its bound, without raising, and means what it
meant.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import hashlib
import json
import math
import pathlib
import uuid
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pydantic
import pydantic.v1
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.prompt_values import ChatPromptValue, ImagePromptValue, StringPromptValue

from langchain_sagemaker_experiments._encoding.encoder import Encoder
from langchain_sagemaker_experiments._encoding.media import replace_media
from langchain_sagemaker_experiments._encoding.truncation import truncate_json
from langchain_sagemaker_experiments._langchain_values import value_kinds
from support.values import written

KINDS = value_kinds()
ENCODER = Encoder(KINDS.choose, fields_of=KINDS.fields_of)


def encoded(value: Any) -> Any:
    return json.loads(ENCODER.encode_json(value))


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Model(pydantic.BaseModel):
    name: str
    secret: pydantic.SecretStr = pydantic.SecretStr("hidden-value")
    nested: list[Point] = []


class LooseModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")


class RaisingModel(pydantic.BaseModel):
    name: str

    @pydantic.model_serializer
    def serialize(self) -> Any:
        raise RuntimeError("not today")


Named = collections.namedtuple("Named", "a b")

UUID = uuid.uuid4()
CASES: list[tuple[str, Any, Any]] = [
    ("plain", {"a": [1, 2.5, "x", None, True]}, {"a": [1, 2.5, "x", None, True]}),
    ("nan", {"a": float("nan")}, {"a": "<float nan>"}),
    ("infinity", [float("inf"), -math.inf], ["<float inf>", "<float -inf>"]),
    ("huge int", 2**70, f"<int {2**70}>"),
    ("largest int", [2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)]),
    ("enormous int", {"n": 10**5000}, {"n": f"<int 0x{10**5000:x}>"}),
    ("surrogate", "a\ud800b", "a\\ud800b"),
    ("surrogate key", {"\udfff": 1}, {"\\udfff": 1}),
    ("emoji", "🐟 שלום", "🐟 שלום"),
    ("number keys", {1: "a", None: "b", 2.5: "c"}, {"1": "a", "None": "b", "2.5": "c"}),
    ("colliding keys", {1: "a", "1": "b"}, {"1": "a", "1 <str>": "b"}),
    ("tuple", (1, 2), [1, 2]),
    ("named tuple", Named(1, 2), {"a": 1, "b": 2}),
    ("set", {3, 1, 2}, [1, 2, 3]),
    ("frozenset", frozenset({"a"}), ["a"]),
    ("bytes", b"abc", f"<bytes 3 bytes sha256={hashlib.sha256(b'abc').hexdigest()}>"),
    ("enum", Color.RED, "red"),
    ("enum key and value", {"c": [Color.RED]}, {"c": ["red"]}),
    ("uuid", UUID, str(UUID)),
    (
        "datetime",
        datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        "2026-01-02T03:04:05+00:00",
    ),
    ("date", datetime.date(2026, 1, 2), "2026-01-02"),
    ("timedelta", datetime.timedelta(seconds=90), "0:01:30"),
    ("decimal", decimal.Decimal("1.10"), "1.10"),
    ("path", pathlib.PurePosixPath("/a/b"), "/a/b"),
    ("complex", 1 + 2j, "(1+2j)"),
    ("dataclass", Point(1, 2.0), {"x": 1, "y": 2.0}),
    ("dataclass with nan", Point(1, math.nan), {"x": 1, "y": "<float nan>"}),
    (
        "pydantic",
        Model(name="n", nested=[Point(1, 2.0)]),
        {"name": "n", "secret": "**********", "nested": [{"x": 1, "y": 2.0}]},
    ),
    ("pydantic extra", LooseModel(more=1), {"more": 1}),
    ("pydantic that raises", RaisingModel(name="n"), {"name": "n"}),
    ("numpy array", np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ("numpy strided", np.arange(10)[::3], [0, 3, 6, 9]),
    ("numpy nan", np.array([1.0, math.nan]), [1.0, "<float nan>"]),
    (
        "numpy scalar",
        {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)},
        {"a": 0.5, "b": 3, "c": True},
    ),
    ("pandas series", pd.Series([1, 2]), [1, 2]),
    ("pandas timestamp", pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
    ("pandas nothing", pd.NaT, "NaT"),
    ("exception", ValueError("bad"), {"type": "ValueError", "message": "bad"}),
    ("class", Color, "<class test_encoder.Color>"),
    ("function", test := (lambda: None), f"<function test_encoder.{test.__qualname__}>"),
    ("mapping", collections.ChainMap({"a": 1}), {"a": 1}),
    ("deque-like", collections.Counter("aab"), {"a": 2, "b": 1}),
    ("prompt text", StringPromptValue(text="hello"), "hello"),
    (
        "prompt chat",
        ChatPromptValue(messages=[HumanMessage("hi")]),
        {"messages": [{"type": "human", "content": "hi"}]},
    ),
    (
        "system message",
        SystemMessage("s", name="n", id="i"),
        {"type": "system", "content": "s", "name": "n", "id": "i"},
    ),
    (
        "chat message",
        ChatMessage("c", role="critic"),
        {"type": "chat", "content": "c", "role": "critic"},
    ),
    (
        "function message",
        FunctionMessage(name="f", content="r"),
        {"type": "function", "content": "r", "name": "f"},
    ),
    ("chunk", AIMessageChunk("x"), {"type": "ai", "content": "x"}),
    (
        "document",
        Document("text", metadata={"score": 0.5}, id="d"),
        {"page_content": "text", "metadata": {"score": 0.5}, "id": "d"},
    ),
    (
        "generation",
        Generation(text="t", generation_info={"logprobs": None}),
        {"text": "t", "generation_info": {"logprobs": None}},
    ),
    (
        "action",
        AgentAction("t", {"q": 1}, "log"),
        {"tool": "t", "tool_input": {"q": 1}, "log": "log"},
    ),
    ("finish", AgentFinish({"output": 1}, "log"), {"return_values": {"output": 1}, "log": "log"}),
]


@pytest.mark.parametrize(("name", "value", "expected"), CASES, ids=[case[0] for case in CASES])
def test_values_become_what_they_mean(name: str, value: Any, expected: Any) -> None:
    assert encoded(value) == expected


def test_pydantic_v1_models() -> None:
    class Old(pydantic.v1.BaseModel):
        name: str
        secret: pydantic.v1.SecretStr

    assert encoded(Old(name="n", secret="hidden")) == {"name": "n", "secret": "**********"}


def test_a_table_is_its_shape_and_its_head() -> None:
    table = encoded(pd.DataFrame({"n": range(100)}))
    assert (table["shape"], table["columns"], len(table["head"])) == ([100, 1], ["n"], 20)


def test_cycles_are_marked() -> None:
    cycle: dict[str, Any] = {"a": 1}
    cycle["self"] = cycle
    assert encoded(cycle) == {"a": 1, "self": "<cycle: builtins.dict>"}
    ring: list[Any] = []
    ring.append(ring)
    assert encoded(ring) == ["<cycle: builtins.list>"]


def test_deep_nesting_is_cut_with_a_mark() -> None:
    value: Any = "bottom"
    for _ in range(5_000):
        value = [value]
    assert "nested deeper than 200" in ENCODER.encode_json(value).decode()


def test_messages_keep_tool_calls_usage_and_metadata() -> None:
    message = AIMessage(
        "x",
        tool_calls=[{"name": "t", "args": {"a": 1}, "id": "1"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"finish_reason": "stop"},
        additional_kwargs={"refusal": None},
    )
    plain = encoded(message)
    assert plain["tool_calls"] == [{"name": "t", "args": {"a": 1}, "id": "1", "type": "tool_call"}]
    assert plain["usage_metadata"]["total_tokens"] == 3
    assert plain["response_metadata"] == {"finish_reason": "stop"}
    assert plain["additional_kwargs"] == {"refusal": None}
    tool = encoded(ToolMessage("r", tool_call_id="1", status="error", artifact={"raw": b"x"}))
    assert (tool["status"], tool["tool_call_id"]) == ("error", "1")
    assert tool["artifact"]["raw"].startswith("<bytes 1 bytes")
    result = encoded(
        LLMResult(generations=[[ChatGeneration(message=message)]], llm_output={"model": "m"})
    )
    assert result["generations"][0][0]["message"]["content"] == "x"
    assert result["llm_output"] == {"model": "m"}


IMAGE = bytes(range(256)) * 4
BASE64 = base64.b64encode(IMAGE).decode()
MARK = f"1024 bytes sha256={hashlib.sha256(IMAGE).hexdigest()}>"
BLOCKS: list[tuple[Any, str]] = [
    (
        {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": BASE64},
        "<media image/png ",
    ),
    ({"type": "image", "base64": BASE64, "mime_type": "image/jpeg"}, "<media image/jpeg "),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": BASE64}},
        "<media image/gif ",
    ),
    ({"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}, "<media wav "),
    (
        {"type": "file", "file": {"filename": "f.pdf", "file_data": BASE64}},
        "<media application/octet-stream ",
    ),
    ({"image": {"format": "png", "source": {"bytes": IMAGE}}}, "<media png "),
]


@pytest.mark.parametrize(("block", "mark"), BLOCKS, ids=[block[1] for block in BLOCKS])
def test_media_in_messages_is_replaced_by_type_size_and_hash(block: Any, mark: str) -> None:
    text = ENCODER.encode_json(HumanMessage([{"type": "text", "text": "look"}, block])).decode()
    assert BASE64[:100] not in text
    assert mark + MARK in text
    assert "look" in text


def test_media_is_kept_on_request() -> None:
    assert BASE64 in written(HumanMessage([BLOCKS[0][0]]), keep_media=True).decode()


def test_data_addresses_are_replaced_anywhere() -> None:
    data = orjson.dumps(
        {"url": f"data:image/png;base64,{BASE64}", "short": "data:text/plain;base64,aGk="}
    )
    replaced = json.loads(replace_media(data))
    assert replaced["url"] == f"<media image/png {MARK}"
    assert replaced["short"] == "data:text/plain;base64,aGk="
    image = ImagePromptValue(image_url={"url": f"data:image/png;base64,{BASE64}"})
    assert MARK in replace_media(ENCODER.encode_json(image)).decode()


def test_values_are_taken_at_the_moment() -> None:
    value = {"list": [1]}
    data = ENCODER.encode_json(value)
    value["list"].append(2)
    assert json.loads(data) == {"list": [1]}


def test_a_long_value_is_cut_with_its_true_size_and_hash() -> None:
    text = "é" * 5_000
    cut = json.loads(written({"short": "kept", "long": text}, max_bytes=2_000))
    assert cut["short"] == "kept"
    assert cut["long"].startswith("ééé")
    assert cut["long"].endswith(
        f"<truncated: 10000 bytes sha256={hashlib.sha256(text.encode()).hexdigest()}>"
    )
    assert len(written({"long": text}, max_bytes=2_000)) <= 2_200
    assert json.loads(written({"long": text})) == {"long": text}


def test_many_numbers_are_cut_with_a_count() -> None:
    cut = json.loads(written({"vector": list(range(100_000))}, max_bytes=2_000))
    assert cut["<truncated>"].startswith("588902 bytes sha256=")
    assert cut["value"]["vector"][-1].endswith("more items>")


def test_media_does_not_count_against_the_bound() -> None:
    huge = base64.b64encode(bytes(100_000)).decode()
    value = json.loads(written([{"url": f"data:image/png;base64,{huge}"}, "text"], max_bytes=4_000))
    assert value[0]["url"].startswith("<media image/png 100000 bytes")
    assert value[1] == "text"


class Opaque:
    def __init__(self, text: str, raises: bool) -> None:
        self.text, self.raises = text, raises

    def __repr__(self) -> str:
        if self.raises:
            raise RuntimeError(self.text)
        return self.text


atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))  # type: ignore[arg-type]
    | st.binary(max_size=50)
    | st.dates()
    | st.datetimes()
    | st.decimals()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from(list(Color))
    | st.builds(Opaque, st.text(), st.booleans())
    | st.builds(HumanMessage, st.text())
    | st.builds(Point, st.integers(), st.floats())
    | st.builds(np.float32, st.floats(width=32))
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.sets(st.integers() | st.text(), max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.booleans(), inner, max_size=5)
        | st.builds(lambda v: AIMessage("x", additional_kwargs={"v": v}), inner)
        | st.builds(lambda v: Document("x", metadata={"v": v}), inner)
    ),
    max_leaves=25,
)


@given(values)
@settings(max_examples=400)
def test_any_value_encodes_to_valid_json(value: Any) -> None:
    data = ENCODER.encode_json(value)
    assert b"\n" not in data
    assert json.loads(data) == json.loads(ENCODER.encode(value).join())


@given(values, st.integers(1_024, 4_096))
@settings(max_examples=200)
def test_any_value_stays_near_its_bound(value: Any, bound: int) -> None:
    big = [value, "x" * 5_000, value]
    data = written(big, max_bytes=bound)
    json.loads(data)
    assert len(data) <= 2 * bound + 4_000


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=8),
    max_leaves=40,
)


@given(json_values)
@settings(max_examples=300)
def test_json_values_come_back_unchanged(value: Any) -> None:
    data = orjson.dumps(value)
    assert orjson.loads(ENCODER.encode_json(value)) == orjson.loads(data)


@given(json_values, st.integers(300, 3_000))
@settings(max_examples=200)
def test_truncation_gives_valid_json(value: Any, bound: int) -> None:
    json.loads(truncate_json(orjson.dumps([value, "é" * 4_000, list(range(500))]), bound))
