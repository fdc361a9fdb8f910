"""Exceptions of the user's program → status and error of a span."""

from __future__ import annotations

import traceback

from .._encoding.any_value import type_name
from .._record.limits import MAX_STACKTRACE_CHARS
from .._record.schema import Status
from .._record.text import clean_text


def status_of(error: BaseException) -> Status:
    """Return what an exception means: LangGraph's control flow interrupts, a cancelled or closed
    task is no error.
    """
    if isinstance(error, (GeneratorExit, KeyboardInterrupt, SystemExit)):
        return "cancelled"
    for cls in type(error).__mro__:
        # By name, so that LangGraph need not be installed: GraphBubbleUp is the base of all its
        # control flow.
        if cls.__name__ == "GraphBubbleUp" and cls.__module__.startswith("langgraph"):
            return "interrupted"
        if cls.__name__ == "CancelledError":
            return "cancelled"
    return "error"


def describe_error(error: BaseException) -> dict[str, str]:
    """Return type, message and stack trace of an exception; nothing in it can make this raise."""
    try:
        message = clean_text(str(error))
    except Exception as failure:
        message = f"<{type_name(error)}: str failed: {type(failure).__name__}>"
    try:
        trace = clean_text(
            "".join(traceback.format_exception(type(error), error, error.__traceback__))
        )
    except Exception as failure:
        trace = f"<no stack trace: {type(failure).__name__}>"
    return {
        "type": type(error).__name__,
        "message": message,
        "stacktrace": trace[-MAX_STACKTRACE_CHARS:],
    }
