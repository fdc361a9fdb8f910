"""Root causes: one failing tool fails every span above it, and is one error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .schema import Record


def root_causes(group: Iterable[Record]) -> list[Record]:
    """Return the failed spans of one trace that caused their failure, in their order.

    A failed span whose failed child has the same error, type and message, only passed it on.
    """
    failures = [record for record in group if record["status"] == "error"]
    passed = {(record["parent_span_id"], *_error_of(record)) for record in failures}
    return [record for record in failures if (record["span_id"], *_error_of(record)) not in passed]


def _error_of(record: Record) -> tuple[Any, Any]:
    error = record["error"] or {}
    return str(error.get("type")), str(error.get("message"))
