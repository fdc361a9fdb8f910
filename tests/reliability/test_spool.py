"""What lies on disk: what memory does not hold, and everything of a durable handler. Whatever the
disk does, no span is lost and none is torn.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import stat
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from langchain_sagemaker_experiments import FlushError, SageMakerCallbackHandler
from langchain_sagemaker_experiments._delivery.spool import Spool, SpoolFile
from langchain_sagemaker_experiments._storage.writer_lock import writer_state
from support.inside import pipeline
from support.programs import Zygote, await_true
from support.spans import Unreliable, finished, prompts, record


def test_what_exceeds_the_budget_goes_to_disk_and_comes_back(
    tmp_path: Path, make_recording: Any
) -> None:
    recording = make_recording(buffer_bytes=20_000, spool_dir=tmp_path)
    for number in range(200):
        record(recording.handler, f"{number:03d} " + "x" * 300)
    assert recording.handler.pending_spans == 200
    await_true(lambda: any(tmp_path.rglob("part-*")))
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for part in folder.iterdir():
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert recording.handler.flush_tracker().spans == 200
    assert [r["inputs"]["prompts"][0][:3] for r in recording.records()] == [
        f"{number:03d}" for number in range(200)
    ]
    assert len(recording.raw_lines()) == 200
    assert list(tmp_path.iterdir()) == []
    assert recording.handler.pending_spans == 0


def test_the_spill_is_the_work_of_a_thread_and_memory_stays_below_twice_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is held up until recording waits for it; what is held is looked at by every span."""
    handler = SageMakerCallbackHandler(buffer_bytes=50_000, spool_dir=tmp_path)
    held_by = pipeline(handler)
    write = SpoolFile.write
    threads: set[str] = set()
    go_on = threading.Event()

    def slow(self: SpoolFile, data: bytes) -> None:
        threads.add(threading.current_thread().name)
        go_on.wait(30)
        write(self, data)

    monkeypatch.setattr(SpoolFile, "write", slow)
    held: list[int] = []

    def work() -> None:
        for number in range(300):
            record(handler, f"{number:03d}")
            held.append(held_by._bytes_in_memory())

    worker = threading.Thread(target=work)
    worker.start()
    # Recording waits: it has not dropped what it can't put anywhere, and it has not gone on.
    await_true(lambda: threads and held and held[-1] > 70_000)
    assert len(held) < 300
    go_on.set()
    worker.join()
    assert max(held) < 100_000
    assert threads == {"langchain-traces-spill"}
    held_by.save({})
    assert finished(tmp_path) == [f"{number:03d}" for number in range(300)]


def test_a_durable_handler_writes_each_span_as_it_ends(tmp_path: Path, make_recording: Any) -> None:
    recording = make_recording(durable=True, spool_dir=tmp_path)
    for number in range(3):
        record(recording.handler, f"prompt {number}")
        (live,) = tmp_path.rglob("live-*.jsonl")
        lines = live.read_text().splitlines()
        assert json.loads(lines[-1])["inputs"] == {"prompts": [f"prompt {number}"]}
    assert recording.handler.flush_tracker().spans == 3
    assert recording.metrics["model_calls"] == 3
    assert list(tmp_path.iterdir()) == []
    record(recording.handler, "after")
    assert recording.handler.flush_tracker().spans == 1
    assert recording.metrics["model_calls"] == 1


