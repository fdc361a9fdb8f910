"""Metadata and settings that come again are encoded once; nothing else is taken for them."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_sagemaker_experiments._encoding.encoder import Encoder
from langchain_sagemaker_experiments._encoding.repeated import Repeated
from langchain_sagemaker_experiments._langchain_values import know_values
from support.recording import Recording

ENCODE = Encoder(know_values().choose).encode
VALUE = {
    "ls_provider": "openai",
    "stop": None,
    "versions": {"langchain-core": "1.0", "list": ["a", "b"]},
}


def counting() -> tuple[Repeated, list[Any]]:
    calls: list[Any] = []

    def encode(value: Any) -> bytes:
        calls.append(value)
        return ENCODE(value)

    return Repeated(encode), calls


def test_what_comes_again_is_encoded_no_more() -> None:
    repeated, calls = counting()
    found = [repeated.encode(json.loads(json.dumps(VALUE))) for _ in range(10)]
    assert found == [ENCODE(VALUE)] * 10
    assert len(calls) == 2  # the second time it is looked at, from the third on it is known
    assert found[2] is found[9]


def test_several_models_take_turns() -> None:
    repeated, calls = counting()
    for _ in range(10):
        for name in "abcd":
            assert json.loads(repeated.encode({"model": name})) == {"model": name}
    assert len(calls) == 8


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({"n": 1}, {"n": True}),
        ({"n": 1}, {"n": 1.0}),
        ({"n": 0}, {"n": False}),
        ({"a": "1"}, {"a": 1}),
        ({"a": None}, {}),
        ({"a": ["x"]}, {"a": ("x",)}),
        ({"a": "x"}, {"a": np.array(["x", "y"])}),
        ({"a": np.array([1, 2])}, {"a": np.array([1, 3])}),
        ({1: "x"}, {True: "x"}),
    ],
    ids=repr,
)
def test_values_that_python_takes_for_equal_are_told_apart(first: Any, other: Any) -> None:
    repeated, _ = counting()
    for _ in range(4):
        assert repeated.encode(first) == ENCODE(first)
        assert repeated.encode(other) == ENCODE(other)


def test_a_value_changed_afterwards_is_another_one() -> None:
    repeated, _ = counting()
    value = json.loads(json.dumps(VALUE))
    for _ in range(3):
        repeated.encode(value)
    value["versions"]["list"].append("c")
    assert repeated.encode(value) == ENCODE(value)
    assert repeated.encode(VALUE) == ENCODE(VALUE)


def test_texts_of_other_types_mean_the_same() -> None:
    class Provider(str, enum.Enum):
        OPENAI = "openai"

    repeated, _ = counting()
    for _ in range(4):
        repeated.encode({"ls_provider": "openai"})
    for same in ({"ls_provider": Provider.OPENAI}, OrderedDict(ls_provider="openai")):
        assert repeated.encode(same) == ENCODE(same)


def test_what_comes_again_is_found_among_much_that_does_not() -> None:
    repeated, calls = counting()
    for number in range(5_000):
        repeated.encode({"step": number})
        assert repeated.encode(VALUE) == ENCODE(VALUE)
    assert len(calls) < 5_000 + 1_000


def test_values_that_never_come_again_leave_nothing_behind() -> None:
    repeated, _ = counting()
    for number in range(10_000):
        assert repeated.encode({"session_id": str(number)}) == b'{"session_id":"%d"}' % number
    assert len(repeated._seen) <= 64
    assert repeated._known == ()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b", ""]) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.lists(PLAIN, max_size=12), st.integers(1, 4))
def test_any_values_in_any_order(values: list[Any], times: int) -> None:
    repeated, _ = counting()
    for _ in range(times):
        for value in values:
            # As texts: Python takes 1 for True. A dictionary may come back in the order of its
            # twin.
            assert in_order(repeated.encode(value)) == in_order(ENCODE(value))


def in_order(data: bytes) -> str:
    return json.dumps(json.loads(data), sort_keys=True)


@pytest.mark.parametrize(
    "make",
    [lambda n: "same", lambda n: n % 2 == 0, lambda n: 1.0 if n % 2 else 1],
    ids=["text", "bool", "number"],
)
def test_the_handler_records_each_call_with_its_own_metadata(
    recording: Recording, make: Callable[[int], Any]
) -> None:
    for number in range(6):
        recording.handler.on_llm_start(
            {}, ["p"], metadata={"m": make(number)}, invocation_params={"temperature": make(number)}
        )
        recording.handler.on_llm_end(_answer())
    records = recording.records()
    assert [record["metadata"] for record in records] == [
        {"m": make(number)} for number in range(6)
    ]
    assert [type(record["metadata"]["m"]) for record in records] == [
        type(make(number)) for number in range(6)
    ]


def _answer() -> Any:
    from langchain_core.outputs import Generation, LLMResult

    return LLMResult(generations=[[Generation(text="a")]])
