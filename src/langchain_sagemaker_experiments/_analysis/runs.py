"""Runs side by side: one row a run, with its figures and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .._query.source_tables import SourceTables, is_source, open_tables
from .._record.evaluation_marks import EVALUATOR_KIND
from .._record.model_facts import MODEL_KINDS, first_token_ms_of
from .._record.provenance import MADE_WITH, facts_in, owner_of
from .._record.schema import Record
from .._record.score import number_of
from ..exceptions import import_extra
from .source_figures import run_costs, run_figures, run_parameters, run_provenance, run_scores
from .traces import group_by_trace, rows_of, scores_of, trace_row

if TYPE_CHECKING:
    import pandas as pd

_PARAMETERS: Final = ("gen_ai.request.", "sagemaker.", "gen_ai.provider.name")
_MAX_VALUES: Final = 5
"""Of a parameter with more values than this in one run only their number is told."""


def compare_runs(
    spans: Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> pd.DataFrame:
    """Return one row a run, in order of their first trace: how much, how fast, how often wrong, and
    with which parameters.

    Args:
        spans: what `load_spans` gave for an experiment, a folder, or several runs put together; or
            a source as of `load_spans`, which DuckDB reads whatever its size; None with
            `experiment_name`.
        experiment_name: with a source, as of `load_spans`.
        run_name: with a source, as of `load_spans`.
        sagemaker_session: with a source, as of `load_spans`.

    Returns:
        A DataFrame with `experiment_name`, `run_name`; `traces`, `spans`, `model_calls`, counts;
        `errors`, traces that failed, and `error_rate`, their share; `latency_p50_ms`, `_p90_ms`,
        `_p99_ms` of traces, `model_latency_p50_ms`, `_p90_ms` of model calls,
        `time_to_first_token_p50_ms`; `input_tokens`, `output_tokens`, `cost`, sums (dollars,
        of the calls whose price is known; NaN of none). Then `score.{key}`, the mean of each key
        that traces were scored with, and a column for each parameter of the model calls
        (`gen_ai.request.temperature`, …): its value, or its values as a list where they differ
        within a run. Runs that `evaluate` made, or a handler with `record_provenance`, have
        `git.commit`, `git.dirty`, `version.{package}` and `prompt.{name}`, its hash. Traces of
        evaluators do not count.

    Raises:
        MissingExtraError: pandas is not installed.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, compare_runs, load_spans
        >>> from langchain_sagemaker_experiments import record_calls
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> compare_runs(load_spans("runs"))[["run_name", "traces", "errors"]].values.tolist()
        [['first', 1, 0]]
    """
    if is_source(spans):
        with open_tables(spans, experiment_name, run_name, sagemaker_session) as tables:
            return _compare_tables(tables)
    return compare_groups(group_by_trace(rows_of(spans)), spans.attrs.get(MADE_WITH, ()))


def _compare_tables(tables: SourceTables) -> pd.DataFrame:
    figures = run_figures(tables)
    made_with = run_provenance(tables)
    costs, scores = run_costs(tables), run_scores(tables)
    parameters = run_parameters(tables, _PARAMETERS)
    for owner, facts in made_with.items():
        parameters.setdefault(owner, {}).update(facts)
    rows = []
    for found in figures:
        owner = (found["experiment_name"], found["run_name"])
        row = {**found, "cost": costs.get(owner)}
        row.update({f"score.{key}": _mean(each) for key, each in scores.get(owner, {}).items()})
        row.update({name: _shown(each) for name, each in parameters.get(owner, {}).items()})
        rows.append(row)
    keys = sorted({key for each in scores.values() for key in each})
    return _frame(rows, keys, sorted({name for each in parameters.values() for name in each}))


def _shown(values: list[Any]) -> Any:
    """A parameter's value, its values where they differ, or how many there are."""
    if len(values) > _MAX_VALUES:
        return f"{len(values)} different values"
    return values[0] if len(values) == 1 else values or None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def compare_groups(
    groups: Mapping[str, list[Record]], made_with: Iterable[Record] = ()
) -> pd.DataFrame:
    """Do what `compare_runs` does with spans that are put together by trace already, and the
    records that tell with what they were made.
    """
    runs: dict[tuple[Any, Any], _Run] = {}
    for group in groups.values():
        row = trace_row(group)
        if row["kind"] == EVALUATOR_KIND:
            continue  # what a judge spends is not the application's
        names = tuple(
            row[name] if isinstance(row[name], str) else None
            for name in ("experiment_name", "run_name")
        )
        runs.setdefault((names[0], names[1]), _Run()).add(row, group)
    for record in made_with:
        run = runs.get(owner_of(record))
        if run is not None:
            run.add_parameters(facts_in(record["attributes"] or {}))
    rows = [
        {
            "experiment_name": experiment,
            "run_name": name,
            **run.figures(),
            **{f"score.{key}": _mean(values) for key, values in run.scores.items()},
            **{p: _shown(list(values.values())) for p, values in run.parameters.items()},
        }
        for (experiment, name), run in runs.items()
    ]
    keys = sorted({key for run in runs.values() for key in run.scores})
    return _frame(rows, keys, sorted({name for run in runs.values() for name in run.parameters}))


