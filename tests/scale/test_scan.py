"""Reading at scale: the same answers from pandas, Dask and DuckDB; columns, days and damaged parts
as asked.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from made_spans import write_run

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    SpanReadError,
    SpanReadWarning,
    athena_ddl,
    compact,
    cost,
    load_spans,
    log_score,
    repeated_prompts,
    scan_spans,
    slowest_traces,
    summarize,
    summarize_spans,
)
from langchain_sagemaker_experiments.local import local_sagemaker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one of them compacted."""
    place = tmp_path_factory.mktemp("scale")
    write_run(place, 300, run="one", seed=1)
    compact(place)
    write_run(place, 200, run="two", seed=2)
    return place


@pytest.fixture(scope="module")
def pandas_frame(folder: Path) -> pd.DataFrame:
    return load_spans(folder)


@pytest.fixture(scope="module", params=["threads", "cluster"])
def lazy(request: Any, folder: Path) -> Any:
    """The same lazily, in this process and on a local cluster of processes."""
    import dask

    if request.param == "threads":
        with dask.config.set(scheduler="threads"):
            yield scan_spans(folder)
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        Client(cluster),
    ):
        yield scan_spans(folder)


def test_a_scan_gives_what_load_spans_gives(lazy: Any, pandas_frame: pd.DataFrame) -> None:
    computed = lazy.compute().sort_values("span_id").reset_index(drop=True)
    expected = pandas_frame.sort_values("span_id").reset_index(drop=True)
    assert list(computed.columns)[: len(expected.columns)] == list(expected.columns)
    for name in expected.columns:
        if name in ("start_time", "end_time"):
            assert (computed[name].dt.as_unit("ns") == expected[name].dt.as_unit("ns")).all()
        else:
            pd.testing.assert_series_equal(computed[name], expected[name], check_dtype=False)


@pytest.mark.parametrize("by", ["model", "component", "session", "day", "run", ["run", "model"]])
def test_figures_are_the_same_on_either_engine(
    lazy: Any, pandas_frame: pd.DataFrame, by: Any
) -> None:
    pd.testing.assert_frame_equal(summarize(lazy, by), summarize(pandas_frame, by))


def test_figures_are_those_of_duckdb(
    folder: Path, pandas_frame: pd.DataFrame, tmp_path: Path
) -> None:
    ours = summarize(pandas_frame[pandas_frame["run_name"] == "one"], "model")
    rows = duckdb.sql(
        "select model, count(*) spans, sum((status = 'error')::int) errors, "
        "quantile_cont(duration_ms, 0.5) p50, "
        "quantile_cont(duration_ms, 0.99) p99, quantile_cont(time_to_first_token_ms, 0.5) "
        "first_token, sum(input_tokens) tokens "
        f"from read_parquet('{folder}/**/*.parquet') where kind = 'chat_model' group by model "
        f"order by model"
    ).fetchall()
    assert [(r[0], r[1], r[2], r[6]) for r in rows] == list(
        ours[["model", "spans", "errors", "input_tokens"]].itertuples(index=False, name=None)
    )
    for row, mine in zip(rows, ours.itertuples(), strict=True):
        assert row[3:6] == pytest.approx(
            (mine.latency_p50_ms, mine.latency_p99_ms, mine.time_to_first_token_p50_ms)
        )


def test_slowest_traces_and_repeated_prompts_are_the_same_on_either_engine(
    lazy: Any, pandas_frame: pd.DataFrame
) -> None:
    slow = slowest_traces(pandas_frame, 7)
    assert slow["duration_ms"].is_monotonic_decreasing
    assert slowest_traces(lazy, 7)[["trace_id", "duration_ms"]].equals(
        slow[["trace_id", "duration_ms"]]
    )
    pd.testing.assert_frame_equal(repeated_prompts(lazy, 5), repeated_prompts(pandas_frame, 5))


