"""What evaluators said of a call → score records; how they failed → records that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .._record.score import (
    checked_key,
    checked_value,
    evaluation_score_id,
    make_result,
    make_score,
)
from .cases import Case
from .evaluators import Evaluator, Judgement
from .targets import described

Answer = tuple[Any, BaseException | None, bool]
"""An evaluator's result, what it raised, and whether it called a model."""


@dataclass(frozen=True)
class Verdict:
    """What an evaluator said, or how it failed.

    Attributes:
        name: the evaluator.
        judgements: what it said; empty if it failed.
        error: type and message of what it raised.
        by_model: whether it called a model.
    """

    name: str
    judgements: list[Judgement]
    error: dict[str, str] | None
    by_model: bool


def verdict_of(evaluator: Evaluator, answer: Answer) -> Verdict:
    """Return what an evaluator said. A result that is no score is a failure of the evaluator."""
    result, error, by_model = answer
    if error is None:
        try:
            judgements = evaluator.judgements(result)
            for one in judgements:
                checked_key(one.key)
                checked_value(one.score)
            return Verdict(evaluator.name, judgements, None, by_model)
        except (TypeError, ValueError) as wrong:
            error = wrong
    return Verdict(evaluator.name, [], described(error), by_model)


def records_of(
    evaluation_id: str, case: Case, verdicts: Iterable[Verdict]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the score records of a call, and the record that it is done."""
    found = list(verdicts)
    scores = [score for verdict in found for score in _scores(evaluation_id, case, verdict)]
    result = make_result(
        evaluation_id,
        case.example,
        case.repetition,
        case.trace_id,
        error=case.error,
        failed_keys=[verdict.name for verdict in found if verdict.error],
    )
    return scores, result


def _scores(evaluation_id: str, case: Case, verdict: Verdict) -> Iterator[dict[str, Any]]:
    said = verdict.judgements if verdict.error is None else [Judgement(verdict.name, None)]
    example, repetition = case.example["id"], case.repetition
    for one in said:
        yield make_score(
            case.trace_id,
            key=one.key,
            score=one.score,
            comment=one.comment,
            source="model" if verdict.by_model else "code",
            evaluation_id=evaluation_id,
            example_id=example,
            repetition=repetition,
            error=verdict.error,
            score_id=evaluation_score_id(evaluation_id, example, repetition, one.key),
        )
