"""The few ways in which tests look into a handler."""

from __future__ import annotations

from typing import Any

from langchain_sagemaker_experiments._masking import masking


def open_spans(handler: Any) -> Any:
    """What keeps the spans that are open."""
    return handler._parts.open_spans


def capture(handler: Any) -> Any:
    """What opens, fills in and closes spans."""
    return handler._parts.capture


def pipeline(handler: Any) -> Any:
    """What brings finished spans to their destination."""
    return handler._parts.route.outlet.pipeline


def outlet(handler: Any) -> Any:
    """What sends finished spans."""
    return handler._parts.route.outlet


def faults(handler: Any) -> dict[str, int]:
    """Faults since the last flush."""
    counts: dict[str, int] = handler._parts.faults.counts
    return counts


def redacting() -> bool:
    """Whether a handler lives whose `redact=` sees what the log quotes."""
    return bool(masking._redacting)
