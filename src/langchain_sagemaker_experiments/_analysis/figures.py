"""Questions people ask, as functions over a frame of spans: a pandas one of `load_spans` or a Dask
one of `scan_spans`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from .._query.source_tables import is_source, open_tables
from .._record.cells import json_text
from .._record.evaluation_marks import EVALUATOR_KIND
from .._record.model_facts import FACTS, MODEL_KINDS, facts_of
from .call_costs import with_costs
from .prices import Prices, RatesOf, rates_in, rates_of
from .source_figures import prompts, slowest, summary

if TYPE_CHECKING:
    import pandas as pd

By = Literal["model", "component", "session", "day", "run", "kind"]

_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "model": ("model",),
    "component": ("kind", "name"),
    "session": ("session_id",),
    "day": ("day",),
    "run": ("experiment_name", "run_name"),
    "kind": ("kind",),
}
_FIGURES: Final[dict[str, str]] = {
    "spans": "int64",
    "errors": "int64",
    "error_rate": "float64",
    "latency_p50_ms": "float64",
    "latency_p90_ms": "float64",
    "latency_p99_ms": "float64",
    "time_to_first_token_p50_ms": "float64",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "cost": "float64",
}
_ALL_FIGURES: Final = {**_FIGURES, "unpriced": "int64"}
"""With the number of model calls without a known price."""
_OF_A_TRACE: Final = (
    "trace_id",
    "name",
    "status",
    "start_time",
    "duration_ms",
    "session_id",
)
_NEEDED: Final = (
    "kind",
    "status",
    "duration_ms",
    "time_to_first_token_ms",
    "input_tokens",
    "output_tokens",
    "cost",
    "unpriced",
)


def summarize_spans(
    spans: Any = None,
    by: By | Sequence[By] = "model",
    *,
    models_only: bool | None = None,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> pd.DataFrame:
    """Return tokens, latency percentiles, error rate and time to first token by model, component,
    session, day, run or kind. `summarize` is the older name of this function and goes on working.

    Args:
        spans: a frame of `load_spans` or `scan_spans`, or a source as of `load_spans` (a folder, an
            `s3://` address, a Run), which DuckDB reads whatever its size; None with
            `experiment_name`. Percentiles are exact: of a lazy frame each group's values meet on
            one worker.
        by: what a row is of; several for each combination.
        models_only: count model calls only; the default for `by="model"`.
        experiment_name: with a source, as of `load_spans`.
        run_name: with a source, as of `load_spans`.
        sagemaker_session: with a source, as of `load_spans`.

    Returns:
        One row a group, in order of the groups: `spans`, `errors`, counts; `error_rate`;
            `latency_p50_ms`, `_p90_ms`, `_p99_ms`;
        `time_to_first_token_p50_ms`; `input_tokens`, `output_tokens`, sums; `cost`, dollars of the
        model calls whose price genai-prices knows, NaN of none. What evaluators called does not
        count.

    Raises:
        ValueError: `by` is none of those.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls
        >>> from langchain_sagemaker_experiments import summarize_spans
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> figures = summarize_spans(load_spans("runs"), by="kind")
        >>> figures[["kind", "spans", "error_rate"]].values.tolist()
        [['chat_model', 1, 0.0]]
    """
    keys = _keys(by)
    only_models = models_only or (models_only is None and keys == ["model"])
    where = (spans, experiment_name, run_name, sagemaker_session)
    return _summarized(where, keys, only_models, rates_of).drop(columns="unpriced")


def _summarized(
    where: tuple[Any, ...], keys: list[str], only_models: bool, rates: RatesOf
) -> pd.DataFrame:
    """The figures of each group, `unpriced` among them."""
    if is_source(where[0]):
        with open_tables(*where) as tables:
            return summary(tables, keys, _ALL_FIGURES, rates, models_only=only_models)
    frame = with_costs(_with_facts(_without_judges(where[0])), rates)
    narrow = frame[
        list(dict.fromkeys("start_time" if key == "day" else key for key in (*keys, *_NEEDED)))
    ]
    if only_models:
        narrow = narrow[narrow["kind"].isin(MODEL_KINDS)]
    if "day" in keys:
        narrow = narrow.assign(day=narrow["start_time"].dt.strftime("%Y-%m-%d"))
    narrow = narrow.assign(**{key: narrow[key].fillna("").astype(str) for key in keys})
    return _grouped(narrow, keys, _figures, _ALL_FIGURES)


summarize = summarize_spans


def _without_judges(spans: Any) -> Any:
    """The spans of the application: those of evaluators' traces left out. Of a lazy frame kinds and
    traces are read first.
    """
    if not {"kind", "trace_id"}.issubset(spans.columns):
        return spans
    judged = spans[spans["kind"] == EVALUATOR_KIND]["trace_id"]
    traces = set(judged.compute() if _is_lazy(spans) else judged)
    return spans[~spans["trace_id"].isin(list(traces))] if traces else spans


def _keys(by: By | Sequence[By]) -> list[str]:
    """The columns that a row is of."""
    names = [by] if isinstance(by, str) else list(by)
    for name in names:
        if name not in _GROUPS:
            raise ValueError(f"by must be of {', '.join(_GROUPS)}, not {name!r}.")
    return list(dict.fromkeys(column for name in names for column in _GROUPS[name]))


def _figures(group: pd.DataFrame) -> pd.Series:
    import pandas as pd

    latency = group["duration_ms"].astype("float64")
    errors = int((group["status"] == "error").sum())
    found = {
        "spans": len(group),
        "errors": errors,
        "error_rate": errors / len(group) if len(group) else float("nan"),
        **{f"latency_p{share}_ms": latency.quantile(share / 100) for share in (50, 90, 99)},
        "time_to_first_token_p50_ms": group["time_to_first_token_ms"]
        .astype("float64")
        .quantile(0.5),
        "input_tokens": int(group["input_tokens"].fillna(0).sum()),
        "output_tokens": int(group["output_tokens"].fillna(0).sum()),
        "cost": group["cost"].sum(min_count=1),
        "unpriced": int(group["unpriced"].sum()),
    }
    return pd.Series(found, dtype="float64")


def _grouped(frame: Any, keys: list[str], figures: Any, kinds: Mapping[str, str]) -> pd.DataFrame:
    if _is_lazy(frame):
        meta = dict.fromkeys(kinds, "float64")
        grouped = (
            frame.groupby(keys, dropna=False)
            .apply(figures, meta=meta, include_groups=False)
            .compute()
        )
    elif len(frame):
        grouped = frame.groupby(keys, dropna=False).apply(figures, include_groups=False)
    else:
        import pandas as pd

        return pd.DataFrame(columns=[*keys, *kinds])
    return grouped.astype(dict(kinds)).sort_index().reset_index()


def _is_lazy(frame: Any) -> bool:
    return hasattr(frame, "compute")


def _with_facts(spans: Any) -> Any:
    """The frame with `model`, tokens and so on as columns; `load_spans` has them in
    `attributes`.
    """
    if "model" in spans.columns:
        return spans
    import pandas as pd

    facts = [
        facts_of({"attributes": a, "error": e})
        for a, e in zip(spans["attributes"], spans["error"], strict=True)
    ]
    added = {}
    for name, kind in FACTS.items():
        dtype = object if kind == "string" else "Int64" if kind == "int64" else "float64"
        added[name] = pd.Series([values[name] for values in facts], dtype=dtype, index=spans.index)
    return spans.assign(**added)


def slowest_traces(
    spans: Any = None,
    n: int = 10,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> pd.DataFrame:
    """Return the `n` traces whose root took longest: `trace_id`, `name`, `status`, `start_time`,
    `duration_ms`, `session_id`. The other arguments are those of `summarize_spans`.
    """
    if is_source(spans):
        with open_tables(spans, experiment_name, run_name, sagemaker_session) as tables:
            return slowest(tables, n, _OF_A_TRACE)
    roots = spans[spans["parent_span_id"].isna() & (spans["kind"] != EVALUATOR_KIND)]
    narrow = roots[list(_OF_A_TRACE)]
    found = narrow.nlargest(n, "duration_ms")
    frame = found.compute() if _is_lazy(found) else found
    return frame.sort_values(["duration_ms", "trace_id"], ascending=[False, True]).reset_index(
        drop=True
    )


def repeated_prompts(
    spans: Any = None,
    n: int = 10,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> pd.DataFrame:
    """Return the `n` prompts that models were given most often: `prompt` (as JSON), `calls`,
    `input_tokens`. The other arguments are those of `summarize_spans`.
    """
    if is_source(spans):
        where = (spans, experiment_name, run_name, sagemaker_session)
        with open_tables(*where, contents=True) as tables:
            return prompts(tables, n)
    frame = _with_facts(spans)
    narrow = frame[["kind", "inputs", "input_tokens"]]
    narrow = narrow[narrow["kind"].isin(MODEL_KINDS)]
    if _is_lazy(narrow):
        counted = narrow.map_partitions(
            _count_prompts, meta={"prompt": object, "calls": "int64", "input_tokens": "int64"}
        )
        totals = counted.groupby("prompt")[["calls", "input_tokens"]].sum().reset_index().compute()
    else:
        totals = (
            _count_prompts(narrow).groupby("prompt")[["calls", "input_tokens"]].sum().reset_index()
        )
    return (
        totals.sort_values(["calls", "prompt"], ascending=[False, True])
        .head(n)
        .reset_index(drop=True)
    )


def _count_prompts(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    prompts = pd.DataFrame(
        {
            "prompt": pd.Series(
                [json_text(value) or "" for value in frame["inputs"]], dtype=object
            ),
            "calls": 1,
            "input_tokens": frame["input_tokens"].fillna(0).astype("int64").to_numpy(),
        }
    )
    return prompts.groupby("prompt", as_index=False)[["calls", "input_tokens"]].sum()


def cost(
    spans: Any,
    prices: Prices | None = None,
    by: By | Sequence[By] = "model",
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> pd.DataFrame:
    """Return what the model calls cost, by a price table of yours, else at the prices that
    genai-prices knows of the day of each call. Tokens read from a cache or written to one have
    their own price; reasoning tokens are part of the output.

    Args:
        spans: a frame or a source, as of `summarize_spans`; None with `experiment_name`.
        prices: model → price of 1,000,000 input tokens and of 1,000,000 output tokens, in one
            currency; and, where they differ from the first, of input read from a cache and of input
            written to a cache.
        by: what a row is of, as of `summarize_spans`.
        experiment_name: with a source, as of `load_spans`.
        run_name: with a source, as of `load_spans`.
        sagemaker_session: with a source, as of `load_spans`.

    Returns:
        One row a group: `input_tokens`, `output_tokens`, `cost`. A model without a price costs NaN:
            nothing is guessed.

    Example:
        >>> from langchain_sagemaker_experiments import (
        ...     OfflineRun, SageMakerCallbackHandler, Span, cost, load_spans
        ... )
        >>> usage = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 500_000}
        >>> with OfflineRun("runs", experiment_name="costs", run_name="first") as run:
        ...     with SageMakerCallbackHandler(run) as handler:
        ...         trace_id = handler.log_trace(Span("chat", "chat_model", attributes=usage))
        >>> cost(load_spans("runs"), {"m": (2.0, 8.0)})[["model", "cost"]].values.tolist()
        [['m', 1.0]]
    """
    keys = _keys(by)
    where = (spans, experiment_name, run_name, sagemaker_session)
    found = _summarized(where, keys, True, rates_in(prices))
    # Of calls whose price is known and that used nothing the sum is 0.
    dollars = found["cost"].fillna(0.0).where(found["unpriced"] == 0)
    return found.assign(cost=dollars)[[*keys, "input_tokens", "output_tokens", "cost"]]
