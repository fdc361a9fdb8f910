"""Inputs and outputs of model calls → the messages of the GenAI conventions: roles, and parts of
text, tool calls, results.

The form is that of `gen-ai-input-messages.json` and `gen-ai-output-messages.json` of the
conventions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Message = dict[str, Any]

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "tool": "tool",
}
_REASONS: Final = {
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "end_turn": "stop",
    "max_tokens": "length",
}


def input_messages(inputs: Any) -> list[Message]:
    """Return the messages a model was given: of a chat, or a prompt as a user's message."""
    if not isinstance(inputs, Mapping):
        return []
    prompts = inputs.get("prompts")
    if isinstance(prompts, list):
        return [
            {"role": "user", "parts": [{"type": "text", "content": str(prompt)}]}
            for prompt in prompts
        ]
    batches = inputs.get("messages")
    if not isinstance(batches, list):
        return []
    messages = [
        message for batch in batches for message in (batch if isinstance(batch, list) else [batch])
    ]
    return [_message(message) for message in messages if isinstance(message, Mapping)]


def output_messages(outputs: Any) -> list[Message]:
    """Return the answers of a model, each with why it ended."""
    if not isinstance(outputs, Mapping) or not isinstance(outputs.get("generations"), list):
        return []
    found = []
    for batch in outputs["generations"]:
        for generation in batch if isinstance(batch, list) else [batch]:
            if isinstance(generation, Mapping):
                found.append(_answer(generation))
    return found


def _answer(generation: Mapping[str, Any]) -> Message:
    message = generation.get("message")
    if isinstance(message, Mapping):
        answer = _message(message)
    else:
        answer = {
            "role": "assistant",
            "parts": [{"type": "text", "content": str(generation.get("text", ""))}],
        }
    told = {
        **_mapping(_mapping(message).get("response_metadata")),
        **_mapping(generation.get("generation_info")),
    }
    reason = told.get("finish_reason") or told.get("stop_reason")
    answer["finish_reason"] = _REASONS.get(str(reason), str(reason)) if reason else "stop"
    return answer


def _message(message: Mapping[str, Any]) -> Message:
    kind = str(message.get("type", ""))
    if kind == "tool":
        answer = {
            "type": "tool_call_response",
            "id": message.get("tool_call_id"),
            "response": message.get("content"),
        }
        return {"role": "tool", "parts": [answer]}
    parts = _parts(message.get("content"))
    for call in message.get("tool_calls") or ():
        if isinstance(call, Mapping):
            parts.append(
                {
                    "type": "tool_call",
                    "id": call.get("id"),
                    "name": str(call.get("name")),
                    "arguments": call.get("args"),
                }
            )
    # A chat message of a role of its own names it.
    return {"role": _ROLES.get(kind) or str(message.get("role") or kind or "user"), "parts": parts}


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    parts: list[dict[str, Any]] = []
    for block in content if isinstance(content, list) else [] if content is None else [content]:
        if isinstance(block, str):
            parts.append({"type": "text", "content": block})
        elif isinstance(block, Mapping) and isinstance(block.get("text"), str):
            parts.append({"type": "text", "content": block["text"]})
        elif isinstance(block, Mapping) and isinstance(
            thought := block.get("reasoning") or block.get("thinking"), str
        ):
            parts.append({"type": "reasoning", "content": thought})
        elif (
            isinstance(block, Mapping) and block.get("type") != "tool_use"
        ):  # a tool call, which `tool_calls` tells
            parts.append(
                {
                    "type": str(block.get("type", "unknown")),
                    **{k: v for k, v in block.items() if k != "type"},
                }
            )
    return parts


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
