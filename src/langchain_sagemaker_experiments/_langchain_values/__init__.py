"""LangChain values → plain JSON values: messages, prompts, documents, generations, serialized
objects, model settings.

This is the one room that knows what LangChain's objects look like. It knows nothing of spans, files
or AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .components import ComponentCache, chain_kind, name_of
from .model_settings import request_attributes, run_parameters
from .token_usage import raw_response, response_attributes

if TYPE_CHECKING:
    from .._encoding.any_value import Choose
    from .._encoding.growing_lists import FieldsOf
    from .._record.kept import Keep, Thaw


class Knowledge(NamedTuple):
    """What this room knows of LangChain's types, as the encoder takes it."""

    choose: Choose
    """A type → what converts its values; see `_convert`."""
    fields_of: FieldsOf
    """Messages → all that each is encoded from."""
    keepers: Mapping[type, Keep]
    """Type → what keeps those of its values that are nothing but texts; see `_keep`."""
    thaw: Thaw
    """What is kept → plain values."""


def know_values(*, keep_media: bool = False) -> Knowledge:
    """Return what is known of LangChain's values.

    Imported when the first handler is made: it loads all of LangChain's value classes, three times
        what its callbacks need.
    """
    from .texts import KEEPERS, thaw
    from .to_json import fields_of_messages, make_choose

    return Knowledge(make_choose(keep_media=keep_media), fields_of_messages, KEEPERS, thaw)


def graph_of(runnable: Any) -> dict[str, Any]:
    """Return LangChain's own graph of a runnable; see `_graphs`. Imported when asked for: few
    ask.
    """
    from .graphs import graph_of as make

    return make(runnable)


__all__ = [
    "ComponentCache",
    "Knowledge",
    "chain_kind",
    "graph_of",
    "know_values",
    "name_of",
    "raw_response",
    "request_attributes",
    "response_attributes",
    "run_parameters",
]
