"""LangChain values → plain JSON values: messages, prompts, documents, generations, serialized objects, model settings.

This is the one room that knows what LangChain's objects look like. It knows nothing of spans, files or AWS.
"""

from typing import Any

from ._components import ComponentCache, chain_kind, name_of
from ._settings import request_attributes, run_parameters
from ._usage import raw_response, response_attributes


def make_convert(*, keep_media: bool = False) -> Any:
    """Return the hook of `_convert`: a value unknown to JSON → one step nearer to it.

    Imported when the first handler is made: it loads all of LangChain's value classes, three times what its callbacks need.
    """
    from ._convert import make_convert as make

    return make(keep_media=keep_media)


__all__ = [
    "ComponentCache",
    "chain_kind",
    "make_convert",
    "name_of",
    "raw_response",
    "request_attributes",
    "response_attributes",
    "run_parameters",
]
