"""One key of two runs: its figures, and in a sentence whether the runs differ on it."""

from __future__ import annotations

from dataclasses import dataclass

from .statistics import Answer, Paired, judge


@dataclass(frozen=True)
class KeyComparison:
    """One key of two runs.

    Attributes:
        key: the key.
        baseline_mean: mean of the paired examples in the baseline.
        candidate_mean: the same in the candidate.
        paired: the figures of the paired differences.
        p_adjusted: the p-value, corrected for the number of keys (Holm).
        different: whether the rule calls the runs different.
        differences: candidate minus baseline of each paired example.
        span: the greatest difference that the scores seen allow, at least 1.
    """

    key: str
    baseline_mean: float
    candidate_mean: float
    paired: Paired
    p_adjusted: float
    different: bool
    differences: dict[str, float]
    span: float

    def verdict(self) -> str:
        """Say in a sentence whether the runs differ on this key."""
        paired = self.paired
        if not paired.examples:
            return f"{self.key}: no example has a score in both runs."
        figures = (
            f"{self.baseline_mean:.4g} → {self.candidate_mean:.4g}, "
            f"difference {paired.difference:+.4g} "
            f"(95 % interval {paired.low:+.4g} to {paired.high:+.4g}), "
            f"{paired.wins} wins, {paired.ties} ties, {paired.losses} losses, "
            f"p = {self.p_adjusted:.3g}, {paired.test}"
        )
        if self.different:
            side = "better" if paired.difference > 0 else "worse"
            return f"{self.key}: the candidate is {side}: {figures}."
        return f"{self.key}: {self._untold()} {figures}."

    def _untold(self) -> str:
        count, needed = self.paired.examples, self.paired.needed
        text = f"no difference can be told from {count} examples"
        if needed is None:
            return f"{text}:"
        return f"{text}; about {max(needed, count + 1):,} would be needed for one of this size:"

    def no_worse(self, margin: float) -> Answer:
        """Answer whether the candidate is no worse than the baseline by `margin` or more."""
        values = list(self.differences.values())
        return judge(values, self.p_adjusted, margin=margin, span=self.span)
