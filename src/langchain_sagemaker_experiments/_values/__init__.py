"""LangChain values → plain JSON values: messages, prompts, documents, generations, serialized objects, model settings.

This is the one room that knows what LangChain's objects look like. It knows nothing of spans, files or AWS.
"""

from ._components import ComponentCache, chain_kind, name_of
from ._convert import make_convert
from ._settings import request_attributes, run_parameters
from ._usage import raw_response, response_attributes

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
