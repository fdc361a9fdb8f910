"""`assert_improved` and `assert_no_worse`: a comparison of scores as an assertion of a test."""

from __future__ import annotations

from typing import Any

from .scores import ScoreComparison, compare_evaluated, compare_scores


def assert_improved(
    comparison: Any = None, *, key: str | None = None, **options: Any
) -> ScoreComparison:
    """Fail unless the rule calls the candidate better.

    Args:
        comparison: what `compare_scores` gave, or what it takes, with its other arguments.
        key: the key that must be better; by default every key compared must.
        options: further arguments of `compare_scores`.

    Raises:
        AssertionError: it is worse, or no difference can be told; the message says how many
            examples would be needed.
    """
    found = _comparison(comparison, key, options)
    short = [o for o in found.keys.values() if not (o.different and o.paired.difference > 0)]
    if short:
        raise AssertionError(f"Not improved. {' '.join(one.verdict() for one in short)}")
    return found


def assert_no_worse(
    comparison: Any = None, *, margin: float = 0.0, key: str | None = None, **options: Any
) -> ScoreComparison:
    """Fail unless a loss of `margin` or more is ruled out.

    Args:
        comparison: what `compare_scores` gave, or what it takes, with its other arguments.
        margin: what still counts as no worse, in units of the score. With 0 the candidate must be
            better to pass.
        key: the key that counts; by default every key compared does.
        options: further arguments of `compare_scores`.

    Raises:
        AssertionError: the candidate is worse, or it can't be told from so few examples: a test
            for "significantly worse" would pass whenever there are few.
    """
    found = _comparison(comparison, key, options)
    answers = [(one, one.no_worse(margin)) for one in found.keys.values()]
    short = [(one, answer) for one, answer in answers if answer != "no worse"]
    if short:
        texts = [f"{answer.capitalize()} (margin {margin:g}). {o.verdict()}" for o, answer in short]
        raise AssertionError(" ".join(texts))
    return found


def _comparison(given: Any, key: str | None, options: dict[str, Any]) -> ScoreComparison:
    if not isinstance(given, ScoreComparison):
        keys = [key] if key is not None else options.pop("keys", None)
        return compare_scores(given, keys=keys, **options)
    if key is None:
        return given
    if key not in given.keys:
        raise ValueError(f"The comparison has no key {key!r}; it has {sorted(given.keys)}.")
    one = given.keys[key]
    return compare_evaluated(given._sides, keys=[one.key], errors=given.errors)
