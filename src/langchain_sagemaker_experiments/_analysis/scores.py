"""`compare_scores`: a run beside another, example by example, and whether the difference is
real.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from .._reading.load import load_spans
from ..exceptions import SpanReadError
from .evaluated import Evaluated, evaluated_examples
from .key_comparison import KeyComparison
from .statistics import (
    LEVEL,
    SMALLEST,
    Answer,
    Paired,
    compare_pairs,
    holm,
    is_different,
)

if TYPE_CHECKING:
    import pandas as pd

Errors = Literal["skip", "zero"]
_SIDES: Final = ("baseline", "candidate")
_MAX_NAMED: Final = 10
"""Examples named in a text; the lists hold all."""


@dataclass(frozen=True)
class ScoreComparison:
    """What `compare_scores` found.

    Attributes:
        baseline: name of the baseline.
        candidate: name of the candidate.
        keys: the comparison of each key, by key.
        unpaired: per side, examples that only that side has.
        failed: per side, examples whose target or evaluator failed.
        changed: examples whose inputs or reference outputs are not the same on both sides; they
            are not compared.
        errors: what a failure counts as.
    """

    baseline: str
    candidate: str
    keys: dict[str, KeyComparison]
    unpaired: dict[str, list[str]]
    failed: dict[str, list[str]]
    changed: list[str]
    errors: Errors
    _sides: dict[str, Evaluated] = field(repr=False, default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """One row a key: counts, means, difference with its interval, p-values, decision."""
        import pandas as pd

        return pd.DataFrame([_key_row(one) for one in self.keys.values()])

    @property
    def examples(self) -> pd.DataFrame:
        """One row a key and example, the worst first, with inputs and both outputs."""
        import pandas as pd

        rows = [row for one in self.keys.values() for row in self._example_rows(one)]
        columns = list(_example_row("", "", 0.0, {}, {}))
        frame = pd.DataFrame(rows, columns=columns)
        return frame.sort_values("difference", kind="stable").reset_index(drop=True)

    def _example_rows(self, one: KeyComparison) -> Iterable[dict[str, Any]]:
        sides = [self._sides[side] for side in _SIDES]
        means = [side.means(one.key, self.errors) for side in sides]
        for example, difference in one.differences.items():
            before, after = (
                {"score": found[example], **side.shown(example)}
                for side, found in zip(sides, means, strict=True)
            )
            yield _example_row(one.key, example, difference, before, after)

    @property
    def worse(self) -> pd.DataFrame:
        """The examples that became worse, worst first."""
        found = self.examples
        return found[found["difference"] < 0].reset_index(drop=True)

    @property
    def cost(self) -> pd.DataFrame:
        """Two rows, baseline and candidate: examples, mean latency and tokens of a trace."""
        import pandas as pd

        rows = [{"side": side, **self._sides[side].figures()} for side in _SIDES]
        return pd.DataFrame(rows).set_index("side")

    def no_worse(self, margin: float = 0.0, keys: Sequence[str] | None = None) -> Answer:
        """Answer for all keys together: "worse" if one is, "no worse" if all are."""
        chosen = [self.keys[key] for key in keys] if keys is not None else self.keys.values()
        answers = [one.no_worse(margin) for one in chosen]
        if "worse" in answers:
            return "worse"
        return "no worse" if answers and set(answers) == {"no worse"} else "can't be told"

    def __str__(self) -> str:
        lines = [f"{self.candidate} against {self.baseline}"]
        lines += [f"  {one.verdict()}" for one in self.keys.values()]
        lines += [f"  {line}" for line in self._left_out()]
        lines += [f"  {line}" for line in self._cost_lines()]
        worst = self.worse.head(3)
        for row in worst.to_dict("records"):
            lines.append(
                f"  became worse on {row['key']}: {row['example_id']} "
                f"({row['baseline']:.4g} → {row['candidate']:.4g})"
            )
        lines.append(f"  rule: {rule_text()}")
        return "\n".join(lines)

    def _left_out(self) -> list[str]:
        lines = [
            f"only in the {side}: {_named(self.unpaired[side])}"
            for side in _SIDES
            if self.unpaired[side]
        ]
        as_zero = "counted as 0" if self.errors == "zero" else "left out"
        lines += [
            f"failed in the {side}, {as_zero}: {_named(self.failed[side])}"
            for side in _SIDES
            if self.failed[side]
        ]
        if self.changed:
            lines.append(f"changed, not compared: {_named(self.changed)}")
        return lines

    def _cost_lines(self) -> list[str]:
        before, after = (self._sides[side].figures() for side in _SIDES)
        pairs = [
            (name, before[name], after[name])
            for name in ("latency_ms", "input_tokens", "output_tokens", "cost")
            if not (math.isnan(before[name]) and math.isnan(after[name]))
        ]
        text = ", ".join(f"{name} {one:,.4g} → {other:,.4g}" for name, one, other in pairs)
        return [f"mean of a trace: {text}"] if pairs else []

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def rule_text() -> str:
    """Return the rule that decides, as a sentence."""
    return (
        f"different where p, corrected for the number of keys (Holm), is at most {LEVEL}; "
        "repetitions are averaged within an example first"
    )


def compare_scores(
    spans_or_source: Any = None,
    *,
    baseline: Any,
    candidate: Any,
    keys: Sequence[str] | None = None,
    errors: Errors = "skip",
    experiment_name: str | None = None,
    sagemaker_session: Any = None,
    prices: Mapping[str, tuple[float, float]] | None = None,
) -> ScoreComparison:
    """Compare the scores of two runs or evaluations, paired by example.

    Args:
        spans_or_source: what `load_spans` gave, or what it takes: a folder, an `s3://` address …;
            not needed where `baseline` and `candidate` are results of `evaluate` or runs.
        baseline: the name of a run, the id of an evaluation, a run, or a result of `evaluate`.
        candidate: the same for what is compared with it.
        keys: the keys to compare; by default all that both have. Each further key costs certainty
            (Holm).
        errors: "skip" leaves out examples of which a target or an evaluator failed; "zero" counts
            a failure as a score of 0. Dropping failures flatters the version that fails.
        experiment_name: in place of a source, all runs of an experiment.
        sagemaker_session: whose credentials and region to use; boto3's default ones otherwise.
        prices: for the cost of a trace, as of `cost`: model → dollars per million tokens of input
            and of output.

    Returns:
        The comparison; print it. `.table`, `.examples` and `.cost` are DataFrames; `.unpaired`,
        `.failed` and `.changed` name the examples that do not count.

    Raises:
        SpanReadError: there are no scores of one of the two.
        ValueError: `errors` is neither "skip" nor "zero", or a key is in neither run.
        MissingExtraError: pandas or scipy is not installed.
    """
    if errors not in ("skip", "zero"):
        raise ValueError(f'errors must be "skip" or "zero", not {errors!r}.')
    if isinstance(spans_or_source, (str, Path)) or experiment_name is not None:
        spans_or_source = load_spans(  # once for both sides
            spans_or_source, experiment_name=experiment_name, sagemaker_session=sagemaker_session
        )
    sides = {
        side: evaluated_examples(
            spans_or_source,
            chosen,
            sagemaker_session=sagemaker_session,
            prices=prices,
        )
        for side, chosen in zip(_SIDES, (baseline, candidate), strict=True)
    }
    return compare_evaluated(sides, keys=keys, errors=errors)


def compare_evaluated(
    sides: dict[str, Evaluated], *, keys: Sequence[str] | None = None, errors: Errors = "skip"
) -> ScoreComparison:
    """Compare two evaluations that are loaded already."""
    before, after = (sides[side] for side in _SIDES)
    changed = sorted(
        example
        for example in before.hashes.keys() & after.hashes.keys()
        if before.hashes[example] != after.hashes[example]
    )
    chosen = list(keys) if keys is not None else sorted(before.keys & after.keys)
    unknown = [key for key in chosen if key not in before.keys | after.keys]
    if unknown:
        raise ValueError(f"No score has the key {unknown[0]!r}; there are {sorted(before.keys)}.")
    if not chosen:
        raise SpanReadError(
            f"{before.name} and {after.name} have no key in common: "
            f"{sorted(before.keys)} and {sorted(after.keys)}."
        )
    means = {key: _means(before, after, key, errors, set(changed)) for key in chosen}
    pairs = {
        key: compare_pairs(_differences(*found), yes_no=_yes_no(before, after, key))
        for key, found in means.items()
    }
    adjusted = holm({key: one.p_value for key, one in pairs.items()})
    return ScoreComparison(
        baseline=before.name,
        candidate=after.name,
        keys={key: _compared(key, pairs[key], adjusted[key], *means[key]) for key in chosen},
        unpaired={
            "baseline": sorted(before.examples - after.examples),
            "candidate": sorted(after.examples - before.examples),
        },
        failed={side: sorted(sides[side].failures(chosen)) for side in _SIDES},
        changed=changed,
        errors=errors,
        _sides=sides,
    )


Means = dict[str, float]


def _means(
    before: Evaluated, after: Evaluated, key: str, errors: Errors, changed: set[str]
) -> tuple[Means, Means]:
    """The mean score of each example that both sides have, repetitions averaged."""
    found = [side.means(key, errors) for side in (before, after)]
    paired = sorted((found[0].keys() & found[1].keys()) - changed)
    return {e: found[0][e] for e in paired}, {e: found[1][e] for e in paired}


def _differences(before: Means, after: Means) -> list[float]:
    # 0.3 - 0.1 is not 0.2 in binary: differences that are equal on paper must tie.
    return [round(after[example] - before[example], 12) for example in before]


def _yes_no(before: Evaluated, after: Evaluated, key: str) -> bool:
    return before.is_yes_no(key) and after.is_yes_no(key)


def _compared(key: str, paired: Paired, p: float, before: Means, after: Means) -> KeyComparison:
    values = [*before.values(), *after.values()]
    return KeyComparison(
        key=key,
        baseline_mean=_mean(before),
        candidate_mean=_mean(after),
        paired=paired,
        p_adjusted=p,
        different=paired.examples >= SMALLEST and is_different(p),
        differences=dict(zip(before, _differences(before, after), strict=True)),
        span=max(1.0, max(values) - min(values)) if values else 1.0,
    )


def _mean(means: Means) -> float:
    return math.fsum(means.values()) / len(means) if means else math.nan


def _key_row(one: KeyComparison) -> dict[str, Any]:
    paired = one.paired
    return {
        "key": one.key,
        "examples": paired.examples,
        "wins": paired.wins,
        "ties": paired.ties,
        "losses": paired.losses,
        "baseline": one.baseline_mean,
        "candidate": one.candidate_mean,
        "difference": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "p_value": paired.p_value,
        "p_adjusted": one.p_adjusted,
        "test": paired.test,
        "different": one.different,
        "examples_needed": paired.needed,
        "verdict": one.verdict(),
    }


def _example_row(
    key: str, example: str, difference: float, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "key": key,
        "example_id": example,
        "difference": difference,
        "baseline": before.get("score"),
        "candidate": after.get("score"),
        "inputs": before.get("inputs"),
        "baseline_outputs": before.get("outputs"),
        "candidate_outputs": after.get("outputs"),
        "baseline_trace_id": before.get("trace_id"),
        "candidate_trace_id": after.get("trace_id"),
    }


def _named(examples: Sequence[str]) -> str:
    shown = ", ".join(examples[:_MAX_NAMED])
    more = len(examples) - _MAX_NAMED
    return f"{len(examples)} ({shown}{f', and {more} more' if more > 0 else ''})"
