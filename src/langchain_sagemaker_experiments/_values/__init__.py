"""LangChain values → plain JSON values: messages, prompts, documents, generations, serialized objects, model settings.

This is the one room that knows what LangChain's objects look like. It knows nothing of spans, files or AWS.
"""

from typing import Any

from ._components import ComponentCache, chain_kind, name_of
from ._settings import request_attributes, run_parameters
from ._usage import raw_response, response_attributes


def make_choose(*, keep_media: bool = False) -> tuple[Any, Any]:
    """Return what `_convert` knows of LangChain's types, as the encoder takes it, and what tells the fields of messages.

    Imported when the first handler is made: it loads all of LangChain's value classes, three times what its callbacks need.
    """
    from ._convert import fields_of_messages
    from ._convert import make_choose as make

    return make(keep_media=keep_media), fields_of_messages


def graph_of(runnable: Any) -> dict[str, Any]:
    """Return LangChain's own graph of a runnable; see `_graphs`. Imported when asked for: few ask."""
    from ._graphs import graph_of as make

    return make(runnable)


__all__ = [
    "ComponentCache",
    "chain_kind",
    "graph_of",
    "make_choose",
    "name_of",
    "raw_response",
    "request_attributes",
    "response_attributes",
    "run_parameters",
]
