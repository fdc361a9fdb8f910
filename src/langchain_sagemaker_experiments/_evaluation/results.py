"""What an evaluation found: scores and failures of every example, as tables."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._record.plurals import counted
from .._record.score import number_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EvaluationResults:
    """The results of an evaluation, of all processes that worked on it.

    Attributes:
        evaluation_id: the evaluation.
        run: the run that holds its traces and scores.
        examples_version: the version of the examples.
        calls: how many calls of the target it has: examples times repetitions.
        called: how many of them this process made.
    """

    evaluation_id: str
    run: Any
    examples_version: str
    calls: int
    called: int
    _scores: list[dict[str, Any]] = field(repr=False)
    _results: list[dict[str, Any]] = field(repr=False)

    @property
    def scores(self) -> pd.DataFrame:
        """One row a score: example, repetition, key, score, comment, error, trace."""
        import pandas as pd

        names = (
            "example_id",
            "repetition",
            "key",
            "score",
            "comment",
            "error",
            "source",
            "trace_id",
            "score_id",
            "time",
        )
        columns = {n: pd.Series([s.get(n) for s in self._scores], dtype=object) for n in names}
        return pd.DataFrame(columns)

    @property
    def summary(self) -> pd.DataFrame:
        """One row a key: mean of the numbers, count, errors."""
        import pandas as pd

        rows = [{"key": key, **figures} for key, figures in self.figures().items()]
        return pd.DataFrame(rows, columns=["key", "mean", "count", "errors"]).set_index("key")

    @property
    def errors(self) -> pd.DataFrame:
        """One row for each call whose target failed."""
        import pandas as pd

        rows = [
            {
                "example_id": one["example_id"],
                "repetition": one["repetition"],
                "error": f"{one['error']['type']}: {one['error']['message']}",
                "trace_id": one["trace_id"],
            }
            for one in self._results
            if one["error"]
        ]
        return pd.DataFrame(rows, columns=["example_id", "repetition", "error", "trace_id"])

    def figures(self) -> dict[str, dict[str, float]]:
        """Return mean, count and errors of each key. Calls whose target failed are in `errors`."""
        return key_figures(self._scores)

    def mean(self, key: str) -> float:
        """Return the mean of a key.

        Raises:
            KeyError: no score has this key.
        """
        return self.figures()[key]["mean"]

    def __str__(self) -> str:
        failed = sum(1 for one in self._results if one["error"])
        lines = [
            f"{self.evaluation_id}: {counted(len(self._results), 'call')} of {self.calls}"
            + (f", {failed} failed" if failed else "")
        ]
        for key, found in self.figures().items():
            errors = f", {counted(int(found['errors']), 'error')}" if found["errors"] else ""
            lines.append(f"  {key}: {found['mean']:.4g} (of {int(found['count'])}{errors})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(key)}</td><td>{found['mean']:.4g}</td>"
            f"<td>{int(found['count'])}</td><td>{int(found['errors'])}</td></tr>"
            for key, found in self.figures().items()
        )
        head = "<tr><th>key</th><th>mean</th><th>count</th><th>errors</th></tr>"
        title = html.escape(str(self).splitlines()[0])
        return f"<p>{title}</p><table>{head}{rows}</table>"


def key_figures(scores: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean, count and errors of each key of an evaluation."""
    numbers: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    errors: dict[str, int] = {}
    for score in scores:
        key = score["key"]
        numbers.setdefault(key, [])
        if score.get("error"):
            errors[key] = errors.get(key, 0) + 1
            continue
        counts[key] = counts.get(key, 0) + 1
        number = number_of(score["score"])
        if number is not None:
            numbers[key].append(number)
    return {
        key: {
            "mean": math.fsum(found) / len(found) if found else math.nan,
            "count": counts.get(key, 0),
            "errors": errors.get(key, 0),
        }
        for key, found in sorted(numbers.items())
    }
