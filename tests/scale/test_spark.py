"""Spark reads what `compact` wrote, unchanged, and answers what pandas answers. Skipped where
pyspark or Java is not there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_spans import write_run

from langchain_sagemaker_experiments import compact, load_spans, summarize


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java here, which Spark runs on")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").appName("spans")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    for name, value in {
        **settings,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def test_spark_answers_what_pandas_answers(spark: Any, tmp_path: Path) -> None:
    for number, run in enumerate(("one", "two")):
        write_run(tmp_path, 150, run=run, seed=number)
    compact(tmp_path)
    # Everything below a folder or prefix, however many runs: what lies between them are no
    # partitions to Spark.
    reader = spark.read.option("recursiveFileLookup", True).option("pathGlobFilter", "*.parquet")
    frame = reader.parquet(str(tmp_path))
    assert frame.count() == 3_000
    assert {"experiment_name", "run_name", "model", "input_tokens", "inputs"} <= set(frame.columns)
    frame.createOrReplaceTempView("spans")
    rows = spark.sql(
        "select run_name, model, count(*), sum(cast(status = 'error' as int)), "
        "percentile(duration_ms, 0.5), "
        "percentile(duration_ms, 0.99), percentile(time_to_first_token_ms, 0.5), "
        "sum(input_tokens), sum(output_tokens) "
        "from spans where kind in ('llm', 'chat_model', 'embedding') group by run_name, model "
        "order by run_name, model"
    ).collect()
    expected = summarize(load_spans(tmp_path), ["run", "model"], models_only=True)
    names = [
        "run_name",
        "model",
        "spans",
        "errors",
        "latency_p50_ms",
        "latency_p99_ms",
        "time_to_first_token_p50_ms",
    ]
    assert len(rows) == len(expected) == 4
    for row, mine in zip(rows, expected.itertuples(), strict=True):
        for found, name in zip(row, [*names, "input_tokens", "output_tokens"], strict=True):
            wanted = getattr(mine, name)
            assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), name
    (moment,) = spark.sql("select min(start_time) from spans").collect()[0]
    first = load_spans(tmp_path)["start_time"].min()
    assert (
        moment.timestamp() == pytest.approx(first.timestamp())
        or moment.replace(tzinfo=first.tzinfo) == first
    )
