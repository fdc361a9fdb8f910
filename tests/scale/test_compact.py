"""Compaction: each span is read once before, during and after it, whatever happens to it on its
way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from langchain_sagemaker_experiments import (
    CompactionError,
    OfflineRun,
    SageMakerCallbackHandler,
    compact,
    compact_runs,
    load_spans,
)
from langchain_sagemaker_experiments._scale import compaction as _compact
from langchain_sagemaker_experiments._storage.manifest import load_manifest


def write(folder: Path, run: str, parts: int, spans: int = 5, begin: int = 0) -> None:
    handler = SageMakerCallbackHandler(OfflineRun(folder, experiment_name="e", run_name=run))
    for part in range(begin, begin + parts):
        for number in range(spans):
            with handler.span(
                f"{run}-{part}-{number}", kind="tool", inputs={"number": number, "text": "ünï\n"}
            ) as span:
                span.set_attribute("gen_ai.request.model", "m")
        handler.flush_tracker()


def same(folder: Any, before: Any) -> None:
    import pandas as pd

    after = load_spans(folder)
    keys = ["start_time", "span_id"]
    pd.testing.assert_frame_equal(
        after.sort_values(keys).reset_index(drop=True),
        before.sort_values(keys).reset_index(drop=True),
        check_dtype=False,
    )


def parquet_spans(folder: Path) -> list[str]:
    found = duckdb.sql(
        f"select span_id from read_parquet('{folder}/**/*.parquet', hive_partitioning=true)"
    ).fetchall()
    return sorted(row[0] for row in found)


def test_spans_read_the_same_after_as_before(tmp_path: Path) -> None:
    write(tmp_path, "one", 12)
    write(tmp_path, "two", 3)
    before = load_spans(tmp_path)
    done = compact_runs(tmp_path)
    assert (done.runs, done.parts, done.spans, done.files) == (2, 15, 75, 2)
    same(tmp_path, before)
    same(tmp_path / "e" / "one", before[before["run_name"] == "one"])
    again = compact(tmp_path)
    assert (again.parts, again.spans, again.files) == (0, 0, 0)


def test_other_engines_read_the_files_with_their_partitions(tmp_path: Path) -> None:
    write(tmp_path, "one", 4)
    compact(tmp_path)
    write(tmp_path, "one", 3, begin=4)
    compact(tmp_path)
    spans = load_spans(tmp_path)
    assert parquet_spans(tmp_path) == sorted(spans["span_id"])
    rows = duckdb.sql(
        f"select experiment_name, run_name, model, count(*) from "
        f"read_parquet('{tmp_path}/**/*.parquet', hive_partitioning=true) "
        "group by all"
    ).fetchall()
    assert rows == [("e", "one", "m", 35)]
    dataset = ds.dataset(
        tmp_path / "e" / "one" / "langchain-traces" / "compacted",
        format="parquet",
        partitioning="hive",
    )
    assert dataset.count_rows() == 35
    assert set(dataset.to_table(columns=["run_name", "date"]).to_pydict()["run_name"]) == {"one"}


def test_a_parquet_file_that_is_named_is_read_and_foreign_ones_are_left_alone(
    tmp_path: Path,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    write(tmp_path, "one", 2)
    spans = load_spans(tmp_path)
    compact(tmp_path)
    (file,) = tmp_path.rglob("*.parquet")
    assert sorted(load_spans(file)["span_id"]) == sorted(spans["span_id"])
    assert set(load_spans(file)["run_name"]) == {"one"}
    foreign = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), foreign)
    assert len(load_spans(tmp_path)) == 10
    with pytest.warns(UserWarning, match="2 rows are no span records"):
        assert len(load_spans(foreign)) == 0


def test_files_are_smaller_than_at_the_lowest_level_of_zstd(tmp_path: Path) -> None:
    chance = random.Random(1)
    phrases = ["".join(chance.choices("etaoin shr", k=40)) for _ in range(3_000)]
    handler = SageMakerCallbackHandler(OfflineRun(tmp_path, experiment_name="e", run_name="r"))
    for _ in range(500):
        with handler.span("s", inputs=" ".join(chance.choices(phrases, k=30))):
            pass
    handler.flush_tracker()
    compact_runs(tmp_path)
    (path,) = tmp_path.rglob("*.parquet")
    lowest = tmp_path / "lowest"
    table = pq.ParquetFile(path).read()
    pq.write_table(table, lowest, compression="zstd", compression_level=1)
    assert path.stat().st_size < 0.95 * lowest.stat().st_size


def test_parts_are_removed_by_a_later_compaction_once_nobody_reads_them(tmp_path: Path) -> None:
    write(tmp_path, "one", 4)
    before = load_spans(tmp_path)
    traces = tmp_path / "e" / "one" / "langchain-traces"
    compact(tmp_path)
    assert len(list(traces.glob("part-*.jsonl"))) == 4  # a reader may have listed them
    assert compact(tmp_path).removed == 0
    assert compact(tmp_path, grace=0).removed == 4
    assert list(traces.glob("part-*.jsonl")) == []
    assert load_manifest((traces / "compacted" / "_manifest.json").read_bytes()).parts == {}
    same(tmp_path, before)


def test_a_span_that_is_open_stays_open_and_ends_once(tmp_path: Path) -> None:
    handler = SageMakerCallbackHandler(OfflineRun(tmp_path, experiment_name="e", run_name="r"))
    with handler.span("outer", kind="agent"):
        with handler.span("inner"):
            pass
        handler.flush_tracker()
        done = compact(tmp_path)
        assert (done.spans, done.open_spans) == (1, 1)
        assert sorted(load_spans(tmp_path)["status"]) == ["ok", "running"]
        assert compact(tmp_path).parts == 0
    handler.flush_tracker()
    assert sorted(load_spans(tmp_path)["status"]) == ["ok", "ok"]
    compact(tmp_path)
    compact(tmp_path, grace=0)
    spans = load_spans(tmp_path)
    assert sorted(spans["name"]) == ["inner", "outer"]
    assert set(spans["status"]) == {"ok"}
    assert parquet_spans(tmp_path) == sorted(spans["span_id"])


def test_a_run_in_s3_is_compacted_while_it_is_written_to(open_run: Callable[..., Any]) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for number in range(6):
            with handler.span(f"{number}"):
                pass
            handler.flush_tracker()
        done = compact(run)
        assert (done.parts, done.spans) == (6, 6)
        with handler.span("later"):
            pass
        handler.flush_tracker()
        assert sorted(load_spans(run)["name"]) == ["0", "1", "2", "3", "4", "5", "later"]
    spans = load_spans(experiment_name="experiment", run_name="run-1")
    assert len(spans) == 7
    assert set(spans["experiment_name"]) == {"experiment"}
    assert set(spans["run_name"]) == {"run-1"}
    compact(experiment_name="experiment", grace=0)
    assert len(load_spans(experiment_name="experiment")) == 7


def test_a_damaged_part_is_named_and_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "one", 3)
    traces = tmp_path / "e" / "one" / "langchain-traces"
    bad = sorted(traces.glob("part-*.jsonl"))[1]
    bad.write_bytes(bad.read_bytes()[:-20])
    done = compact(tmp_path)
    assert (done.parts, done.spans) == (2, 10)
    assert str(bad) in str(done.problems[0])
    compact(tmp_path, grace=0)
    assert list(traces.glob("part-*.jsonl")) == [bad]
    with pytest.warns(UserWarning, match="torn last line"):
        assert len(load_spans(tmp_path)) == 14


def test_one_compaction_at_a_time_and_a_dead_ones_lease_is_taken_over(tmp_path: Path) -> None:
    write(tmp_path, "one", 3)
    lease = tmp_path / "e" / "one" / "langchain-traces" / "compacted" / "_compacting.json"
    lease.parent.mkdir()
    for held in (
        {"host": "elsewhere", "pid": 1, "time": time.time()},
        {"host": os.uname().nodename, "pid": os.getppid(), "time": time.time()},
    ):
        lease.write_text(json.dumps(held))
        with pytest.raises(CompactionError, match="Another compaction is at work"):
            compact(tmp_path)
        assert lease.is_file()
    assert len(load_spans(tmp_path)) == 15
    lease.write_text(json.dumps({"host": "elsewhere", "pid": 1, "time": time.time() - 10_000}))
    assert compact(tmp_path).spans == 15
    assert not lease.exists()


def test_two_compactions_of_one_process_do_not_meet_and_its_own_number_may_be_a_dead_ones(
    tmp_path: Path,
) -> None:
    write(tmp_path, "one", 3)
    refused: list[str] = []

    def meanwhile(line: str) -> None:
        with pytest.raises(CompactionError, match="Another compaction is at work") as caught:
            compact(tmp_path)
        refused.append(str(caught.value))

    assert compact(tmp_path, progress=meanwhile).spans == 15
    assert len(refused) == 1
    assert "in this process" in refused[0]
    write(tmp_path, "two", 1)
    lease = tmp_path / "e" / "two" / "langchain-traces" / "compacted" / "_compacting.json"
    lease.parent.mkdir()
    # A container's process often has the number of the one that died before it.
    lease.write_text(
        json.dumps({"host": os.uname().nodename, "pid": os.getpid(), "time": time.time()})
    )
    assert compact(tmp_path).spans == 5
    assert len(load_spans(tmp_path)) == 20


def test_a_compaction_that_can_not_write_says_so_and_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path, "one", 3)
    (tmp_path / "e" / "one" / "langchain-traces" / "compacted").write_text(
        "a file where the folder should be"
    )
    with pytest.raises(
        CompactionError, match=r"stopped\. .* Nothing is lost: 0 spans were compacted before"
    ):
        compact(tmp_path)
    assert len(load_spans(tmp_path)) == 15


def test_sync_says_that_it_sends_parts_only(tmp_path: Path, sdk: Any, session: Any) -> None:
    from langchain_sagemaker_experiments import sync

    write(tmp_path, "one", 2)
    compact(tmp_path)
    result = sync(tmp_path, sagemaker_session=session)
    assert result.spans == 10
    assert "1 Parquet files are not sent" in str(result.problems[0])


def test_a_damaged_manifest_is_not_guessed_at(tmp_path: Path) -> None:
    from langchain_sagemaker_experiments import SpanReadError

    write(tmp_path, "one", 2)
    compact(tmp_path)
    manifest = tmp_path / "e" / "one" / "langchain-traces" / "compacted" / "_manifest.json"
    manifest.write_text("{")
    with pytest.raises(SpanReadError, match=r"_manifest\.json can't be read"):
        load_spans(tmp_path)


def test_many_parts_make_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compact, "_BATCH_BYTES", 6_000)
    write(tmp_path, "one", 12)
    before = load_spans(tmp_path)
    done = compact(tmp_path)
    assert done.files >= 3
    same(tmp_path, before)
    assert parquet_spans(tmp_path) == sorted(before["span_id"])


# --- killed at any moment -------------------------------------------------------------------------
WORKER = """
import sys, time
from langchain_sagemaker_experiments._scale import compaction as _compact
from langchain_sagemaker_experiments._storage import object_store as _store
_compact._BATCH_BYTES = 4_000
for name in ("put", "delete", "create"):
    def slow(self, *args, original=getattr(_store.FolderStore, name)):
        time.sleep(0.004)
        result = original(self, *args)
        time.sleep(0.004)
        return result
    setattr(_store.FolderStore, name, slow)