def test_cost_comes_from_the_users_prices_and_guesses_none(pandas_frame: pd.DataFrame) -> None:
    prices = {"gpt-4o-mini": (0.15, 0.6)}
    costs = cost(pandas_frame, prices).set_index("model")
    row = costs.loc["gpt-4o-mini"]
    assert row["cost"] == pytest.approx(
        (row["input_tokens"] * 0.15 + row["output_tokens"] * 0.6) / 1e6
    )
    assert pd.isna(costs.loc["claude-sonnet", "cost"])
    by_run = cost(pandas_frame, {**prices, "claude-sonnet": (3.0, 15.0)}, by="run")
    assert by_run["run_name"].tolist() == ["one", "two"]
    assert by_run["cost"].notna().all()


def test_a_run_in_s3_is_scanned_by_workers_elsewhere(sdk: Any) -> None:
    from distributed import Client, LocalCluster

    with local_sagemaker(server=True):
        with sdk.Run(
            experiment_name="scan", run_name="one", sagemaker_session=sdk.Session()
        ) as run:
            handler = SageMakerCallbackHandler(run)
            for number in range(6):
                with handler.span(f"{number}", kind="tool"):
                    pass
                handler.flush_tracker()
                if number == 3:
                    compact(run)
        spans = scan_spans(
            experiment_name="scan", run_name="one", columns=["name", "run_name", "duration_ms"]
        )
        assert spans.npartitions == 3  # one Parquet file, two parts since
        with (
            LocalCluster(
                n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            ) as cluster,
            Client(cluster),
        ):
            found = spans.compute()
        assert sorted(found["name"]) == ["0", "1", "2", "3", "4", "5"]
        assert set(found["run_name"]) == {"one"}
        assert list(found.columns) == ["name", "run_name", "duration_ms"]


def test_columns_days_and_kinds_are_pruned(folder: Path, pandas_frame: pd.DataFrame) -> None:
    narrow = scan_spans(folder, columns=["span_id", "input_tokens"], kinds=["chat_model"]).compute()
    assert list(narrow.columns) == ["span_id", "input_tokens"]
    assert len(narrow) == (pandas_frame["kind"] == "chat_model").sum()
    assert (
        scan_spans(folder, start="2027-01-01").npartitions == 1
    )  # the day's Parquet file is not even opened
    middle = pandas_frame["start_time"].iloc[2_000]
    late = scan_spans(folder, start=middle).compute()
    assert len(late) == (pandas_frame["start_time"] >= middle).sum()
    early = scan_spans(folder, end=middle).compute()
    assert len(early) + len(late) == len(pandas_frame)
    with pytest.raises(ValueError, match="There is no column latency"):
        scan_spans(folder, columns=["latency"])


def test_damaged_parts_are_named_and_passed_over_or_raised_as_asked(
    folder: Path, tmp_path: Path
) -> None:
    import shutil

    place = tmp_path / "damaged"
    shutil.copytree(folder, place)
    part = next((place / "made" / "two" / "langchain-traces").glob("part-*.jsonl"))
    part.write_bytes(part.read_bytes()[:-30])
    parquet = next(place.rglob("*.parquet"))
    parquet.write_bytes(b"PAR1 and no more")
    with pytest.warns(SpanReadWarning) as caught:
        found = scan_spans(place).compute(scheduler="sync")
    assert len(found) == 2_000 - 1
    told = " ".join(str(warning.message) for warning in caught)
    assert str(part) in told
    assert str(parquet) in told
    with pytest.raises(SpanReadError, match="not a whole Parquet file"):
        scan_spans(place, on_problem="raise").compute(scheduler="sync")


def test_nothing_to_scan_is_an_empty_frame(tmp_path: Path) -> None:
    frame = scan_spans(tmp_path)
    assert len(frame.compute()) == 0
    assert len(summarize(frame, "model")) == 0


