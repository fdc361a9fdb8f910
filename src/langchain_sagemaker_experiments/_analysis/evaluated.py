"""One run or evaluation as its examples: scores, failures, outputs, latency and tokens of each.

A trace belongs to an example if its root's metadata says so; `evaluate` writes that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from .._reading.load import load_spans
from .._record.evaluation_marks import EVALUATION_ID, EXAMPLE_HASH, EXAMPLE_ID, REPETITION
from .._record.model_facts import MODEL_KINDS, model_of, tokens_of
from .._record.schema import Record
from .._record.score import number_of
from ..exceptions import SpanReadError
from .statistics import mean_by_example
from .traces import group_by_trace, roots_of, rows_of, trace_row

if TYPE_CHECKING:
    import pandas as pd

Prices = Mapping[str, tuple[float, float]]
"""Model → price of 1,000,000 input tokens and of 1,000,000 output tokens."""
_FIGURES: Final = ("latency_ms", "input_tokens", "output_tokens", "cost")
_YES_NO: Final = (0.0, 1.0)


@dataclass
class Attempt:
    """One trace of a repetition of an example.

    Attributes:
        row: the trace as `trace_table` has it.
        scores: its scores, those without a value too.
        cost: of its model calls; NaN without prices.
    """

    example: str
    example_hash: str | None
    repetition: int
    evaluation: str
    row: dict[str, Any]
    scores: list[dict[str, Any]]
    cost: float

    @property
    def counts(self) -> bool:
        """An attempt that was interrupted has neither scores nor an error: it does not count."""
        return bool(self.scores) or self.row["status"] == "error"


@dataclass
class Evaluated:
    """The examples of one side of a comparison.

    Attributes:
        name: what people call it.
        attempts: the traces that count, by example.
        hashes: content hash of each example, where it is known.
    """

    name: str
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def examples(self) -> set[str]:
        """Ids of the examples."""
        return set(self.attempts)

    @property
    def keys(self) -> set[str]:
        """Keys with a number, or an error of their evaluator."""
        return {
            score["key"]
            for attempts in self.attempts.values()
            for attempt in attempts
            for score in attempt.scores
            if score.get("error") or number_of(score.get("score")) is not None
        }

    def observations(self, key: str, errors: Literal["skip", "zero"]) -> list[tuple[str, float]]:
        """Return pairs of example and score, one for each repetition, of the traces that count."""
        found: list[tuple[str, float]] = []
        for example, attempts in self.attempts.items():
            for attempt in attempts:
                values = _numbers(attempt, key)
                if values:
                    found.append((example, math.fsum(values) / len(values)))
                elif errors == "zero" and _failed(attempt, key):
                    found.append((example, 0.0))
        return found

    def means(self, key: str, errors: Literal["skip", "zero"]) -> dict[str, float]:
        """Return the mean score of each example, over its repetitions."""
        return mean_by_example(self.observations(key, errors))

    def is_yes_no(self, key: str) -> bool:
        """Return True if every score is a yes or no, and no example has more than one."""
        found = self.observations(key, "zero")
        single = len({example for example, _ in found}) == len(found)
        return single and all(value in _YES_NO for _, value in found)

    def failures(self, keys: Iterable[str]) -> set[str]:
        """Return the examples of which the target, or an evaluator of these keys, failed."""
        chosen = list(keys)
        return {
            example
            for example, attempts in self.attempts.items()
            if any(_failed(attempt, key) for attempt in attempts for key in chosen)
        }

    def shown(self, example: str) -> dict[str, Any]:
        """Return inputs, outputs and trace id of an example's first repetition."""
        attempts = self.attempts.get(example)
        row = attempts[0].row if attempts else {}
        return {name: row.get(name) for name in ("inputs", "outputs", "trace_id")}

    def figures(self) -> dict[str, float]:
        """Return how many examples and traces there are, and means of the traces."""
        attempts = [one for found in self.attempts.values() for one in found]
        rows = [
            {**attempt.row, "latency_ms": attempt.row["duration_ms"], "cost": attempt.cost}
            for attempt in attempts
        ]
        means = {name: _mean(row[name] for row in rows) for name in _FIGURES}
        return {"examples": len(self.attempts), "traces": len(rows), **means}


def _numbers(attempt: Attempt, key: str) -> list[float]:
    values = [number_of(s.get("score")) for s in attempt.scores if s["key"] == key]
    return [value for value in values if value is not None]


def _failed(attempt: Attempt, key: str) -> bool:
    if _numbers(attempt, key):
        return False
    if attempt.row["status"] == "error":
        return True
    return any(score["key"] == key and score.get("error") for score in attempt.scores)


def _mean(values: Iterable[Any]) -> float:
    found = [float(value) for value in values if value is not None and value == value]
    return math.fsum(found) / len(found) if found else math.nan


