"""Is a difference between two runs real? One rule decides; the other figures stand beside it.

The rule: two runs differ on a key when the p-value of a paired test, corrected by Holm for the
    number
of keys, is at most 0.05. The test is McNemar's exact test where every score is yes or no, and a
sign-flip permutation test of the mean difference otherwise.

The unit is the example. Repetitions of an example are not independent of each other, so they are
averaged before anything is tested: resampled as rows of their own they would call equal runs
different far too often.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..exceptions import MissingExtraError

LEVEL: Final = 0.05
"""The greatest p-value that counts as a difference."""
POWER: Final = 0.8
"""The share of real differences that the stated number of examples would show."""
RESAMPLES: Final = 9_999
"""Resamples of the permutation test and of the bootstrap. Up to 13 examples all sign flips are
tried.
"""
_SEED: Final = 20_261_121
"""The same scores give the same figures, on every machine."""

PERMUTATION: Final = "paired permutation test of the mean difference (sign flips)"
MCNEMAR: Final = "McNemar's exact test"

Answer = Literal["no worse", "worse", "can't be told"]


@dataclass(frozen=True)
class Paired:
    """What the paired differences of one key say.

    Attributes:
        examples: how many examples have a score in both runs.
        wins: examples on which the candidate scores higher.
        ties: examples on which both score the same.
        losses: examples on which the candidate scores lower.
        difference: mean of candidate minus baseline; NaN of no examples.
        low: lower end of the 95 % bootstrap interval of the difference (BCa, over examples).
        high: upper end of it.
        p_value: of the test that decides, before any correction for several keys.
        test: the name of that test.
        needed: about how many examples a difference of this size would need to be told, with a
            power of 80 %; None where the mean difference is 0 or nothing was compared.
    """

    examples: int
    wins: int
    ties: int
    losses: int
    difference: float
    low: float
    high: float
    p_value: float
    test: str
    needed: int | None


def compare_pairs(differences: Sequence[float], *, yes_no: bool = False) -> Paired:
    """Return the figures of one key.

    Args:
        differences: candidate minus baseline, one number an example.
        yes_no: whether every score on both sides is a single yes or no.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    wins = sum(value > 0 for value in differences)
    losses = sum(value < 0 for value in differences)
    low, high = bootstrap_interval(differences)
    return Paired(
        examples=len(differences),
        wins=wins,
        ties=len(differences) - wins - losses,
        losses=losses,
        difference=_mean(differences),
        low=low,
        high=high,
        p_value=p_value(differences, yes_no=yes_no),
        test=MCNEMAR if yes_no else PERMUTATION,
        needed=examples_needed(differences),
    )


def p_value(
    differences: Sequence[float], *, yes_no: bool = False, resamples: int = RESAMPLES
) -> float:
    """Return the two-sided p-value of the test that decides; 1 where no two scores differ."""
    if not any(differences):
        return 1.0
    if yes_no:
        return mcnemar_p(sum(v > 0 for v in differences), sum(v < 0 for v in differences))
    return permutation_p(differences, "two-sided", resamples=resamples)


def mcnemar_p(wins: int, losses: int) -> float:
    """Return the p-value of McNemar's exact test that wins and losses are equally likely."""
    if wins + losses == 0:
        return 1.0
    return float(_scipy_stats().binomtest(wins, wins + losses, 0.5).pvalue)


def permutation_p(
    differences: Sequence[float],
    alternative: Literal["two-sided", "greater"],
    *,
    resamples: int = RESAMPLES,
) -> float:
    """Return the p-value of the mean under random signs: if runs are equal, each sign is a coin."""
    if not len(differences):
        return 1.0
    import numpy as np

    # Sums that are equal on paper must be equal here: scores such as 0.1 have no exact binary form.
    values = np.round(np.asarray(differences, dtype=float), 12)
    result = _scipy_stats().permutation_test(
        (values,),
        lambda sample, axis: np.round(np.mean(sample, axis=axis), 12),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // len(values)),
        alternative=alternative,
        rng=np.random.default_rng(_SEED),
    )
    return float(result.pvalue)


