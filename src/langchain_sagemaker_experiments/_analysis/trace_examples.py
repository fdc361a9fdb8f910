"""`examples_from_spans`: examples made of recorded traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._record.cells import has_value
from .examples import Example, Examples, make_examples
from .traces import group_by_trace, roots_of, rows_of, trace_row

if TYPE_CHECKING:
    import pandas as pd


def examples_from_spans(
    spans: pd.DataFrame,
    *,
    where: Callable[[dict[str, Any]], bool] | None = None,
    name: str | None = None,
    corrected_only: bool = False,
) -> Examples:
    """Make examples of recorded traces.

    Args:
        spans: what `load_spans` gave, or a part of it.
        where: takes the row of a trace as `trace_table` has it, scores included, and says whether
            it becomes an example; by default those that ended well do.
        name: in place of the roots, the spans of this name.
        corrected_only: only those for which a human gave corrected outputs.

    Returns:
        The examples. `reference_outputs` are the corrected outputs where `log_score` was given a
        `correction`, else what was recorded. `metadata` names `trace_id` and `span_id`.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    found: list[Example] = []
    for group in group_by_trace(rows_of(spans)).values():
        row = trace_row(group)
        if not (where(row) if where is not None else row["status"] == "ok"):
            continue
        chosen = roots_of(group)[:1] if name is None else [r for r in group if r["name"] == name]
        for record in chosen:
            correction = _correction(group, record)
            if correction is None and corrected_only:
                continue
            found.append(_example(record, correction))
    return make_examples(found)


def example_of_span(group: list[Any], span_id: str | None = None) -> Example:
    """Return the example of one span of a trace, or of its root; its id is that of the span.

    Args:
        group: the spans of the trace, with their scores.
        span_id: the span; the root by default.

    Raises:
        LookupError: there is no such span.
        ValueError: it has no inputs.
    """
    chosen = roots_of(group)[:1] if span_id is None else group
    record = next((one for one in chosen if span_id in (None, one["span_id"])), None)
    if record is None:
        raise LookupError(f"There is no span {span_id} in this trace.")
    if not has_value(record["inputs"]):
        raise ValueError("This span has no recorded inputs, so it is no example.")
    example = {**_example(record, _correction(group, record)), "id": record["span_id"]}
    return make_examples([example])[0]


def _example(record: Mapping[str, Any], correction: Any) -> Example:
    return {
        "inputs": record["inputs"],
        "reference_outputs": record["outputs"] if correction is None else correction,
        "metadata": {"trace_id": record["trace_id"], "span_id": record["span_id"]},
    }


def _correction(group: list[Any], record: Mapping[str, Any]) -> Any:
    """The newest correction that a human gave to this span, or to its trace if it is the root."""
    whole = record["parent_span_id"] is None
    scores = [score for one in group for score in one.get("scores") or ()]
    fitting = [
        score
        for score in scores
        if score.get("correction") is not None
        and score["source"] == "human"
        and (score["span_id"] == record["span_id"] or (whole and score["span_id"] is None))
    ]
    return max(fitting, key=lambda s: (s["time"], s["score_id"]))["correction"] if fitting else None
