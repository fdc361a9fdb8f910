"""What the scripted model says in the three scenarios: canned, but in the form each chain and agent
expects.
"""

from __future__ import annotations

import re
from typing import Any

from ._openai import Reply, Request

JOKE = "\n\nWhy did the fish blush? Because it saw the ocean's bottom!"
SYNOPSIS = (
    "\n\nBeyond the Joystick follows five designers who refuse to make the same game twice. From a "
    "text adventure without "
    "words to a world that ages with its player, the film asks what a game may be when nobody has "
    "to win."
)
REVIEW = (
    "\n\nBeyond the Joystick is the rare documentary that trusts its subject. It never explains "
    "why games matter; it lets five "
    "stubborn people show it, frame by frame. A must-see, even for those who have never held a "
    "controller."
)
OLDEST = "The oldest living person is Ethel Caterham of Surrey, England, who is 116 years old."

_QUESTION = "oldest person"
_POWER = "116 ** 1.51"


def answer(text: str, request: Request) -> Reply | str:
    """Answer a prompt or a chat of the scenarios."""
    if request.get("messages") is not None:
        return _chat(request["messages"], text, bool(request.get("tools")))
    if "Translate a math problem" in text:
        return _math(text)
    if "Thought:" in text and _QUESTION in text:
        return _react(text)
    return _plain(text)


def _plain(text: str) -> str:
    if "play critic" in text:
        return REVIEW
    if "playwright" in text:
        return SYNOPSIS
    if "joke" in text:
        return JOKE
    if "Elizabeth" in text:
        return " 3 days"
    return " I was scripted for other questions."


def _react(text: str) -> str:
    """One step of a ReAct agent, by how many observations it has made."""
    step = text.count("Observation:") - text.count("Observation: the result of the action")
    if step == 0:
        return (
            " I need to find out who the oldest person alive is.\nAction: Search\nAction "
            "Input: "
            "oldest person alive age"
        )
    if step == 1:
        return f" Now I can raise the age to the power.\nAction: Calculator\nAction Input: {_POWER}"
    result = re.findall(r"Observation: Answer: ([0-9.]+)", text)
    number = result[-1] if result else "an unknown number"
    return (
        f" I now know the final answer.\nFinal Answer: Ethel Caterham is 116; 116 to the power "
        f"of 1.51 is {number}."
    )


def _math(text: str) -> str:
    """The form the classic math chain expects: an expression for numexpr."""
    asked = text.rsplit("Question:", 1)[-1].strip() or _POWER
    return f'\n```text\n{asked}\n```\n...numexpr.evaluate("{asked}")...\n'


def _chat(messages: list[dict[str, Any]], text: str, has_tools: bool) -> Reply | str:
    if not has_tools:
        return _plain(text).strip()
    results = [message for message in messages if message["role"] == "tool"]
    if not results:
        return Reply(
            tool_calls=(
                {
                    "id": "call_search",
                    "name": "search",
                    "arguments": {"query": "oldest person alive age"},
                },
            )
        )
    if len(results) == 1:
        return Reply(
            tool_calls=(
                {
                    "id": "call_calculator",
                    "name": "calculator",
                    "arguments": {"expression": _POWER},
                },
            )
        )
    return f"Ethel Caterham is 116 years old; 116 to the power of 1.51 is {results[-1]['content']}."