def bootstrap_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference, BCa bootstrap over examples; NaN of none."""
    if not len(differences):
        return math.nan, math.nan
    if len(set(differences)) == 1:
        # Nothing varies, so resampling gives one value.
        return (differences[0], differences[0]) if len(differences) > 1 else (math.nan, math.nan)
    import numpy as np

    values = np.asarray(differences, dtype=float)
    interval = (
        _scipy_stats()
        .bootstrap(
            (values,),
            np.mean,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(1, 2_000_000 // len(values)),
            method="BCa",
            rng=np.random.default_rng(_SEED),
        )
        .confidence_interval
    )
    return float(interval.low), float(interval.high)


def examples_needed(differences: Sequence[float], *, size: float | None = None) -> int | None:
    """Return about how many examples would show a difference of this size.

    With a power of 80 % at the level of the rule, from the spread of the differences at hand
    (normal approximation, with the usual half of a squared quantile for estimating the spread).

    Args:
        differences: candidate minus baseline, one number an example.
        size: the difference to be told, in units of the score; by default the mean at hand.
    """
    mean = abs(_mean(differences)) if size is None else abs(size)
    if len(differences) < 2 or not mean > 0:
        return None
    normal = _scipy_stats().norm
    alpha, beta = float(normal.ppf(1 - LEVEL / 2)), float(normal.ppf(POWER))
    spread = _deviation(differences) / mean
    needed = ((alpha + beta) * spread) ** 2 + alpha**2 / 2
    return max(SMALLEST, math.ceil(float(needed)))


SMALLEST: Final = 6
"""With fewer examples no outcome reaches the level: five wins in five have a p-value of 0.0625."""


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number by Holm's method, under the same names."""
    adjusted: dict[str, float] = {}
    greatest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        greatest = max(greatest, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = greatest
    return {name: adjusted[name] for name in p_values}


def is_different(adjusted_p: float) -> bool:
    """Return True if the rule calls two runs different."""
    return adjusted_p <= LEVEL


def no_worse_p(differences: Sequence[float], margin: float, span: float) -> float:
    """Return the one-sided p-value of "the candidate is worse by `margin` or more".

    A permutation test of the differences raised by `margin`. Where at least half of the examples
    are ties, as with yes and no, a rare loss may not be among the examples at all and the
    permutation test would not know of it: there a normal test is used whose spread counts half an
    unseen win and half an unseen loss (Agresti and Min, 2005), and is at least the spread of rare
    full losses that come to `margin` on average.

    Args:
        differences: candidate minus baseline, one number an example.
        margin: what still counts as no worse, in units of the score; 0 or more.
        span: the greatest difference that the scores allow, 1 for scores from 0 to 1.
    """
    count = len(differences)
    if count < 2:
        return 1.0
    ties = sum(value == 0 for value in differences)
    if ties * 2 < count:
        return permutation_p([value + margin for value in differences], "greater")
    total = count + 1
    mean = sum(differences) / total
    variance = (sum(value**2 for value in differences) + span**2) / total - mean**2
    error = math.sqrt(max(variance, margin * (span - margin)) / total)
    if error == 0:  # no score differs from another, on either side
        return 1.0
    return float(_scipy_stats().norm.sf((mean + margin) / error))


def judge(differences: Sequence[float], adjusted_p: float, *, margin: float, span: float) -> Answer:
    """Answer whether the candidate is no worse than the baseline.

    "no worse" where a loss of `margin` or more is ruled out, "worse" where the rule calls the runs
    different and the candidate is the lower one, "can't be told" for all else.
    """
    if no_worse_p(differences, margin, span) <= LEVEL:
        return "no worse"
    if is_different(adjusted_p):
        return "no worse" if _mean(differences) > 0 else "worse"
    return "can't be told"


def mean_by_example(scores: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the mean score of each example, from pairs of example and score."""
    sums: dict[str, list[float]] = {}
    for example, score in scores:
        sums.setdefault(example, []).append(score)
    return {example: _mean(values) for example, values in sums.items()}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if len(values) else math.nan


def _deviation(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtraError("scipy", "evaluation", "Comparing scores") from error
    return stats
