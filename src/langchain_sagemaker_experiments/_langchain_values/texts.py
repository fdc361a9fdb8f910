"""LangChain's values that are nothing but texts → their parts, and back: prompts, messages, answers
in their plain forms.

What is written is the same as by the way of `_convert`, byte for byte. Anything more than texts
(content blocks, tool calls, usage) is left to that way, which is then the faster one. See `_kept`
for what is done with the parts.

This runs at every event of a chain, among other people's code and with nothing of it in the
processor's caches, so what counts is to do little: it knows the few forms that plain chains pass
on, one after the other, and no general one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langchain_core import messages as _messages
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
    LLMResult,
)
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue

from .._masking.masking import is_telling
from .._record.kept import SEPARATOR, SHAPE_AT, Keep
from .._record.text import LARGE_TEXT, dump_text
from .to_json import CHUNK_TYPES

_FEW: Final = 4
"""Messages of one value, up to which this is quicker."""
_FEW_NAMES: Final = 32
"""Entries of one dictionary, up to which it is."""

# Where there is one (langchain-core 1.0), it is what a message's text is, and so what a parser
# returns.
_ACCESSOR: Final = getattr(getattr(_messages, "base", None), "TextAccessor", str)
_TEXTS: Final = frozenset((str, _ACCESSOR))
_MESSAGES: Final = frozenset((AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage))
_GENERATIONS: Final = frozenset((ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk))

_DICTIONARY: Final = "dictionary"
"""name, text, name, text …"""
_MESSAGE: Final = "message"
"""type, content, name of a field, text, name of a field, text …"""
_PROMPT: Final = "prompt"
"""`{"messages": […]}`: messages, with an empty text between them, since no field has an empty
name.
"""
_BATCH: Final = "batch"
"""`{"messages": [[…]]}`, which a chat model is given."""
_RESULT: Final = "result"
"""A model's result of one generation: its text, and its message where it has one."""

_FIRST: Final = SHAPE_AT + 1
"""The first part of a value itself."""

_Parts = list[str] | tuple[str, ...] | None


def _text(value: str) -> str | None:
    return None if value[:1] == SEPARATOR else value


def _add_message(parts: list[str], value: Any) -> int:
    """Add a message's parts; tell whether it holds nothing else, and by a 2 that it is long."""
    fields = value.__dict__
    content = fields["content"]
    if type(content) is not str or value.__pydantic_extra__:
        return 0
    parts.append(fields["type"])
    parts.append(content)
    for name, item in fields.items():
        if item and name != "content" and name != "type":
            if type(item) is not str:
                return 0
            parts.append(name)
            parts.append(item)
    return 1 if len(content) < LARGE_TEXT else 2


def _messages_of(shape: str, messages: Any) -> _Parts:
    if type(messages) is not list or not 0 < len(messages) <= _FEW:
        return None
    parts = ["", shape]
    long = False
    for message in messages:
        if len(parts) > _FIRST:
            parts.append("")
        if type(message) not in _MESSAGES:
            return None
        added = _add_message(parts, message)
        if added != 1:
            if added == 0:
                return None
            long = True
    return tuple(parts) if long else parts


def _dictionary(value: dict[Any, Any]) -> _Parts:
    if len(value) > _FEW_NAMES:
        return None
    parts = ["", _DICTIONARY]
    long = False
    for name, item in value.items():
        if type(item) not in _TEXTS:
            if name != "messages" or len(value) != 1 or type(item) is not list:
                return None
            if len(item) == 1 and type(item[0]) is list:
                return _messages_of(_BATCH, item[0])
            return _messages_of(_PROMPT, item)
        if type(name) is not str or len(name) >= LARGE_TEXT:
            return None
        parts.append(name)
        parts.append(item)
        if len(item) >= LARGE_TEXT:
            if is_telling(dump_text(name)[1:-1]):
                return None  # a long text may be stored apart from its name, and then nothing would tell that it is a secret
            long = True
    return tuple(parts) if long else parts


def _message(value: Any) -> _Parts:
    parts = ["", _MESSAGE]
    added = _add_message(parts, value)
    return parts if added == 1 else tuple(parts) if added else None


def _chat_prompt(value: ChatPromptValue) -> _Parts:
    return _messages_of(_PROMPT, value.messages)


def _string_prompt(value: StringPromptValue) -> str | None:
    text = value.text
    return text if type(text) in _TEXTS and text[:1] != SEPARATOR else None


def _result(value: LLMResult) -> _Parts:
    """A result of one generation; usage and finish reasons beside its texts are more than texts."""
    fields = value.__dict__
    batches = fields["generations"]
    if fields["llm_output"] or len(batches) != 1 or len(batches[0]) != 1:
        return None
    generation = batches[0][0]
    fields = generation.__dict__
    text = fields["text"]
    if (
        type(generation) not in _GENERATIONS
        or fields["generation_info"]
        or type(text) not in _TEXTS
    ):
        return None
    parts = ["", _RESULT, text]
    message = fields.get("message")
    if message is None:
        return parts if len(text) < LARGE_TEXT else tuple(parts)
    if type(message) not in _MESSAGES:
        return None
    added = _add_message(parts, message)
    if added == 1 and len(text) < LARGE_TEXT:
        return parts
    return tuple(parts) if added else None


KEEPERS: Final[Mapping[type, Keep]] = {
    dict: _dictionary,
    ChatPromptValue: _chat_prompt,
    StringPromptValue: _string_prompt,
    LLMResult: _result,
    **dict.fromkeys(_MESSAGES, _message),
    **dict.fromkeys(_TEXTS, _text),
}


def thaw(parts: Sequence[Any]) -> Any:
    """Return the value of which these are the parts, as `_convert` makes it."""
    return _THAWERS[parts[SHAPE_AT]](parts)


def _thawed_dictionary(parts: Sequence[Any]) -> dict[str, Any]:
    plain = {}
    for place in range(_FIRST, len(parts), 2):
        plain[parts[place]] = parts[place + 1]
    return plain


def _thawed_message(
    parts: Sequence[Any], start: int = _FIRST, end: int | None = None
) -> dict[str, Any]:
    kind = parts[
        start
    ]  # in a message of nobody's making it may be so long that a reference stands for it
    plain = {
        "type": CHUNK_TYPES.get(kind, kind) if isinstance(kind, str) else kind,
        "content": parts[start + 1],
    }
    for place in range(start + 2, len(parts) if end is None else end, 2):
        plain[parts[place]] = parts[place + 1]
    return plain


def _thawed_result(parts: Sequence[Any]) -> dict[str, Any]:
    generation = {"text": parts[_FIRST]}
    if len(parts) > _FIRST + 1:
        generation["message"] = _thawed_message(parts, _FIRST + 1)
    return {"generations": [[generation]]}


def _thawed_messages(parts: Sequence[Any]) -> list[Any]:
    messages = []
    start = _FIRST
    while start < len(parts):
        end = start + 2
        while end < len(parts) and parts[end] != "":
            end += 2
        messages.append(_thawed_message(parts, start, end))
        start = end + 1
    return messages


_THAWERS: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    _DICTIONARY: _thawed_dictionary,
    _MESSAGE: _thawed_message,
    _RESULT: _thawed_result,
    _PROMPT: lambda parts: {"messages": _thawed_messages(parts)},
    _BATCH: lambda parts: {"messages": [_thawed_messages(parts)]},
}
