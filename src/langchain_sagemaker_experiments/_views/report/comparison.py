"""What the comparison of runs shows: the rows of `compare_runs` as figures and plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..._record.cells import has_value
from ..._record.provenance import Owner
from .data import run_labels, whose

if TYPE_CHECKING:
    import pandas as pd

_FIGURES: Final = (
    ("traces", "Traces", "count"),
    ("error_rate", "Traces with an error", "share"),
    ("latency_p50_ms", "Latency of a trace, median", "ms"),
    ("latency_p90_ms", "Latency of a trace, 90th percentile", "ms"),
    ("latency_p99_ms", "Latency of a trace, 99th percentile", "ms"),
    ("time_to_first_token_p50_ms", "Time to first token, median", "ms"),
    ("model_calls", "Model calls", "count"),
    ("model_latency_p50_ms", "Latency of a model call, median", "ms"),
    ("model_latency_p90_ms", "Latency of a model call, 90th percentile", "ms"),
    ("input_tokens", "Input tokens", "count"),
    ("output_tokens", "Output tokens", "count"),
    ("cost", "Cost", "dollars"),
)
_BETTER: Final = dict.fromkeys(("ms", "share", "dollars"), "less")
_SCORE: Final = "score."
"""Before the name of a column that is the mean of a key's scores."""
_KNOWN: Final = frozenset(
    (*(name for name, _, _ in _FIGURES), "experiment_name", "run_name", "spans", "errors")
)


def comparison(
    compared: pd.DataFrame, prompts: Mapping[Owner, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """Return the runs' names, a row for each figure and parameter, the prompts, and what is
    plotted.

    Args:
        compared: the rows of `compare_runs`.
        prompts: of each run, name → text.
    """
    rows = compared.to_dict(orient="records")
    columns = {
        name: [row[name] if has_value(row[name]) else None for row in rows]
        for name in compared.columns
    }
    figures: list[dict[str, Any]] = [
        {
            "title": title,
            "format": kind,
            "values": columns[name],
            "better": _BETTER.get(kind),
        }
        for name, title, kind in _FIGURES
        if name in columns
    ]
    figures += [
        {
            "title": f"Score: {name.removeprefix(_SCORE)}",
            "format": "score",
            "values": columns[name],
            "better": "more",
        }
        for name in columns
        if name.startswith(_SCORE)
    ]
    parameters = [
        {"title": name, "format": "text", "values": columns[name], "parameter": True}
        for name in columns
        if name not in _KNOWN and not name.startswith(_SCORE)
    ]

    def plot(
        title: str, unit: str, names: dict[str, str], stacked: bool = False, scale: float = 1.0
    ) -> dict[str, Any]:
        series = [
            {
                "name": shown,
                "values": [
                    value * scale if value is not None else None for value in columns.get(name, ())
                ],
            }
            for name, shown in names.items()
        ]
        return {"title": title, "unit": unit, "stacked": stacked, "series": series}

    labels = run_labels((row["experiment_name"], row["run_name"]) for row in rows)
    return {
        "names": [whose(row["experiment_name"], row["run_name"])[1] for row in rows],
        "runs": [
            labels[whose(row["experiment_name"], row["run_name"])] or "(run not known)"
            for row in rows
        ],
        "figures": [
            figure for figure in figures if any(value is not None for value in figure["values"])
        ]
        + parameters,
        "prompts": _prompts(rows, prompts or {}),
        "plots": [
            plot(
                "Latency of a trace",
                "ms",
                {"latency_p50_ms": "median", "latency_p90_ms": "90 %", "latency_p99_ms": "99 %"},
            ),
            plot(
                "Tokens",
                "tokens",
                {"input_tokens": "input", "output_tokens": "output"},
                stacked=True,
            ),
            plot("Traces with an error", "%", {"error_rate": "error rate"}, scale=100.0),
            plot(
                "Latency of a model call",
                "ms",
                {"model_latency_p50_ms": "median", "model_latency_p90_ms": "90 %"},
            ),
        ],
    }


def _prompts(
    rows: list[dict[Any, Any]], prompts: Mapping[Owner, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Each prompt whose text is not the same in all runs, with its text in each run or None."""
    texts = [prompts.get((row["experiment_name"], row["run_name"]), {}) for row in rows]
    names = sorted({name for one in texts for name in one})
    found = [{"name": name, "texts": [one.get(name) for one in texts]} for name in names]
    return [one for one in found if len(set(one["texts"])) > 1]
