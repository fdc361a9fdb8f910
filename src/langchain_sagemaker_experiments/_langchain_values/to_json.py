"""The conversion hook of the encoder: one step from a LangChain object towards plain JSON. Chosen
once for each type.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import Generation, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue

from .._encoding.any_value import (
    Choose,
    Convert,
    LargeText,
    LongList,
)
from .._encoding.growing_lists import MANY
from .._encoding.media import describe_bytes, describe_media
from .._record.text import LARGE_TEXT

_MEDIA_KEYS: Final = ("data", "base64", "bytes", "file_data")
CHUNK_TYPES: Final[Mapping[str, str]] = {
    "AIMessageChunk": "ai",
    "HumanMessageChunk": "human",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "FunctionMessageChunk": "function",
    "ChatMessageChunk": "chat",
}
"""What a stream adds up to is the same message as an answer in one piece."""
_is_filled: Final = itemgetter(1)
"""Of a field, given as name and value, the value: true where it is not empty."""
_MIN_MEDIA_CHARS: Final = 64
"""Shorter values under these keys are taken for text, not for base64."""


def make_choose(*, keep_media: bool = False) -> Choose:
    """Return what knows LangChain's types: a type → the step from its values towards plain JSON,
    None for other types.

    Args:
        keep_media: leave base64 data in message content as it is.
    """
    known = ((BaseMessage, _whole_message if keep_media else message), *_CONVERTERS)
    return lambda cls: next((converter for base, converter in known if issubclass(cls, base)), None)


_MAX_CLASSES: Final = 4_096
"""Message classes that are remembered; classes made at run time could otherwise pile up."""
_message_classes: set[type] = set()


def fields_of_messages(items: list[Any]) -> list[dict[str, Any]] | None:
    """Of each message all that it is encoded from, the very dictionary of its fields; None when not
    all are messages.
    """
    unknown = set(map(type, items)) - _message_classes
    if unknown:
        if not all(issubclass(cls, BaseMessage) for cls in unknown):
            return None
        if len(_message_classes) < _MAX_CLASSES:
            _message_classes.update(unknown)
    # Fields that a user's code added lie elsewhere.
    # A list: a generator takes twice the time.
    if any([item.__pydantic_extra__ for item in items]):  # noqa: C419
        return None
    return [item.__dict__ for item in items]


def _list(items: Any) -> Any:
    """A long list is marked, so that the encoder can keep the part of it that it knows."""
    return LongList(items) if type(items) is list and len(items) >= MANY else items


def media_free(content: Any) -> Any:
    """Content blocks with embedded base64 replaced by media type, size and SHA-256. Addresses and
    text stay.
    """
    if isinstance(content, list):
        return [
            media_free(block) if isinstance(block, (dict, list)) else block for block in content
        ]
    if not isinstance(content, dict):
        return content
    plain: dict[Any, Any] = {}
    for key, value in content.items():
        if key in _MEDIA_KEYS and _is_media(value):
            plain[key] = describe_media(_media_type(content), value)
        elif isinstance(value, (dict, list)):
            plain[key] = media_free(_with_format(content, value))
        elif isinstance(value, (bytes, bytearray)):
            plain[key] = describe_bytes(value)
        else:
            plain[key] = value
    plain.pop(_FORMAT, None)
    return plain


_FORMAT: Final = object()


def _with_format(outer: dict[Any, Any], inner: Any) -> Any:
    """Hand the outer block's format to an inner source that has none (Bedrock: `{"format": "png",
    "source": {"bytes": …}}`).
    """
    if isinstance(inner, dict) and "format" in outer and not _names_type(inner):
        return {**inner, _FORMAT: outer["format"]}
    return inner


def _names_type(block: dict[Any, Any]) -> bool:
    return any(name in block for name in ("mime_type", "media_type", "format"))


def _is_media(value: Any) -> bool:
    if isinstance(value, (bytes, bytearray)):
        return True
    return (
        isinstance(value, str)
        and len(value) >= _MIN_MEDIA_CHARS
        and not value.startswith("data:")
        and " " not in value[:200]
    )


def _media_type(block: dict[Any, Any]) -> str:
    for name in ("mime_type", "media_type", "format", _FORMAT):
        if block.get(name):
            return str(block[name])
    return str(block.get("type", "application/octet-stream"))


def message(value: BaseMessage, media_free: Convert = media_free) -> dict[str, Any]:
    """A message as its `type`, `content` and whatever else it holds, without embedded media; empty
    fields are left out.
    """
    fields = value.__dict__
    kind, content = fields["type"], fields["content"]
    plain = {"type": kind, "content": content}  # these two first, for who reads the file
    plain.update(filter(_is_filled, fields.items()))
    if type(content) is not str:
        plain["content"] = media_free(content)
    elif len(content) >= LARGE_TEXT:
        plain["content"] = LargeText(content)
    if kind in CHUNK_TYPES:
        plain["type"] = CHUNK_TYPES[kind]
    extra = value.__pydantic_extra__
    if extra:
        plain.update(extra)
    return plain


def _whole_message(value: BaseMessage) -> dict[str, Any]:
    return message(value, lambda content: content)


def _text(value: Any) -> Any:
    """A long text is marked, so that the encoder can keep it by reference."""
    return LargeText(value) if type(value) is str and len(value) >= LARGE_TEXT else value


def generation(value: Generation) -> dict[str, Any]:
    """A generation as `text`, `message` (chat models) and `generation_info`."""
    fields = value.__dict__
    plain: dict[str, Any] = {"text": _text(fields["text"])}
    for name in ("message", "generation_info"):
        if fields.get(name):
            plain[name] = fields[name]
    return plain


def llm_result(value: LLMResult) -> dict[str, Any]:
    """A whole result of a model: `generations`, one list for each prompt, and `llm_output`."""
    plain: dict[str, Any] = {"generations": value.generations}
    if value.llm_output:
        plain["llm_output"] = value.llm_output
    return plain


def document(value: Document) -> dict[str, Any]:
    """A document as `page_content`, `metadata` (with its score where the retriever gives one) and
    `id`.
    """
    fields = value.__dict__
    plain: dict[str, Any] = {
        "page_content": _text(fields["page_content"]),
        "metadata": fields["metadata"],
    }
    if fields.get("id"):
        plain["id"] = fields["id"]
    return plain


def _prompt_value(value: PromptValue) -> Any:
    return {"messages": _list(list(value.to_messages()))}


def _string_prompt(value: StringPromptValue) -> Any:
    return _text(value.text)


def _chat_prompt(value: ChatPromptValue) -> Any:
    return {"messages": _list(value.messages)}


def _agent_action(value: AgentAction) -> dict[str, Any]:
    plain: dict[str, Any] = {"tool": value.tool, "tool_input": value.tool_input, "log": value.log}
    messages = getattr(value, "message_log", None)
    if messages:
        plain["message_log"] = messages
    return plain


def _agent_finish(value: AgentFinish) -> dict[str, Any]:
    return {"return_values": value.return_values, "log": value.log}


_CONVERTERS: Final[tuple[tuple[type, Convert], ...]] = (
    (ChatPromptValue, _chat_prompt),
    (StringPromptValue, _string_prompt),
    (PromptValue, _prompt_value),
    (Document, document),
    (Generation, generation),
    (LLMResult, llm_result),
    (AgentAction, _agent_action),
    (AgentFinish, _agent_finish),
)


def has_content(chunk: Any) -> bool:
    """Return True if a streamed chunk without text holds content: a piece of a tool call,
    reasoning.

    The first chunk of many models has only a role, usage or filter results.
    """
    message = getattr(chunk, "message", chunk)
    if getattr(message, "tool_call_chunks", None):
        return True
    content = getattr(message, "content", None)
    if isinstance(content, list):
        return any(not isinstance(block, dict) or len(block) > 2 for block in content)
    extra = getattr(message, "additional_kwargs", None)
    return bool(content or (isinstance(extra, dict) and extra.get("reasoning_content")))
