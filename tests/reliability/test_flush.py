"""A flush that fails, that other threads disturb, that runs in the background: every span arrives
once, and the Run's figures count it once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from blockbuster import blockbuster_ctx
from botocore.exceptions import ClientError
from langchain_core.runnables import RunnableLambda

from langchain_sagemaker_experiments import (
    FlushError,
    OfflineRun,
    SageMakerCallbackHandler,
    record_calls,
)
from support.inside import pipeline
from support.programs import await_true
from support.spans import Unreliable, finished, prompts, raw_lines, record


def test_a_failed_flush_keeps_all_within_the_budget_and_the_next_sends_it(tmp_path: Path) -> None:
    run = Unreliable(tmp_path / "out")
    run.folder.mkdir()
    handler = SageMakerCallbackHandler(run, buffer_bytes=20_000, spool_dir=tmp_path / "spool")
    for batch in range(10):
        for number in range(10):
            record(handler, f"{batch}-{number} " + "x" * 500)
        with pytest.raises(FlushError, match="the network is down.*Nothing is lost") as error:
            handler.flush_tracker()
        assert error.value.kept_spans == (batch + 1) * 10
        kept = (part.data for part in pipeline(handler).waiting())
        assert sum(len(data) for data in kept if data is not None) <= 20_000
    assert error.value.spool_dir is not None
    run.broken = False
    assert handler.flush_tracker().spans == 100
    assert len(set(finished(run.folder))) == 100
    assert len(finished(run.folder)) == 100
    assert handler.flush_tracker().spans == 0


# --- while other threads work ---------------------------------------------------------------------
def test_flushes_beside_working_threads_write_one_finished_record_a_span(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)

    def fail(value: int) -> int:
        if value % 5 == 0:
            raise ValueError("every fifth")
        return value

    chain = RunnableLambda(fail).with_config(run_name="step") | RunnableLambda(lambda value: value)
    done = threading.Event()

    def work(worker: int) -> None:
        for number in range(150):
            with pytest.raises(ValueError) if number % 5 == 0 else _nothing():
                chain.invoke(number, config={"callbacks": [handler], "run_name": f"{worker}"})

    def flush_again_and_again() -> None:
        while not done.is_set():
            handler.flush_tracker()

    flusher = threading.Thread(target=flush_again_and_again)
    flusher.start()
    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    done.set()
    flusher.join()
    handler.flush_tracker()
    lines = raw_lines(tmp_path)
    ended = [line for line in lines if line["status"] != "running"]
    assert max(Counter(line["span_id"] for line in ended).values()) == 1
    for line in lines:
        half = line["status"] == "running" and (line["end_time"] or line["error"])
        assert not half, line
        assert (line["status"] == "error") == (line["error"] is not None), line
    roots = [line for line in ended if line["parent_span_id"] is None]
    assert len(roots) == 600
    traces = sum(
        entry["value"]
        for entry in run.entries()
        if entry["entry"] == "metric" and entry["name"] == "traces"
    )
    assert traces == 600


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def test_two_flushes_and_a_save_at_a_time_write_each_span_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 20_000)
    run = OfflineRun(tmp_path / "runs", experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run, spool_dir=tmp_path / "spool", buffer_bytes=300_000)
    works = [handler.flush_tracker, handler.flush_tracker, lambda: pipeline(handler).save({})]
    for _ in range(5):
        for number in range(400):
            record(handler, f"{number:03}")
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    handler.flush_tracker()
    assert Counter(finished(tmp_path)) == {f"{number:03}": 5 for number in range(400)}


def test_a_part_that_arrives_while_it_is_written_to_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_sagemaker_experiments._delivery import spool

    run = OfflineRun(tmp_path / "runs", experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run, spool_dir=tmp_path / "spool")
    record(handler, "once")
    (part,) = _parts_made(handler)
    write = spool.write_file

    def arrive_then_write(path: Path, data: bytes) -> None:
        if path.name == part.name:
            part.note_arrival("elsewhere", len(data))
        write(path, data)

    monkeypatch.setattr(spool, "write_file", arrive_then_write)
    assert pipeline(handler).to_disk(part)
    assert list(tmp_path.glob("spool/*/*.jsonl")) == []


def _parts_made(handler: SageMakerCallbackHandler) -> list[Any]:
    from langchain_sagemaker_experiments._delivery.pace import Pace

    pipeline(handler).take_all()
    return list(pipeline(handler).make_parts(Pace()))


# --- metrics --------------------------------------------------------------------------------------
def test_metrics_of_a_throttled_flush_are_kept_for_the_next(
    sdk: Any, open_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run("throttled") as run:
        handler = SageMakerCallbackHandler(run)
        record(handler)
        handler.flush_tracker()  # its metrics wait in the SDK for a full request
        run.log_metric("mine", 7.0)
        client = run._metrics_manager.sink._metrics_client
        put = client.batch_put_metrics

        def throttled(**request: Any) -> Any:
            answer = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
            raise ClientError(answer, "BatchPutMetrics")

        for _ in range(3):
            record(handler)
        monkeypatch.setattr(client, "batch_put_metrics", throttled)
        with pytest.raises(
            FlushError, match="metrics and parameters of 3 spans.*are kept"
        ) as error:
            handler.flush_tracker()
        assert "Nothing is lost" in str(error.value)
        assert (error.value.kept_spans, handler.pending_spans) == (0, 0)
        monkeypatch.setattr(client, "batch_put_metrics", put)
        assert handler.flush_tracker().metrics["model_calls"] == 3
    described = boto3.client("sagemaker").describe_trial_component(
        TrialComponentName="experiment-throttled"
    )
    metrics = {one["MetricName"]: one for one in described["Metrics"]}
    assert metrics["mine"]["Count"] == 1
    assert (metrics["model_calls"]["Count"], metrics["model_calls"]["Max"]) == (2, 3.0)
    assert metrics["model_calls"]["Avg"] == 2.0


def test_figures_of_a_flush_that_fails_half_way_are_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 3_000)
    run = Unreliable(tmp_path)
    run.broken = False
    logged: list[tuple[str, float]] = []
    taken: list[str] = []

    class Half(Unreliable):
        def log_file(self, file_path: str) -> None:
            taken.append(file_path)
            self.broken = len(taken) == 3
            super().log_file(file_path)

        def log_metric(self, name: str, value: float) -> None:
            logged.append((name, value))

    handler = SageMakerCallbackHandler(Half(tmp_path))
    for number in range(20):
        record(handler, f"{number:02}")
    with pytest.raises(FlushError):
        handler.flush_tracker()
    handler.flush_tracker()
    assert sum(value for name, value in logged if name == "model_calls") == 20
    assert finished(tmp_path) == [f"{number:02}" for number in range(20)]


# --- in the background ----------------------------------------------------------------------------
def test_a_background_flush_by_time_and_by_size(make_recording: Any) -> None:
    before = set(threading.enumerate())
    recording = make_recording(flush_interval=0.05)
    record(recording.handler)
    await_true(lambda: len(recording.parts) == 1)
    recording.handler.close()
    big = make_recording(flush_interval=3_600.0, flush_bytes=5_000)
    for _ in range(20):
        record(big.handler)
    await_true(lambda: big.parts)
    record(big.handler)
    big.handler.close()
    assert len(big.records()) == 21
    assert not _background_threads(before)


def test_closing_ends_the_thread_of_the_time_before_a_run_was_known(tmp_path: Path) -> None:
    """As a service does whose handler is made with the module, and its Run with the worker."""
    before = set(threading.enumerate())
    handler = SageMakerCallbackHandler(flush_interval=3_600.0)
    with OfflineRun(tmp_path, experiment_name="e", run_name="r") as run:
        handler.run = run
        record(handler)
        handler.close()
    assert not _background_threads(before)
    assert prompts(run) == ["p"]


def _background_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the threads of background flushes that were not there before: examples and tests that
    ran in this process earlier may have left theirs.
    """
    new = set(threading.enumerate()) - before
    return [thread for thread in new if thread.name == "langchain-sagemaker-flush"]


