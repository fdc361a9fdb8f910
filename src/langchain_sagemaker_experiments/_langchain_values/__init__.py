"""LangChain values → plain JSON values: messages, prompts, documents, generations, serialized
objects, model settings.

This is the one room that knows what LangChain's objects look like. It knows nothing of spans, files
or AWS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .components import ComponentCache, chain_kind, name_of
from .model_settings import request_attributes, run_parameters
from .token_usage import raw_response, response_attributes

if TYPE_CHECKING:
    from .._encoding.any_value import Choose
    from .._encoding.growing_lists import FieldsOf


class ValueKinds(NamedTuple):
    """What this wing knows of LangChain's types, as the encoder takes it."""

    choose: Choose
    """A type → what converts its values; see `to_json`."""
    fields_of: FieldsOf
    """Messages → the fields that each is encoded from."""


def value_kinds(*, keep_media: bool = False) -> ValueKinds:
    """Return what is known of LangChain's values.

    Imported when the first handler is made: it loads all of LangChain's value classes, three times
    what its callbacks need.
    """
    from .to_json import fields_of_messages, make_choose

    return ValueKinds(make_choose(keep_media=keep_media), fields_of_messages)


def has_content(chunk: Any) -> bool:
    """Return True if a streamed chunk without text holds content; see `to_json`."""
    from .to_json import has_content as check

    return chunk is not None and check(chunk)


def graph_of(runnable: Any) -> dict[str, Any]:
    """Return LangChain's own graph of a runnable; see `_graphs`. Imported when asked for: few
    ask.
    """
    from .graphs import graph_of as make

    return make(runnable)


__all__ = [
    "ComponentCache",
    "ValueKinds",
    "chain_kind",
    "graph_of",
    "has_content",
    "name_of",
    "raw_response",
    "request_attributes",
    "response_attributes",
    "run_parameters",
    "value_kinds",
]