def _frame(rows: list[dict[str, Any]], keys: list[str], parameters: list[str]) -> pd.DataFrame:
    pd = import_extra("pandas", "analysis", "compare_runs")
    figures = _Run().figures()
    scores = [f"score.{key}" for key in keys]
    kinds: dict[str, Any] = dict.fromkeys(("experiment_name", "run_name", *parameters), object)
    kinds.update(
        {name: "int64" if type(value) is int else "float64" for name, value in figures.items()}
    )
    columns = ["experiment_name", "run_name", *figures, *scores, *parameters]
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=kinds.get(name, "float64"))
            for name in columns
        }
    )


class _Run:
    """What is known of one run so far."""

    def __init__(self) -> None:
        self.parameters: dict[str, dict[str, Any]] = {}
        self.scores: dict[str, list[float]] = {}
        self._costs: list[float] = []
        self._traces = self._spans = self._errors = self._input_tokens = self._output_tokens = 0
        self._latencies: list[float] = []
        self._model_latencies: list[float] = []
        self._first_tokens: list[float] = []

    def add(self, row: Mapping[str, Any], group: list[Record]) -> None:
        self._traces += 1
        self._spans += row["spans"]
        self._errors += row["status"] == "error"
        self._input_tokens += row["input_tokens"]
        self._output_tokens += row["output_tokens"]
        _keep(self._latencies, row["duration_ms"])
        _keep(self._costs, row["cost"])
        for key, value in scores_of(group).items():
            _keep(self.scores.setdefault(key, []), number_of(value))
        for record in group:
            if record["kind"] in MODEL_KINDS:
                self._add_model_call(record)

    def _add_model_call(self, record: Record) -> None:
        attributes = record["attributes"] or {}
        _keep(self._model_latencies, record["duration_ms"])
        _keep(self._first_tokens, first_token_ms_of(attributes))
        self.add_parameters({k: v for k, v in attributes.items() if k.startswith(_PARAMETERS)})

    def add_parameters(self, parameters: Mapping[str, Any]) -> None:
        for name, value in parameters.items():
            self.parameters.setdefault(name, {})[repr(value)] = value

    def figures(self) -> dict[str, Any]:
        return {
            "traces": self._traces,
            "spans": self._spans,
            "model_calls": len(self._model_latencies),
            "errors": self._errors,
            "error_rate": self._errors / self._traces if self._traces else float("nan"),
            **{
                f"latency_p{share}_ms": percentile(self._latencies, share) for share in (50, 90, 99)
            },
            **{
                f"model_latency_p{share}_ms": percentile(self._model_latencies, share)
                for share in (50, 90)
            },
            "time_to_first_token_p50_ms": percentile(self._first_tokens, 50),
            "input_tokens": self._input_tokens,
            "output_tokens": self._output_tokens,
            "cost": sum(self._costs) if self._costs else float("nan"),
        }


def _keep(values: list[float], value: Any) -> None:
    if isinstance(value, (int, float)) and value == value:
        values.append(value)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile, with linear interpolation as pandas and numpy do it; NaN of nothing."""
    import numpy as np

    return float(np.percentile(values, share)) if values else float("nan")
