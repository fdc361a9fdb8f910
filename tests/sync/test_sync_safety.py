"""`sync` beside others: two at a time, writers that live, live elsewhere or are dead, throttled
metrics, and folders that somebody else filled.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_sagemaker_experiments import (
    BotoRun,
    OfflineRun,
    SageMakerCallbackHandler,
    SpanReadError,
    TrackerError,
    load_spans,
    sync,
    sync_offline_runs,
)
from langchain_sagemaker_experiments._storage import writer_lock
from langchain_sagemaker_experiments._storage.writer_lock import WriterLock
from langchain_sagemaker_experiments._sync import ledger as ledgers
from langchain_sagemaker_experiments.local import LocalSageMaker, local_sagemaker


@pytest.fixture
def server() -> Iterator[LocalSageMaker]:
    """A local SageMaker that other processes reach too."""
    with local_sagemaker(server=True) as local:
        yield local


def record_offline(folder: Path, run_name: str = "r", parts: int = 3, metrics: int = 0) -> Path:
    with OfflineRun(folder, experiment_name="e", run_name=run_name) as run:
        run.log_parameter("mine", 7)
        handler = SageMakerCallbackHandler(run)
        for number in range(parts):
            with handler.span(f"{run_name}-{number}"):
                pass
            handler.flush_tracker()
        for step in range(metrics):
            run.log_metric("loss", step / 10, step=step)
    return run.path


def metric(name: str, run_name: str = "r") -> dict[str, Any] | None:
    client = boto3.client("sagemaker")
    described = client.describe_trial_component(TrialComponentName=f"e-{run_name}")
    found = [m for m in described.get("Metrics", ()) if m["MetricName"] == name]
    return found[0] if found else None


def spool_of(folder: Path, names: list[str], name: str = "spool-1-abc", **target: Any) -> Path:
    """A spool with a sealed part and a live file, as a process leaves them."""
    source = OfflineRun(folder / "made", experiment_name="x", run_name="x")
    handler = SageMakerCallbackHandler(source)
    for span in names:
        with handler.span(span):
            pass
    handler.flush_tracker()
    (part,) = (source.path / "langchain-traces").glob("part-*")
    lines = part.read_bytes().splitlines(keepends=True)
    spool = folder / "spools" / name
    spool.mkdir(parents=True)
    (spool / "part-sealed.jsonl").write_bytes(b"".join(lines[:-1]))
    (spool / "live-open.jsonl").write_bytes(lines[-1] + b'{"torn')
    part.unlink()
    if target:
        (spool / "target.json").write_text(json.dumps(target))
    return spool


# --- two at a time --------------------------------------------------------------------------------
def _sync_in_process(folder: str, barrier: Any) -> tuple[int, int, list[str]]:
    barrier.wait()
    result = sync(folder)
    return result.parts, result.skipped, [str(left) for left in result.left_alone]


def test_syncs_of_several_processes_send_and_count_everything_once(server, tmp_path):
    record_offline(tmp_path, parts=20, metrics=25)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(3) as pool:
        barrier = manager.Barrier(3)
        done = pool.starmap(_sync_in_process, [(str(tmp_path), barrier)] * 3)
    assert sum(parts for parts, _, _ in done) == 20
    for parts, skipped, left in done:
        assert (parts, skipped) == (20, 0) or skipped == 20 or "another sync" in left[0]
    loss = metric("loss")
    assert loss is not None
    assert loss["Count"] == 25
    assert len(load_spans(experiment_name="e", run_name="r")) == 20


def test_syncs_of_several_threads_count_metrics_once(server, tmp_path):
    record_offline(tmp_path, metrics=30)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: sync(tmp_path), range(4)))
    assert sum(result.parts for result in results) == 3
    loss = metric("loss")
    assert loss is not None
    assert loss["Count"] == 30


def test_the_lock_of_a_folder_is_taken_by_one_even_while_it_is_removed(tmp_path):
    inside = 0
    entered = 0

    def work(_: int) -> None:
        nonlocal inside, entered
        folder = tmp_path / "folder"
        with ledgers.only_sync(folder) as alone:
            if alone:
                inside += 1
                entered += 1
                assert inside == 1
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(2_000)))
    assert entered > 0


# --- writers --------------------------------------------------------------------------------------
def test_a_spool_whose_writer_lives_is_left_alone_and_said_so(server, tmp_path):
    spool = spool_of(tmp_path, ["a", "b", "c"], experiment_name="e", run_name="r")
    lock = WriterLock.acquire(spool)
    before = sorted((path.name, path.read_bytes()) for path in spool.iterdir())
    result = sync(tmp_path / "spools")
    assert (result.parts, result.runs) == (0, [])
    assert "is still there" in str(result.left_alone[0])
    assert sorted((path.name, path.read_bytes()) for path in spool.iterdir()) == before
    lock.forget()
    result = sync(tmp_path / "spools")
    assert (result.parts, result.spans, result.left_alone) == (2, 3, [])
    assert not spool.exists()
    assert sorted(load_spans(experiment_name="e", run_name="r")["name"]) == ["a", "b", "c"]


@pytest.mark.parametrize("whose", ["PID 1", "ours"])
def test_a_dead_writer_whose_number_lives_again_is_not_taken_for_alive(server, tmp_path, whose):
    number = 1 if whose == "PID 1" else os.getpid()
    spool = spool_of(tmp_path, ["a"], f"spool-{number}-x", experiment_name="e", run_name="r")
    WriterLock.acquire(spool).forget()
    note = spool / writer_lock.WRITER_FILE
    note.write_text(json.dumps({**json.loads(note.read_text()), "pid": number}))
    assert sync(tmp_path / "spools").spans == 1


def test_a_writer_elsewhere_is_left_alone_until_the_user_says_that_it_has_ended(
    server, tmp_path, monkeypatch
):
    spool = spool_of(tmp_path, ["a", "b"], experiment_name="e", run_name="r")
    monkeypatch.setattr(writer_lock, "_LOCAL_FILE_SYSTEMS", frozenset())
    note = {"host": "another", "boot": "another", "namespace": "n", "pid": 7, "locked": True}
    (spool / writer_lock.WRITER_FILE).write_text(json.dumps(note))
    result = sync(tmp_path / "spools")
    assert result.parts == 0
    assert "another machine" in str(result.left_alone[0])
    assert "--abandoned" in str(result.left_alone[0])
    assert (spool / "live-open.jsonl").exists()
    assert sync_offline_runs(tmp_path / "spools", abandoned=True).spans == 2
    assert not spool.exists()


def test_the_command_says_what_it_left_alone(server, tmp_path):
    spool = spool_of(tmp_path, ["a"], experiment_name="e", run_name="r")
    lock = WriterLock.acquire(spool)
    code = "from langchain_sagemaker_experiments._cli import main; main()"
    words = [sys.executable, "-c", code, "sync", str(tmp_path / "spools")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "nothing was sent" in done.stdout
    assert "left alone" in done.stderr
    assert "is still there" in " ".join(done.stderr.split())
    lock.release()


def test_a_spool_that_names_no_run_does_not_keep_the_others_back(server, tmp_path):
    spool_of(tmp_path, ["a"], "spool-1-a")
    spool_of(tmp_path, ["b"], "spool-1-b", experiment_name="e", run_name="r")
    (tmp_path / "spools" / "spool-1-a" / "target.json").write_text("[1]")
    result = sync(tmp_path / "spools")
    assert result.spans == 1
    assert "does not say which run" in str(result.left_alone[0])


# --- throttled metrics ----------------------------------------------------------------------------
@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_metrics_that_were_throttled_are_sent_once_by_the_next_sync(
    tmp_path, local, monkeypatch, fails_at
):
    from botocore.exceptions import ClientError

    from langchain_sagemaker_experiments._experiments import metrics

    record_offline(tmp_path, metrics=25)
    put = metrics.MetricQueue._put
    calls = 0

    def throttled(self: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            answer: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
            raise ClientError(answer, "BatchPutMetrics")
        return put(self, batch)

    monkeypatch.setattr(metrics.MetricQueue, "_put", throttled)
    with pytest.raises(TrackerError, match="throttling"):
        sync(tmp_path)
    result = sync(tmp_path)
    assert (result.parts, result.skipped) == (0, 3)
    loss = metric("loss")
    assert loss is not None
    assert loss["Count"] == 25
    client = boto3.client("sagemaker")
    described = client.describe_trial_component(TrialComponentName="e-r")
    assert described["Parameters"]["mine"] == {"NumberValue": 7.0}


def test_a_run_tells_how_many_metrics_wait(local):
    run = BotoRun("e", "r")
    for step in range(12):
        run.log_metric("loss", 0.5, step=step)
    assert run.waiting_metrics == 2
    run.send_metrics()
    assert run.waiting_metrics == 0


# --- what others wrote ----------------------------------------------------------------------------
LINES: list[bytes] = [
    b"7", b"null", b"[]", b"{}", b'{"part": 7}', b'{"part": ["x"]}', b'{"counted": 5}',
    b'{"counted": [1, null, {}]}', b'{"log_bytes": "x"}', b'{"log_bytes": -5}',
    b'{"log_bytes": true}', b'{"metric_bytes": 1e30}', b'{"log_bytes": 99999999999}',
    b'{"part": "../../../etc/passwd"}', b"\xff", b"[" * 5_000, b'{"torn',
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_ledger_that_somebody_wrote_is_no_error(tmp_path, local, line):
    path = record_offline(tmp_path)
    (path / "langchain-traces" / ".synced.jsonl").write_bytes(line + b"\n")
    result = sync(tmp_path)
    assert (result.parts, result.spans) == (3, 3)
    assert sync(tmp_path).skipped == 3


@pytest.mark.parametrize(
    "target",
    [b"[1]", b"7", b"null", b"", b"{", b'{"experiment_name": 5, "run_name": []}', b"[" * 99_999,
     b'{"experiment_name": "../../e", "run_name": "/etc/passwd"}', b'{"run_name": "r"}', b"\xff",
     b'{"experiment_name": "e\\u0000", "run_name": "\\u001b[2J"}'],
)  # fmt: skip
def test_a_target_that_somebody_wrote_is_an_error_of_ours(tmp_path, local, target):
    spool = spool_of(tmp_path, ["a"])
    (spool / "target.json").write_bytes(target)
    with pytest.raises(TrackerError) as caught:
        sync(spool)
    assert "\x1b" not in str(caught.value)
    assert (spool / "part-sealed.jsonl").exists()
    assert sync(spool, experiment_name="e", run_name="r").spans == 1


def entry(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


ENTRIES: list[bytes] = [
    entry(entry="parameter", name=5, value=1), entry(entry="parameter", name="p"),
    entry(entry="parameter", name="p", value={"a": 1}), entry(entry="parameter"),
    entry(entry="metric", name="m", value="x", timestamp=0, step=0), entry(entry="metric"),
    entry(entry="metric", name="m", value=1, timestamp=1e300, step=0),
    entry(entry="metric", name="m", value=1, timestamp="now", step=0),
    entry(entry="metric", name="m", value=1, timestamp=None, step=0),
    entry(entry="metric", name="m", value=1, timestamp=1.0, step=-1),
    entry(entry="metric", name="m", value=1, timestamp=1.0, step="x"),
    entry(entry="metric", name="m", value=True, timestamp=1.0, step=1),
    entry(entry="metric", name=["m"], value=1, timestamp=1.0, step=1),
    entry(entry="artifact", name="a", value=7), entry(entry="artifact", name="a"),
    entry(entry="file", name="f", file="../../../../etc/passwd"), entry(entry="file", name="f"),
    entry(entry="file", name="f", file="/etc/passwd"), entry(entry="file", name="f", file=7),
    entry(entry="file", name="f", file="missing.txt"), entry(entry="file", name="f", file=".."),
    entry(entry="file", name="f", file="link.txt"), entry(entry="file", name="f", file="fifo.txt"),
    entry(entry="file", name="f", file="a\\..\\b"), entry(entry="file", name="f", file="x\x00y"),
]  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="needs files that only POSIX has")
@pytest.mark.parametrize("line", ENTRIES)
def test_a_log_that_somebody_wrote_is_a_named_problem_and_the_rest_is_logged(tmp_path, local, line):
    path = record_offline(tmp_path, metrics=2)
    (path / "artifacts").mkdir()
    (path / "artifacts" / "link.txt").symlink_to("/etc/passwd")
    os.mkfifo(path / "artifacts" / "fifo.txt")
    with (path / "run.jsonl").open("ab") as file:
        file.write(line + b"\n" + entry(entry="parameter", name="after", value=1) + b"\n")
    result = sync(tmp_path)
    assert result.spans == 3
    assert len(result.problems) == 1, result.problems
    assert "run.jsonl" in str(result.problems[0])
    client = boto3.client("sagemaker")
    described = client.describe_trial_component(TrialComponentName="e-r")
    assert described["Parameters"]["after"] == {"NumberValue": 1.0}
    keys = boto3.client("s3").list_objects_v2(Bucket=local.bucket).get("Contents", ())
    assert all(".txt" not in item["Key"] and "passwd" not in item["Key"] for item in keys)


@pytest.mark.skipif(os.name != "posix", reason="needs files that only POSIX has")
@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "FIFO", "folder"])
@pytest.mark.parametrize("is_spool", [True, False])
def test_what_is_no_part_is_not_sent(tmp_path, local, kind, is_spool):
    secret = tmp_path / "secret.txt"
    secret.write_text("precious")
    if is_spool:
        folder = spool_of(tmp_path, ["a", "b", "c"], experiment_name="e", run_name="r")
    else:
        folder = record_offline(tmp_path / "off") / "langchain-traces"
    odd = folder / "part-odd.jsonl"
    if kind == "FIFO":
        os.mkfifo(odd)
    elif kind == "folder":
        odd.mkdir()
    else:
        odd.symlink_to(secret if kind == "link to a file" else "/nowhere")
    result = sync(folder if is_spool else tmp_path / "off")
    assert result.spans == 3
    assert "part-odd.jsonl" in str(result.problems[0])
    assert os.path.lexists(odd)
    assert secret.read_text() == "precious"
    objects = boto3.client("s3").list_objects_v2(Bucket=local.bucket).get("Contents", ())
    assert all("odd" not in item["Key"] for item in objects)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from([*LINES, *ENTRIES]) | st.binary(max_size=20), max_size=6))
def test_whatever_a_log_and_a_ledger_hold_spans_are_sent(tmp_path, local, lines):
    folder = tmp_path / os.urandom(6).hex()
    path = record_offline(folder, run_name=f"r{os.urandom(4).hex()}", parts=1)
    data = b"\n".join(lines) + b"\n"
    (path / "langchain-traces" / ".synced.jsonl").write_bytes(data)
    with (path / "run.jsonl").open("ab") as file:
        file.write(data)
    assert sync(folder).spans == 1


def test_an_empty_folder_is_an_error_of_ours(tmp_path):
    with pytest.raises(SpanReadError, match="nothing to sync"):
        sync(tmp_path)
