"""Drawings of the applications, from the index: as in the report, of the newest traces of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from ..report.structure import architectures

if TYPE_CHECKING:
    from ..._query.questions import Questions

_TRACES: Final = 200
"""Traces of each application that its drawing is made of, the newest."""


def live_architectures(questions: Questions) -> list[dict[str, Any]]:
    """Return what the page draws, one for each graph and application."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for span in questions.sample(_TRACES):
        groups.setdefault(span["trace_id"], []).append({**span, "component": None})
    return architectures(groups, [orjson.loads(text) for text in questions.graphs()])