# --- from spans ---------------------------------------------------------------------------------
def evaluated_examples(
    source: Any,
    chosen: Any,
    *,
    sagemaker_session: Any = None,
    prices: Prices | None = None,
) -> Evaluated:
    """Return the examples of a run or an evaluation.

    Args:
        source: a frame of `load_spans`, what it takes, or None where `chosen` is a run or a result.
        chosen: the name of a run, the id of an evaluation, a run, or a result of `evaluate`.
        sagemaker_session: whose credentials and region to use.
        prices: model → dollars per million tokens of input and output.

    Raises:
        SpanReadError: there is no such run or evaluation, or it has no scores of examples.
    """
    name, wanted, own = _named(chosen)
    spans = own if source is None else source
    if not _is_frame(spans):
        spans = load_spans(spans, sagemaker_session=sagemaker_session)
    attempts = [one for one in _attempts(spans, prices) if _is_wanted(one, wanted)]
    found = Evaluated(name)
    newest = _newest_evaluations(attempts)
    for attempt in attempts:
        if attempt.counts and newest.get(attempt.example) == attempt.evaluation:
            found.attempts.setdefault(attempt.example, []).append(attempt)
            if attempt.example_hash is not None:
                found.hashes[attempt.example] = attempt.example_hash
    found.attempts = {e: _last_of_each_repetition(a) for e, a in found.attempts.items()}
    if not found.attempts:
        raise SpanReadError(
            f"{name} has no scores of examples: no run and no evaluation of this name was found "
            "among the spans, or `evaluate` was not called for it."
        )
    return found


def _named(chosen: Any) -> tuple[str, str, Any]:
    """Name, what traces must bear, and what to load where no source is given."""
    evaluation_id = getattr(chosen, "evaluation_id", None)
    if isinstance(evaluation_id, str):
        run_name = getattr(getattr(chosen, "run", None), "run_name", None) or evaluation_id
        return f"{run_name}", evaluation_id, getattr(chosen, "run", None)
    run_name = getattr(chosen, "run_name", None)
    if isinstance(run_name, str):
        return run_name, run_name, chosen
    if isinstance(chosen, str):
        return chosen, chosen, None
    raise TypeError(
        "baseline and candidate must be the name of a run, the id of an evaluation, a run, or a "
        f"result of evaluate, not {type(chosen).__name__}."
    )


def _is_frame(source: Any) -> bool:
    return hasattr(source, "columns") and hasattr(source, "loc")


def _is_wanted(attempt: Attempt, wanted: str) -> bool:
    run_name = attempt.row.get("run_name")
    # SageMaker takes names in lower case.
    return attempt.evaluation == wanted or (
        isinstance(run_name, str) and run_name.lower() == wanted.lower()
    )


def _attempts(spans: pd.DataFrame, prices: Prices | None) -> Iterable[Attempt]:
    for group in group_by_trace(rows_of(spans)).values():
        root = roots_of(group)[0]
        marks = root["metadata"] if isinstance(root["metadata"], Mapping) else {}
        if not isinstance(marks.get(EXAMPLE_ID), str) or root["kind"] == "evaluator":
            continue
        yield Attempt(
            example=marks[EXAMPLE_ID],
            example_hash=marks.get(EXAMPLE_HASH),
            repetition=int(marks.get(REPETITION) or 0),
            evaluation=str(marks.get(EVALUATION_ID)),
            row=trace_row(group),
            scores=[score for record in group for score in _scores(record)],
            cost=_cost(group, prices) if prices is not None else math.nan,
        )


def _scores(record: Record) -> list[dict[str, Any]]:
    found = record.get("scores")
    return found if isinstance(found, list) else []


def _newest_evaluations(attempts: Iterable[Attempt]) -> dict[str, str]:
    """The evaluation that counts for an example: of several in one run the one begun last."""
    begun: dict[str, Any] = {}
    of_example: dict[str, set[str]] = {}
    for attempt in attempts:
        start = attempt.row["start_time"]
        begun[attempt.evaluation] = max(begun.get(attempt.evaluation, start), start)
        if attempt.counts:
            of_example.setdefault(attempt.example, set()).add(attempt.evaluation)
    return {example: max(found, key=begun.__getitem__) for example, found in of_example.items()}


def _last_of_each_repetition(attempts: list[Attempt]) -> list[Attempt]:
    """One attempt a repetition: one with scores before one that failed, else the later."""
    chosen: dict[int, Attempt] = {}
    for attempt in attempts:
        known = chosen.get(attempt.repetition)
        if known is None or _order(attempt) >= _order(known):
            chosen[attempt.repetition] = attempt
    return [chosen[repetition] for repetition in sorted(chosen)]


def _order(attempt: Attempt) -> tuple[bool, Any]:
    return bool(attempt.scores), attempt.row["start_time"]


def _cost(group: list[Record], prices: Prices) -> float:
    total = 0.0
    for record in group:
        if record["kind"] in MODEL_KINDS:
            attributes = record["attributes"]
            price = prices.get(model_of(attributes) or "", (math.nan, math.nan))
            for side, of_side in zip(("input", "output"), price, strict=True):
                tokens = tokens_of(attributes, side)  # type: ignore[arg-type]
                total += (tokens or 0) * of_side / 1e6
    return total
