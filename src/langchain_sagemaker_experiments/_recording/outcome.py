"""Exceptions and results of the user's program → status and error of a span."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any, Final

from .._encoding.any_value import type_name
from .._record.limits import MAX_STACKTRACE_CHARS
from .._record.schema import Status
from .._record.text import clean_text

_MAX_CHAIN: Final = 10
"""Exceptions of one chain of causes that are looked at."""
_MAX_TRACE_CHARS: Final = 50 * MAX_STACKTRACE_CHARS
"""Characters of a stack trace that the writer is given. It masks secrets before it cuts."""
_MAX_SHOWN: Final = 10
"""Exceptions of a group that its message names."""


def status_of(error: BaseException) -> Status:
    """Return what an exception means: LangGraph's control flow interrupts or hands over, a
    cancelled or closed task is no error.
    """
    if isinstance(error, (GeneratorExit, KeyboardInterrupt, SystemExit)):
        return "cancelled"
    names = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(error).__mro__}
    # By name, so that LangGraph need not be installed. A ParentCommand hands over to the parent
    # graph and waits for nobody; any other GraphBubbleUp waits for a human.
    if ("langgraph", "ParentCommand") in names:
        return "ok"
    if ("langgraph", "GraphBubbleUp") in names:
        return "interrupted"
    if any(name == "CancelledError" for _, name in names):
        return "cancelled"
    return "error"


def describe_error(error: BaseException, *, content: bool = True) -> dict[str, str]:
    """Return type, message and stack trace of an exception; nothing in it can make this raise.

    Args:
        error: the exception.
        content: False leaves the message out, which may quote what the application works on, and
            of the stack trace all but files, lines and functions.
    """
    kind = type(error).__name__
    if not content:
        frames = traceback.extract_tb(error.__traceback__)
        places = "".join(f'  File "{f.filename}", line {f.lineno}, in {f.name}\n' for f in frames)
        return {"type": kind, "message": "", "stacktrace": places[-MAX_STACKTRACE_CHARS:]}
    try:
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        trace = clean_text(trace)
    except BaseException as failure:
        trace = f"<no stack trace: {type(failure).__name__}>"
    return {"type": kind, "message": _message(error), "stacktrace": trace[-_MAX_TRACE_CHARS:]}


def _message(error: BaseException) -> str:
    try:
        message = clean_text(str(error))
    except BaseException as failure:
        return f"<{type_name(error)}: str failed: {type(failure).__name__}>"
    inner = getattr(error, "exceptions", None)
    if not isinstance(inner, tuple) or not inner:
        return message
    causes = [f"{type(one).__name__}: {_message(one)}" for one in inner[:_MAX_SHOWN]]
    more = f"; and {len(inner) - _MAX_SHOWN} more" if len(inner) > _MAX_SHOWN else ""
    return f"{message}: {'; '.join(causes)}{more}"


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, the nearest first."""
    current: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if current is None:
            return
        yield current
        current = current.__cause__ or current.__context__


def error_of_result(output: Any) -> str | None:
    """Return the message of a tool that gave its error back as data, else None.

    `ToolNode`, `handle_tool_error` and MCP adapters return a ToolMessage with status `error`.
    """
    if getattr(output, "type", None) == "tool" and getattr(output, "status", None) == "error":
        content = output.content
        return clean_text(content) if isinstance(content, str) else ""
    return None
