"""Messages of model calls in the form of the GenAI conventions, whatever their content is made
of.
"""

from __future__ import annotations

from typing import Any

import pytest

from langchain_sagemaker_experiments._conventions.messages import input_messages, output_messages

TEXT = {"type": "text", "content": "hello"}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("hello", [TEXT]),
        ("", []),
        (None, []),
        (["hello"], [TEXT]),
        ([{"type": "text", "text": "hello"}], [TEXT]),
        ([{"type": "reasoning", "reasoning": "hm"}], [{"type": "reasoning", "content": "hm"}]),
        ([{"type": "thinking", "thinking": "hm"}], [{"type": "reasoning", "content": "hm"}]),
        ([{"type": "tool_use", "id": "1"}], []),
        (
            [{"type": "image_url", "image_url": "u"}, {"odd": 1}],
            [{"type": "image_url", "image_url": "u"}, {"type": "unknown", "odd": 1}],
        ),
    ],
)
def test_content_becomes_parts(content: Any, parts: list[Any]) -> None:
    message = {"type": "human", "content": content}
    assert (
        input_messages({"messages": [[message]]})
        == input_messages({"messages": [message]})
        == [{"role": "user", "parts": parts}]
    )


def test_prompts_are_a_users_messages() -> None:
    assert input_messages({"prompts": ["hello"]}) == [{"role": "user", "parts": [TEXT]}]


@pytest.mark.parametrize(
    "inputs", [None, "text", [], {}, {"messages": "text"}, {"messages": ["text", None]}]
)
def test_other_inputs_hold_no_messages(inputs: Any) -> None:
    assert input_messages(inputs) == []


@pytest.mark.parametrize(
    "outputs", [None, "text", {}, {"generations": 1}, {"generations": [["text"]]}]
)
def test_other_outputs_hold_no_answers(outputs: Any) -> None:
    assert output_messages(outputs) == []


def test_answers_say_why_they_ended() -> None:
    outputs = {
        "generations": [
            [{"text": "hello", "generation_info": {"finish_reason": "length"}}],
            {
                "text": "",
                "message": {
                    "type": "ai",
                    "content": "hello",
                    "response_metadata": {"stop_reason": "end_turn"},
                },
            },
            [{"text": "hello"}],
        ]
    }
    answers = output_messages(outputs)
    assert [answer["finish_reason"] for answer in answers] == ["length", "stop", "stop"]
    assert [answer["parts"] for answer in answers] == [[TEXT]] * 3


def test_a_role_of_its_own_is_kept() -> None:
    (message,) = input_messages(
        {"messages": [{"type": "chat", "role": "critic", "content": "hello"}]}
    )
    assert message["role"] == "critic"