sys.stdout.write("ready\\n"); sys.stdout.flush()
_compact.compact(sys.argv[1], grace=0)
_compact.compact(sys.argv[1], grace=0)
"""


def test_killed_at_twenty_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    write(tmp_path, "one", 40)
    expected = sorted(load_spans(tmp_path)["span_id"])
    chance = random.Random(4)
    killed = 0
    for attempt in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        spans = load_spans(tmp_path)
        assert sorted(spans["span_id"]) == expected, f"after kill {attempt}"
        listed = parquet_spans(tmp_path) if list(tmp_path.rglob("*.parquet")) else []
        assert len(listed) == len(set(listed))
        if killed >= 20:
            break
        if not list(
            tmp_path.rglob("part-*.jsonl")
        ):  # it got through: there is something to do again
            write(tmp_path, "one", 10, begin=1_000 * (attempt + 1))
            expected = sorted(load_spans(tmp_path)["span_id"])
    assert killed >= 20
    compact(tmp_path)
    compact(tmp_path, grace=0)
    assert sorted(load_spans(tmp_path)["span_id"]) == expected
    assert parquet_spans(tmp_path) == expected


def test_readers_see_each_span_once_while_compactions_go_on(tmp_path: Path) -> None:
    write(tmp_path, "one", 40)
    expected = sorted(load_spans(tmp_path)["span_id"])
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER.replace("grace=0", "grace=3600"), str(tmp_path)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    reads = 0
    while process.poll() is None:
        assert sorted(load_spans(tmp_path)["span_id"]) == expected
        reads += 1
    assert process.returncode == 0
    assert reads >= 3
