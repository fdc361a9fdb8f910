"""Two runs side by side, example by example: what `compare_scores` says, as the page shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

from ..._analysis.preview import preview
from ..._analysis.scores import compare_scores
from ..._record.evaluation_marks import EXAMPLE_ID
from ..._record.schema import Record
from ...exceptions import TrackerError

if TYPE_CHECKING:
    import pandas as pd

_PREVIEW: Final = 200
_MAX_ROWS: Final = 1_000
_MAX_RUNS: Final = 4
"""Runs of a report that are compared with each other in advance."""


def score_pair(spans: pd.DataFrame, baseline: str, candidate: str) -> dict[str, Any]:
    """Return verdicts and examples, the worst first; `error` where the runs can't be compared."""
    try:
        found = compare_scores(spans, baseline=baseline, candidate=candidate)
    except (TrackerError, ValueError) as error:
        return {"error": str(error)}
    rows = found.examples.head(_MAX_ROWS).to_dict("records")
    return {"text": str(found), "rows": [_row(row) for row in rows]}


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    numbers = {name: _number(row[name]) for name in ("difference", "baseline", "candidate")}
    outputs = {
        name: preview(row[name], _PREVIEW) for name in ("baseline_outputs", "candidate_outputs")
    }
    return {
        "key": row["key"],
        "example": str(row["example_id"]),
        "inputs": preview(row["inputs"], _PREVIEW),
        "baseline_trace": row["baseline_trace_id"],
        "candidate_trace": row["candidate_trace_id"],
        **numbers,
        **outputs,
    }


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def score_pairs(spans: pd.DataFrame, groups: Iterable[list[Record]]) -> dict[str, Any]:
    """Return the pairs of a report under `baseline` and `candidate` as a JSON list would name them:
    of the first runs that evaluated examples.
    """
    runs = dict.fromkeys(
        str(group[0].get("run_name"))
        for group in groups
        if EXAMPLE_ID in (group[0]["metadata"] or {})
    )
    chosen = list(runs)[:_MAX_RUNS]
    return {"\n".join(pair): score_pair(spans, *pair) for pair in permutations(chosen, 2)}
