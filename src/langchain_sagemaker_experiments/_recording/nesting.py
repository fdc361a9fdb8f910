"""Which span a new one lies in: LangChain's runs and spans by hand nest in either direction."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from .live_span import LiveSpan

innermost: ContextVar[tuple[UUID, UUID | None] | None] = ContextVar(
    "sagemaker_manual_span", default=None
)
"""The innermost span by hand of this context, and the LangChain run it was opened in."""

# LangChain's own variable of the configuration that nested calls inherit.
_child_config: ContextVar[Any] = ContextVar("no_langchain_yet", default=None)


def connect() -> None:
    """Find LangChain's variable. Done when a handler is made: its module loads much that an import
    of this one need not.
    """
    global _child_config
    from langchain_core.runnables.config import var_child_runnable_config

    _child_config = var_child_runnable_config


def langchain_run() -> UUID | None:
    """Return the LangChain run whose code is being executed in this context."""
    config = _child_config.get()
    return getattr(config.get("callbacks"), "parent_run_id", None) if config else None


def parent_here(
    open_spans: Mapping[int, LiveSpan], parent_run_id: UUID | None = None
) -> UUID | None:
    """Return the parent of what starts in this context and, as LangChain says, in `parent_run_id`.

    LangChain names none where a call was given callbacks of its own, as `with_fallbacks` does with
    those of the outer call; it still lies in the run whose code makes it. A span by hand that was
    opened in that very run goes between.

    Args:
        open_spans: the open spans by the run id's integer.
        parent_run_id: the parent that LangChain names.
    """
    if parent_run_id is None:
        running = langchain_run()
        if running is not None and running.int in open_spans:
            parent_run_id = running
    by_hand = innermost.get()
    if by_hand is not None and by_hand[1] == parent_run_id and by_hand[0].int in open_spans:
        return by_hand[0]
    return parent_run_id