@pytest.mark.parametrize("settings", [{"durable": True}, {"buffer_bytes": 2_000}])
def test_a_spool_that_can_not_be_written_loses_nothing(
    tmp_path: Path, make_recording: Any, settings: Any
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    recording = make_recording(spool_dir=blocked, **settings)
    for number in range(20):
        record(recording.handler, str(number))
    held_by = pipeline(recording.handler)
    await_true(lambda: held_by.writer.faults)
    result = recording.handler.flush_tracker()
    assert result.spans == 20
    assert any("spool not writable" in fault for fault in result.faults)


@pytest.mark.parametrize("raised", [OSError("disk"), RuntimeError("watchdog"), MemoryError()])
def test_whatever_the_spool_raises_the_span_stays_in_memory(
    tmp_path: Path, make_recording: Any, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    def fail(self: Spool) -> None:
        raise raised

    monkeypatch.setattr(Spool, "make_folder", fail)
    recording = make_recording(durable=True, spool_dir=tmp_path)
    for number in range(5):
        record(recording.handler, str(number))
    assert recording.handler.pending_spans == 5
    assert recording.handler.flush_tracker().spans == 5


def test_where_blocking_calls_raise_durable_spans_stay_in_memory(
    tmp_path: Path, make_recording: Any
) -> None:
    recording = make_recording(durable=True, spool_dir=tmp_path)

    async def work() -> None:
        await asyncio.gather(*(one(number) for number in range(60)))

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        record(recording.handler, f"{number:02}")

    with blockbuster_ctx():
        asyncio.run(work())
    result = recording.handler.flush_tracker()
    assert result.spans == 60
    assert sorted(line["inputs"]["prompts"][0] for line in recording.raw_lines()) == [
        f"{number:02}" for number in range(60)
    ]


def test_secrets_do_not_reach_the_disk(tmp_path: Path, make_recording: Any) -> None:
    recording = make_recording(durable=True, spool_dir=tmp_path)
    record(recording.handler, "my key is AKIA" + "IOSFODNN7EXAMPLE")
    text = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).decode()
    assert "[REDACTED]" in text
    assert "IOSFODNN7" not in text
    recording.handler.flush_tracker()


# --- a disk that fails, a folder that is cleaned up -----------------------------------------------
def test_a_full_disk_tears_no_line_and_loses_no_span(tmp_path: Path, programs: Zygote) -> None:
    """Files may grow to some bytes only, for a moment: writes end half-way."""
    done = programs.run(
        f"""
        import resource
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        record(handler, "before")
        size = next(os.scandir(next(os.scandir({str(tmp_path)!r})).path)).stat().st_size
        for number in range(6):
            limit = 10 ** 9 if number % 2 else os.path.getsize(live) + 100 if number else size + 100
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            record(handler, str(number))
            folder = next(os.scandir({str(tmp_path)!r})).path
            live = next(one.path for one in os.scandir(folder) if one.name.startswith("live-"))
            print(open(live, "rb").read()[-1:] == b"\\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        print(handler.pending_spans)
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 6 + ["7"], done.stderr
    assert finished(tmp_path) == ["0", "1", "2", "3", "4", "5", "before"]


@pytest.mark.parametrize("when", ["while it writes", "before a flush", "before the end"])
def test_a_durable_spool_that_is_deleted_is_made_anew_with_its_spans(
    tmp_path: Path, when: str
) -> None:
    run = Unreliable(tmp_path / "out")
    run.folder.mkdir()
    run.broken = False
    spool = tmp_path / "spool"
    handler = SageMakerCallbackHandler(run, durable=True, spool_dir=spool)
    for number in range(5):
        record(handler, str(number))
    shutil.rmtree(spool)
    if when == "while it writes":
        record(handler, "5")
        assert finished(spool) == ["0", "1", "2", "3", "4", "5"]
        record(handler, "6")
    if when == "before the end":
        pipeline(handler).save({})
        assert finished(spool) == ["0", "1", "2", "3", "4"]
    expected = ["0", "1", "2", "3", "4", "5", "6"][: 7 if when == "while it writes" else 5]
    assert handler.pending_spans == len(expected)
    handler.flush_tracker()
    assert finished(run.folder) == expected
    assert not any(spool.iterdir())


def test_parts_that_are_deleted_while_they_wait_are_sent_all_the_same(tmp_path: Path) -> None:
    run = Unreliable(tmp_path / "out")
    run.folder.mkdir()
    spool = tmp_path / "spool"
    handler = SageMakerCallbackHandler(run, buffer_bytes=5_000, spool_dir=spool)
    for number in range(40):
        record(handler, f"{number:02}")
    await_true(lambda: any(spool.rglob("part-*")))
    shutil.rmtree(spool)
    with pytest.raises(FlushError) as error:
        handler.flush_tracker()
    assert error.value.kept_spans == 40
    run.broken = False
    handler.flush_tracker()
    assert finished(run.folder) == [f"{number:02}" for number in range(40)]


def test_what_nobody_can_bring_back_is_told(
    tmp_path: Path, make_recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.spool._MAX_HANDLES", 0)
    recording = make_recording(buffer_bytes=5_000, spool_dir=tmp_path)
    for number in range(40):
        record(recording.handler, f"{number:02}")
    held_by = pipeline(recording.handler)
    await_true(lambda: held_by.folder() is not None)
    await_true(lambda: not held_by._spiller._running.locked())
    on_disk = len(finished(tmp_path))
    shutil.rmtree(tmp_path)
    result = recording.handler.flush_tracker()
    assert result.spans == 40 - on_disk
    (fault,) = result.faults
    assert "something else deleted its file" in fault
    assert result.faults[fault] == on_disk
    assert recording.handler.pending_spans == 0


# --- the one writer of a folder -------------------------------------------------------------------
@pytest.mark.parametrize("settings", [{"durable": True}, {"buffer_bytes": 2_000}])
def test_a_living_handler_holds_the_lock_of_its_folder(tmp_path: Path, settings: Any) -> None:
    handler = SageMakerCallbackHandler(spool_dir=tmp_path, **settings)
    for number in range(20):
        record(handler, f"{number:02}")
    await_true(lambda: any(tmp_path.rglob("*.jsonl")))
    (folder,) = tmp_path.iterdir()
    assert writer_state(folder) == "alive"
    spilling = pipeline(handler)._spiller._running
    await_true(lambda: not spilling.locked())
    del handler
    assert writer_state(folder) == "dead"
    assert prompts(tmp_path) == [f"{number:02}" for number in range(20)]


def test_sigkill_at_random_moments_loses_no_span_whose_end_was_acknowledged(
    tmp_path: Path, programs: Zygote
) -> None:
    code = f"""
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        number = 0
        while True:
            record(handler, f"{{os.getpid()}}-{{number}}")
            os.write(1, f"{{os.getpid()}}-{{number}}\\n".encode())
            number += 1
    """
    chance = random.Random(7)
    acknowledged: set[str] = set()
    for _ in range(25):
        running = [programs.start(code) for _ in range(2)]
        for program in running:
            program.await_output("\n")
            time.sleep(chance.uniform(0.0, 0.01))
            program.kill(signal.SIGKILL)
        for program in running:
            acknowledged.update(program.wait().stdout.split("\n")[:-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a line that was torn was not acknowledged
        recovered = set(prompts(tmp_path))
    assert len(acknowledged) > 50
    assert acknowledged - recovered == set()
    print(f"50 processes killed, {len(acknowledged)} spans acknowledged, {len(recovered)} found")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_million_spans_stay_within_the_memory_budget(tmp_path: Path, programs: Zygote) -> None:
    """64 MiB of budget; peak memory grows by less than twice that; all come back (counted line by
    line).
    """
    done = programs.run(
        f"""
        import uuid
        def peak():
            status = open("/proc/self/status")
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(
            run, buffer_bytes=64 * 1024 * 1024, spool_dir={str(tmp_path / "spool")!r}
        )
        record(handler)
        handler.flush_tracker()
        from support.spans import RESULT
        before = peak()
        for number in range(1_000_000):
            run_id = uuid.uuid4()
            handler.on_llm_start({{}}, [str(number)], run_id=run_id)
            handler.on_llm_end(RESULT, run_id=run_id)
        result = handler.flush_tracker()
        print(result.spans, (peak() - before) / 1024)
        os._exit(0)
        """
    )
    assert done.returncode == 0, done.stderr
    spans, grown_mib = done.stdout.split()
    print(f"1,000,000 spans, memory grown by {grown_mib} MiB")
    assert spans == "1000000"
    seen = bytearray(1_000_000)
    for part in (tmp_path / "runs").rglob("part-*.jsonl"):
        with part.open("rb") as lines:
            for line in lines:
                number = json.loads(line)["inputs"]["prompts"][0]
                if number != "p":
                    seen[int(number)] += 1
    assert seen == bytearray(b"\x01") * 1_000_000
    assert float(grown_mib) < 128