def test_the_athena_table_has_the_files_columns_and_places() -> None:
    ddl = athena_ddl(
        "s3://bucket/trial-component-artifacts", experiments=["e"], runs=["one", "two"]
    )
    assert "`input_tokens` bigint" in ddl
    assert "`start_time` timestamp" in ddl
    assert "'projection.run_name.values' = 'one,two'" in ddl
    assert (
        "s3://bucket/trial-component-artifacts/${experiment_name}-${run_name}/langchain-traces/compacted/"
        "experiment_name=${experiment_name}/run_name=${run_name}/date=${date}'"
    ) in ddl
    with pytest.raises(ValueError, match="is no name of an experiment or run"):
        athena_ddl("s3://b/p", experiments=["e'; drop"], runs=["r"])
    with pytest.raises(ValueError, match="since must be a day"):
        athena_ddl("s3://b/p", experiments=["e"], runs=["r"], since="yesterday")
    with pytest.raises(ValueError, match="is no s3:// address that fits"):
        athena_ddl("s3://b/p'--", experiments=["e"], runs=["r"])


def test_the_athena_table_of_scores_has_the_records_fields(tmp_path: Path) -> None:
    names = {"experiments": ["e"], "runs": ["one"]}
    spans = athena_ddl("s3://b/p", **names)
    both = athena_ddl("s3://b/p", **names, scores_table="my_scores")
    assert both.startswith(spans)
    table = both.removeprefix(spans)
    assert "CREATE EXTERNAL TABLE IF NOT EXISTS `my_scores`" in table
    columns = re.findall(r"^  `(\w+)`", table, re.MULTILINE)
    run = OfflineRun(tmp_path, experiment_name="e", run_name="one")
    with run:
        log_score(run, trace_id="t", key="k", score=1)
    (part,) = (run.path / "langchain-scores").iterdir()
    assert set(columns) == set(json.loads(part.read_bytes()))
    place = "s3://b/p/${experiment_name}-${run_name}/langchain-scores/"
    assert f"'storage.location.template' = '{place}'" in table
    with pytest.raises(ValueError, match="is no name of a table"):
        athena_ddl("s3://b/p", **names, scores_table="a b")


def test_a_scan_has_the_scores_of_each_span_on_request(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    for number in range(4):
        with SageMakerCallbackHandler(run) as handler:
            trace = handler.log_trace(Span("root", children=[Span("child")]))
            handler.log_score(trace, key="k", score=number)
        if number == 1:
            compact(tmp_path, grace=0)
    child = load_spans(run).query("name == 'child'").iloc[0]
    log_score(run, child["trace_id"], child["span_id"], key="part", score="good")
    columns = ["trace_id", "span_id", "scores"]
    scanned = scan_spans(tmp_path, columns=columns).compute().sort_values("span_id")
    loaded = load_spans(tmp_path)[columns].sort_values("span_id")
    assert scanned["scores"].tolist() == loaded["scores"].tolist()
    assert scanned["scores"].notna().sum() == 5
    only = scan_spans(tmp_path, columns=["scores"])["scores"].compute().dropna()
    assert sum(len(scores) for scores in only) == 5
    assert "scores" not in scan_spans(tmp_path)


def test_what_a_judge_called_counts_in_no_engine(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    usage = {"gen_ai.usage.input_tokens": 5, "gen_ai.request.model": "m"}
    with SageMakerCallbackHandler(run) as handler:
        for kind in ("chain", "evaluator"):
            model = Span("model", "llm", attributes=usage)
            handler.log_trace(Span("root", kind, children=[model]))
    for spans in (load_spans(tmp_path), scan_spans(tmp_path)):
        assert summarize(spans, "model")["input_tokens"].tolist() == [5]
        assert cost(spans, {"m": (1e6, 0)})["cost"].tolist() == [5.0]
        assert len(slowest_traces(spans)) == 1
    narrow = load_spans(tmp_path).drop(columns="trace_id")
    assert summarize(narrow, "model")["input_tokens"].tolist() == [10]


def test_the_better_name_of_summarize_is_the_same_function() -> None:
    assert summarize_spans is summarize
    assert "older name" in (summarize.__doc__ or "")
