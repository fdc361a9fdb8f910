"""The deciding rule, held against simulated runs and against scipy's and textbook figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from langchain_sagemaker_experiments._analysis.statistics import (
    LEVEL,
    SMALLEST,
    bootstrap_interval,
    compare_pairs,
    examples_needed,
    holm,
    judge,
    mcnemar_p,
    mean_by_example,
    no_worse_p,
    p_value,
    permutation_p,
)

PAIRS = 2_000
RESAMPLES = 1_999


def called_different(differences: np.ndarray, *, yes_no: bool = False) -> float:
    """The share of simulated pairs of runs that the rule calls different; one row a pair."""
    found = [
        p_value(row.tolist(), yes_no=yes_no, resamples=RESAMPLES) <= LEVEL for row in differences
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("examples", [8, 50])
def test_equal_runs_with_normal_scores_are_rarely_called_different(examples: int) -> None:
    random = np.random.default_rng(1)
    baseline, candidate = random.normal(size=(2, PAIRS, examples))
    share = called_different(candidate - baseline)
    assert 0.03 <= share <= 0.065


@pytest.mark.parametrize("examples", [8, 50])
def test_equal_runs_that_pass_one_in_five_are_rarely_called_different(examples: int) -> None:
    random = np.random.default_rng(2)
    baseline, candidate = (random.random((2, PAIRS, examples)) < 0.2).astype(float)
    assert called_different(candidate - baseline, yes_no=True) <= 0.065
    assert called_different(candidate - baseline) <= 0.065


def test_repetitions_do_not_make_equal_runs_different() -> None:
    random = np.random.default_rng(3)
    # What an example does to a version is the same in all five repetitions of it.
    effect = random.normal(size=(2, PAIRS, 10, 1))
    scores = effect + 0.3 * random.normal(size=(2, PAIRS, 10, 5))
    share = called_different(averaged(scores[1]) - averaged(scores[0]))
    assert 0.03 <= share <= 0.065
    rows = (scores[1] - scores[0]).reshape(PAIRS, 50)[:200]
    assert called_different(rows) > 0.3, "the simulation has no repetitions that hang together"


def averaged(scores: np.ndarray) -> np.ndarray:
    """The scores of (pairs, examples, repetitions), averaged by the code under test."""
    count = scores.shape[1]
    means = [
        mean_by_example((str(e), float(s)) for e in range(count) for s in row[e]) for row in scores
    ]
    return np.array([[mean[str(e)] for e in range(count)] for mean in means])


def test_the_power_at_two_fifths_of_a_standard_deviation_is_that_of_the_t_test() -> None:
    random = np.random.default_rng(4)
    differences = random.normal(0.4, 1.0, size=(PAIRS, 50))
    assert 0.75 <= called_different(differences) <= 0.85


def test_the_stated_number_of_examples_has_the_stated_power() -> None:
    random = np.random.default_rng(5)
    needed = examples_needed((0.5 + random.permutation([-1.0, 1.0] * 500)).tolist())
    assert needed is not None
    share = called_different(random.normal(0.5, 1.0, size=(1_000, needed)))
    assert 0.75 <= share <= 0.87


def test_with_fewer_than_six_examples_nothing_can_be_told() -> None:
    assert p_value([1.0] * (SMALLEST - 1)) > LEVEL
    assert p_value([1.0] * SMALLEST) <= LEVEL
    assert p_value([1.0] * SMALLEST, yes_no=True) <= LEVEL


def test_figures_of_textbooks() -> None:
    # All 2^3 signs of three equal differences: two give a mean as far from 0.
    assert permutation_p([0.1, 0.1, 0.1], "two-sided") == pytest.approx(0.25)
    assert mcnemar_p(1, 9) == pytest.approx(0.021484375)
    assert mcnemar_p(0, 0) == 1.0
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert examples_needed([1.0, 0.0]) == 18  # ((1.96 + 0.84) * 0.7071 / 0.5)^2 + 1.92


def test_wins_ties_losses_and_the_interval() -> None:
    paired = compare_pairs([0.5, 0.5, 0.0, -0.25, 1.0, 0.75])
    assert (paired.examples, paired.wins, paired.ties, paired.losses) == (6, 4, 1, 1)
    assert paired.difference == pytest.approx(0.41666, abs=1e-4)
    assert paired.low < paired.difference < paired.high
    assert "permutation" in paired.test
    assert "McNemar" in compare_pairs([1.0, 0.0], yes_no=True).test


def test_nothing_and_all_the_same_are_no_difference() -> None:
    nothing = compare_pairs([])
    assert nothing.examples == 0
    assert math.isnan(nothing.difference)
    assert nothing.p_value == 1.0
    assert nothing.needed is None
    same = compare_pairs([0.0] * 20)
    assert (same.p_value, same.low, same.high, same.needed) == (1.0, 0.0, 0.0, None)
    assert all(math.isnan(end) for end in bootstrap_interval([0.3]))


def test_a_gate_has_three_answers() -> None:
    def answer(differences: list[float], margin: float) -> str:
        return judge(differences, p_value(differences), margin=margin, span=1.0)

    assert answer([0.01, -0.01] * 25, 0.05) == "no worse"
    assert answer([-0.3] * 8 + [-0.1] * 8, 0.05) == "worse"
    assert answer([0.4, -0.4, 0.3, -0.3], 0.05) == "can't be told"
    assert answer([0.0] * 8, 0.05) == "can't be told", "a rare loss need not be among eight"
    assert answer([0.0] * 200, 0.05) == "no worse"
    assert answer([0.2] * 10, 0.0) == "no worse"
    assert answer([], 0.05) == "can't be told"


@pytest.mark.parametrize("examples", [8, 50, 100, 400])
def test_a_gate_for_yes_and_no_rarely_lets_pass_what_is_worse_by_the_margin(examples: int) -> None:
    random = np.random.default_rng(6)
    draws = random.random((PAIRS, examples))
    # Half the pairs of runs lose one example in twenty, the others win some as well.
    only_losses = -(draws < 0.05).astype(float)
    both = (draws > 0.9).astype(float) - (draws < 0.15).astype(float)
    for differences in (only_losses, both):
        passed = [no_worse_p(row.tolist(), 0.05, 1.0) <= LEVEL for row in differences]
        assert sum(passed) / PAIRS <= 0.1


def test_a_gate_for_numbers_rarely_lets_pass_what_is_worse_by_the_margin() -> None:
    random = np.random.default_rng(7)
    differences = random.normal(-0.05, 0.2, size=(1_000, 30))
    passed = [no_worse_p(row.tolist(), 0.05, 1.0) <= LEVEL for row in differences]
    assert sum(passed) / 1_000 <= 0.07