def test_a_background_flush_that_fails_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Unreliable(tmp_path)
    with SageMakerCallbackHandler(run, flush_interval=0.02) as handler:
        record(handler)
        await_true(lambda: "the network is down" in caplog.text)
        run.broken = False
        await_true(lambda: list(tmp_path.glob("*.jsonl")))
    assert prompts(tmp_path) == ["p"]


def test_a_handler_that_is_given_up_takes_its_background_thread_along(tmp_path: Path) -> None:
    before = threading.active_count()
    handler = SageMakerCallbackHandler(Unreliable(tmp_path), flush_interval=3_600.0)
    assert threading.active_count() == before + 1
    del handler
    await_true(lambda: threading.active_count() == before)


@pytest.mark.parametrize(
    "settings",
    [{"flush_interval": 0}, {"flush_bytes": 10}, {"flush_interval": 1, "flush_bytes": 0}],
)
def test_settings_of_the_background_flush_are_checked(settings: Any) -> None:
    with pytest.raises(ValueError, match="flush_"):
        SageMakerCallbackHandler(**settings)


# --- in coroutines --------------------------------------------------------------------------------
def _offline(folder: Path) -> OfflineRun:
    return OfflineRun(folder / "runs", experiment_name="e", run_name="r")


@pytest.mark.parametrize("form", ["handler", "record_calls"])
def test_async_with_flushes_without_blocking_the_event_loop(tmp_path: Path, form: str) -> None:
    run = _offline(tmp_path)

    async def work() -> None:
        if form == "handler":
            async with SageMakerCallbackHandler(run, spool_dir=tmp_path / "spool") as handler:
                await RunnableLambda(lambda x: x).ainvoke(1, config={"callbacks": [handler]})
        else:
            async with record_calls(run, spool_dir=tmp_path / "spool"):
                await RunnableLambda(lambda x: x).ainvoke(1)

    with blockbuster_ctx():
        asyncio.run(work())
    (line,) = raw_lines(tmp_path / "runs")
    assert line["status"] == "ok"
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("form", ["handler", "record_calls"])
def test_leaving_with_in_a_coroutine_where_blocking_calls_raise_loses_nothing(
    tmp_path: Path, form: str
) -> None:
    run = _offline(tmp_path)

    async def work() -> None:
        if form == "handler":
            with SageMakerCallbackHandler(run, spool_dir=tmp_path / "spool") as handler:
                await RunnableLambda(lambda x: x).ainvoke(1, config={"callbacks": [handler]})
        else:
            with record_calls(run, spool_dir=tmp_path / "spool"):
                await RunnableLambda(lambda x: x).ainvoke(1)

    with blockbuster_ctx():
        asyncio.run(work())
    await_true(lambda: len(raw_lines(tmp_path)) == 1)


def test_a_handler_that_is_given_up_where_blocking_calls_raise_is_saved_by_a_thread(
    tmp_path: Path,
) -> None:

    async def work() -> None:
        handler = SageMakerCallbackHandler(spool_dir=tmp_path)
        record(handler, "kept")
        del handler

    with blockbuster_ctx():
        asyncio.run(work())
    await_true(lambda: finished(tmp_path) == ["kept"])
