"""Nothing is lost: not by a full buffer, a failed upload, an exit, a signal, a fork, several
processes, an interrupted sync.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import (
    FlushError,
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    load_spans,
)
from langchain_sagemaker_experiments._delivery.spool import Spool
from langchain_sagemaker_experiments.local import local_sagemaker
from support.inside import open_spans

RESULT = LLMResult(generations=[[Generation(text="text")]])


def record(handler: SageMakerCallbackHandler, prompt: str = "p") -> None:
    handler.on_llm_start({}, [prompt], invocation_params={"model_name": "m"})
    handler.on_llm_end(RESULT)


def prompts(source: Any) -> list[str]:
    return sorted(inputs["prompts"][0] for inputs in load_spans(source)["inputs"])


def run_program(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = textwrap.dedent(
        """
        import os, signal, sys
        from langchain_core.outputs import Generation, LLMResult
        from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler
        RESULT = LLMResult(generations=[[Generation(text="text")]])
        def record(handler, prompt="p"):
            handler.on_llm_start({}, [prompt])
            handler.on_llm_end(RESULT)
        """
    ) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=280,
    )


# --- memory and disk ------------------------------------------------------------------------------
def test_what_exceeds_the_budget_goes_to_disk_and_comes_back(
    tmp_path: Path, make_recording: Any
) -> None:
    recording = make_recording(buffer_bytes=20_000, spool_dir=tmp_path)
    for number in range(200):
        record(recording.handler, f"{number:03d} " + "x" * 300)
    buffered = recording.handler._pipeline._buffer.size
    assert buffered <= 20_000
    assert recording.handler.pending_spans == 200
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for part in folder.iterdir():
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        assert b"x" * 300 in part.read_bytes()
    assert recording.handler.flush_tracker().spans == 200
    assert [r["inputs"]["prompts"][0][:3] for r in recording.records()] == [
        f"{number:03d}" for number in range(200)
    ]
    assert list(tmp_path.iterdir()) == []
    assert recording.handler.pending_spans == 0


def test_a_durable_handler_writes_each_span_as_it_ends(tmp_path: Path, make_recording: Any) -> None:
    recording = make_recording(durable=True, spool_dir=tmp_path)
    for number in range(3):
        record(recording.handler, f"prompt {number}")
        (live,) = tmp_path.rglob("live-*.jsonl")
        lines = live.read_text().splitlines()
        assert json.loads(lines[-1])["inputs"] == {"prompts": [f"prompt {number}"]}
    assert recording.handler.flush_tracker().spans == 3
    assert list(tmp_path.iterdir()) == []
    record(recording.handler, "after")
    assert recording.handler.flush_tracker().spans == 1


def test_a_spool_that_can_not_be_written_loses_nothing(tmp_path: Path, make_recording: Any) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for settings in ({"durable": True}, {"buffer_bytes": 2_000}):
        recording = make_recording(spool_dir=blocked, **settings)
        for number in range(20):
            record(recording.handler, str(number))
        result = recording.handler.flush_tracker()
        assert result.spans == 20
        assert any("spool not writable" in fault for fault in result.faults)


def test_secrets_do_not_reach_the_disk(tmp_path: Path, make_recording: Any) -> None:
    recording = make_recording(durable=True, spool_dir=tmp_path)
    record(recording.handler, "my key is AKIA" + "IOSFODNN7EXAMPLE")
    text = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).decode()
    assert "[REDACTED]" in text
    assert "IOSFODNN7" not in text
    recording.handler.flush_tracker()


class Unreliable:
    """A run whose uploads fail while `broken`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken = True

    def log_file(self, file_path: str) -> None:
        if self.broken:
            raise ConnectionError("the network is down")
        (self.folder / Path(file_path).name).write_bytes(Path(file_path).read_bytes())


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
        assert sum(len(part.data) for part in handler._pipeline._parts) <= 20_000
    assert error.value.spool_dir is not None
    run.broken = False
    assert handler.flush_tracker().spans == 100
    assert len(set(prompts(run.folder))) == 100
    assert handler.flush_tracker().spans == 0


# --- the end of a process -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(3)", "raise ValueError('the user failed')", "sys.exit()"]
)
def test_an_exit_spools_what_was_not_flushed_and_says_where(tmp_path: Path, ending: str) -> None:
    done = run_program(
        f"handler = SageMakerCallbackHandler(spool_dir={str(tmp_path)!r})\nrecord(handler, 'kept')\n"
        f"handler.on_chain_start({{}}, 'open')\n{ending}"
    )
    (folder,) = tmp_path.iterdir()
    assert (
        f"They are kept in {folder}; upload them with:\n  sagemaker-traces sync {folder}"
        in done.stderr
    )
    spans = load_spans(folder)
    assert sorted(spans["status"]) == ["ok", "running"]


def test_an_exit_flushes_into_a_run_that_still_takes_records(tmp_path: Path) -> None:
    code = f"""
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, spool_dir={str(tmp_path / "spool")!r})
        record(handler, "kept")
    """
    assert run_program(code).stderr == ""
    assert prompts(tmp_path / "runs") == ["kept"]
    assert not (tmp_path / "spool").exists()


def test_a_handler_that_is_given_up_spools_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def forgetful() -> None:
        record(SageMakerCallbackHandler(spool_dir=tmp_path), "kept")

    forgetful()
    gc.collect()
    assert prompts(tmp_path) == ["kept"]
    (folder,) = tmp_path.iterdir()
    assert f"They are kept in {folder}" in capsys.readouterr().err


def test_sigterm_spools_and_still_ends_the_process(tmp_path: Path) -> None:
    code = f"""
        handler = SageMakerCallbackHandler(spool_dir={str(tmp_path)!r})
        record(handler, "kept")
        os.kill(os.getpid(), signal.SIGTERM)
        print("not reached")
    """
    done = run_program(code)
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == ""
    assert prompts(tmp_path) == ["kept"]


def test_sigterm_in_the_middle_of_a_write_ends_the_process_too(tmp_path: Path) -> None:
    code = f"""
        from langchain_sagemaker_experiments._delivery import spool as _spool
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        record(handler, "kept")
        write = _spool.write_all
        def interrupted(handle, data):
            write(handle, data)
            os.kill(os.getpid(), signal.SIGTERM)  # while the spool's lock is held
        _spool.write_all = interrupted
        record(handler, "kept too")
    """
    done = run_program(code)
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert prompts(tmp_path) == ["kept", "kept too"]


def test_a_sigterm_handler_of_the_users_is_left_alone(tmp_path: Path) -> None:
    code = f"""
        signal.signal(signal.SIGTERM, lambda *_: print("the user's own"))
        handler = SageMakerCallbackHandler(spool_dir={str(tmp_path)!r})
        os.kill(os.getpid(), signal.SIGTERM)
    """
    assert run_program(code).stdout == "the user's own\n"


def test_sigkill_at_random_moments_loses_no_span_whose_end_was_acknowledged(tmp_path: Path) -> None:
    code = f"""
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        print("ready", flush=True)
        number = 0
        while True:
            record(handler, f"{{os.getpid()}}-{{number}}")
            os.write(1, f"{{os.getpid()}}-{{number}}\\n".encode())
            number += 1
    """
    program = textwrap.dedent(code)
    header = (
        "import os, signal, sys\nfrom langchain_core.outputs import Generation, LLMResult\n"
        "from langchain_sagemaker_experiments import SageMakerCallbackHandler\n"
        "RESULT = LLMResult(generations=[[Generation(text='text')]])\n"
        "def record(handler, prompt):\n    handler.on_llm_start({}, [prompt])\n    handler.on_llm_end(RESULT)\n"
    )
    chance = random.Random(7)
    acknowledged: set[str] = set()
    killed = 0
    for _ in range(10):
        # Five at a time: starting the interpreter is what takes long.
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", header + program], stdout=subprocess.PIPE, text=True
            )
            for _ in range(5)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            time.sleep(chance.uniform(0.0, 0.03))
            process.send_signal(signal.SIGKILL)
            killed += 1
        for process in processes:
            output, _ = process.communicate()
            lines = output.split("\n")
            acknowledged.update(lines[:-1])
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a line that was torn was not acknowledged
        recovered = set(prompts(tmp_path))
    assert killed == 50
    assert len(acknowledged) > 50
    assert acknowledged - recovered == set()
    print(
        f"{killed} processes killed, {len(acknowledged)} spans acknowledged, {len(recovered)} recovered"
    )


def test_a_forked_child_sends_its_own_spans_only(tmp_path: Path) -> None:
    code = f"""
        run = OfflineRun({str(tmp_path)!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, durable="durable" in sys.argv)
        record(handler, "parent before")
        for child in range(3):
            if os.fork() == 0:
                record(handler, f"child {{child}}")
                handler.flush_tracker()
                os._exit(0)
        for child in range(3):
            os.wait()
        record(handler, "parent after")
        handler.flush_tracker()
    """
    done = run_program(code)
    assert done.returncode == 0, done.stderr
    lines = [
        json.loads(line)
        for path in tmp_path.rglob("part-*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert sorted(line["inputs"]["prompts"][0] for line in lines) == [
        "child 0",
        "child 1",
        "child 2",
        "parent after",
        "parent before",
    ]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_million_spans_stay_within_the_memory_budget(tmp_path: Path) -> None:
    """64 MiB of budget; peak memory grows by less than twice that; all come back (counted line by
    line).
    """
    code = f"""
        import uuid
        def peak():  # of this program alone: getrusage also counts what the process was before it became this one
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, buffer_bytes=64 * 1024 * 1024, spool_dir={str(tmp_path / "spool")!r})
        record(handler)
        handler.flush_tracker()
        before = peak()
        for number in range(1_000_000):
            run_id = uuid.uuid4()
            handler.on_llm_start({{}}, [str(number)], run_id=run_id)
            handler.on_llm_end(RESULT, run_id=run_id)
        result = handler.flush_tracker()
        after = peak()
        print(result.spans, (after - before) / 1024)
    """
    done = run_program(code)
    assert done.returncode == 0, done.stderr
    spans, grown_mib = done.stdout.split()
    assert spans == "1000000"
    assert float(grown_mib) < 128
    seen = bytearray(1_000_000)
    for part in (tmp_path / "runs").rglob("part-*.jsonl"):
        with part.open("rb") as lines:
            for line in lines:
                number = json.loads(line)["inputs"]["prompts"][0]
                if number != "p":
                    seen[int(number)] += 1
    assert seen == bytearray(b"\x01") * 1_000_000
    print(f"1,000,000 spans, memory grown by {grown_mib} MiB")


# --- background flush -----------------------------------------------------------------------------
def wait_until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_background_flush_by_time_and_by_size(make_recording: Any) -> None:
    recording = make_recording(flush_interval=0.05)
    record(recording.handler)
    wait_until(lambda: len(recording.parts) == 1)
    recording.handler.close()
    threads = [thread.name for thread in threading.enumerate()]
    assert "langchain-sagemaker-flush" not in threads
    big = make_recording(flush_interval=3_600.0, flush_bytes=5_000)
    for _ in range(20):
        record(big.handler)
    wait_until(lambda: big.parts)
    record(big.handler)
    big.handler.close()
    assert len(big.records()) == 21


def test_a_background_flush_that_fails_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Unreliable(tmp_path)
    with SageMakerCallbackHandler(run, flush_interval=0.02) as handler:
        record(handler)
        wait_until(lambda: "the network is down" in caplog.text)
        run.broken = False
        wait_until(lambda: list(tmp_path.glob("*.jsonl")))
    assert prompts(tmp_path) == ["p"]


@pytest.mark.parametrize(
    "settings",
    [{"flush_interval": 0}, {"flush_bytes": 10}, {"flush_interval": 1, "flush_bytes": 0}],
)
def test_settings_of_the_background_flush_are_checked(settings: Any) -> None:
    with pytest.raises(ValueError, match="flush_"):
        SageMakerCallbackHandler(**settings)


# --- several processes on one Run -----------------------------------------------------------------
WRITER = """
import sys
from langchain_core.outputs import Generation, LLMResult
from langchain_sagemaker_experiments import SageMakerCallbackHandler
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import load_sdk
sdk = load_sdk("test")
RESULT = LLMResult(generations=[[Generation(text="text")]])
with sdk.load_run(experiment_name="e", run_name="r", sagemaker_session=sdk.Session()) as run:
    handler = SageMakerCallbackHandler(run)
    for number in range(125):
        handler.on_llm_start({}, [f"{sys.argv[1]}-{number}"], invocation_params={"model_name": "m", "temperature": 0.5})
        handler.on_llm_end(RESULT)
        handler.flush_tracker()
"""


def test_500_flushes_of_4_processes_onto_a_run_with_artifacts_of_the_users(sdk: Any) -> None:
    with local_sagemaker(server=True) as local:
        session = sdk.Session()
        with sdk.Run(experiment_name="e", run_name="r", sagemaker_session=session) as run:
            for number in range(25):
                run.log_artifact(f"mine-{number}", f"s3://b/{number}")
        processes = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(n)], stderr=subprocess.PIPE)
            for n in range(4)
        ]
        for process in processes:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
        spans = load_spans(experiment_name="e", run_name="r")
        expected = sorted(f"{process}-{number}" for process in range(4) for number in range(125))
        assert sorted(inputs["prompts"][0] for inputs in spans["inputs"]) == expected
        described = boto3.client("sagemaker").describe_trial_component(TrialComponentName="e-r")
        artifacts = described["OutputArtifacts"]
        assert set(artifacts) == {f"mine-{number}" for number in range(25)} | {"langchain-traces"}
        assert all(
            artifacts[f"mine-{number}"]["Value"] == f"s3://b/{number}" for number in range(25)
        )
        assert described["Parameters"]["temperature"] == {"NumberValue": 0.5}
        assert local.requests["PutObject"] == 500


# --- sync -----------------------------------------------------------------------------------------
def offline(folder: Path, run_name: str = "r", spans: int = 5) -> OfflineRun:
    file = folder / "notes.txt"
    folder.mkdir(exist_ok=True)
    file.write_text("notes")
    with OfflineRun(folder / "runs", experiment_name="e", run_name=run_name) as run:
        run.log_parameter("mine", 7)
        run.log_metric("loss", 0.5, step=1)
        run.log_metric("loss", 0.25, step=2)
        run.log_artifact("made", "s3://b/k", media_type="text/plain")
        run.log_file(str(file), name="notes")
        handler = SageMakerCallbackHandler(run)
        for number in range(spans):
            record(handler, f"{run_name}-{number}")
            handler.flush_tracker()
    return run


def command(*words: str) -> Any:
    from typer.testing import CliRunner

    from langchain_sagemaker_experiments._cli.app import app

    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_sync_brings_an_offline_run_into_a_real_one(tmp_path: Path, session: Any) -> None:
    offline(tmp_path, "one")
    offline(tmp_path, "two")
    done = command("sync", str(tmp_path / "runs"))
    assert done.exit_code == 0
    assert "10 spans in 10 parts" in done.stdout
    assert sorted(
        load_spans(experiment_name="e")["inputs"].map(lambda inputs: inputs["prompts"][0])
    ) == sorted(f"{run}-{number}" for run in ("one", "two") for number in range(5))
    described = boto3.client("sagemaker").describe_trial_component(TrialComponentName="e-one")
    assert described["Parameters"]["mine"] == {"NumberValue": 7.0}
    assert described["Parameters"]["model_name"] == {"StringValue": "m"}
    assert described["OutputArtifacts"]["made"] == {"MediaType": "text/plain", "Value": "s3://b/k"}
    address = described["OutputArtifacts"]["notes"]["Value"].removeprefix("s3://").partition("/")
    assert (
        boto3.client("s3").get_object(Bucket=address[0], Key=address[2])["Body"].read() == b"notes"
    )
    (loss,) = [metric for metric in described["Metrics"] if metric["MetricName"] == "loss"]
    assert (loss["Count"], loss["Last"]) == (2, 0.25)
    again = command("sync", str(tmp_path / "runs"), "--json")
    assert json.loads(again.stdout.splitlines()[-1])["skipped"] == 10
    (loss,) = [
        metric
        for metric in boto3.client("sagemaker").describe_trial_component(
            TrialComponentName="e-one"
        )["Metrics"]
        if metric["MetricName"] == "loss"
    ]
    assert loss["Count"] == 2


def test_an_interrupted_sync_goes_on_where_it_stopped(
    tmp_path: Path, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_sagemaker_experiments import sync
    from langchain_sagemaker_experiments._destinations.boto_run import BotoRunDestination

    run = offline(tmp_path)
    write = BotoRunDestination.write
    written: list[str] = []

    def failing(self: Any, name: str, data: bytes) -> str:
        if len(written) == 3:
            raise ConnectionError("the network is down")
        written.append(name)
        return write(self, name, data)

    monkeypatch.setattr(BotoRunDestination, "write", failing)
    with pytest.raises(
        FlushError, match="the network is down.*Nothing is lost: 3 parts have been sent, 2 wait"
    ):
        sync(run.path, sagemaker_session=session)
    monkeypatch.setattr(BotoRunDestination, "write", write)
    result = sync(run.path, sagemaker_session=session)
    assert (result.parts, result.skipped) == (2, 3)
    assert len(load_spans(experiment_name="e", run_name="r")) == 5


def test_sync_brings_a_killed_process_spool_into_its_run(tmp_path: Path, session: Any) -> None:
    code = f"""
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        for number in range(5):
            record(handler, f"kept {{number}}")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    run_program(code)
    (folder,) = tmp_path.iterdir()
    (live,) = folder.glob("live-*.jsonl")
    with live.open("ab") as file:
        file.write(b'{"torn')
    missing = command_error("sync", str(tmp_path))
    assert "does not say which run it belongs to; give --experiment and --run" in missing
    done = command("sync", str(tmp_path), "--experiment", "recovered", "--run", "killed")
    assert "5 spans in 1 part," in done.stdout
    assert len(load_spans(experiment_name="recovered", run_name="killed")) == 5
    assert list(tmp_path.iterdir()) == []
    assert "There is nothing to sync" in command_error("sync", str(tmp_path))
    assert "There is no folder" in command_error("sync", str(tmp_path / "nowhere"))


def command_error(*words: str) -> str:
    from langchain_sagemaker_experiments import TrackerError

    with pytest.raises(TrackerError) as error:
        command(*words)
    return str(error.value)


def test_sync_leaves_alone_what_a_living_process_still_writes(tmp_path: Path, session: Any) -> None:
    handler = SageMakerCallbackHandler(durable=True, spool_dir=tmp_path)
    record(handler, "first")
    command("sync", str(tmp_path), "--experiment", "e", "--run", "r")
    record(handler, "second")
    (live,) = tmp_path.rglob("live-*.jsonl")
    assert live.read_bytes().count(b"\n") == 2
    assert handler._pipeline.save(open_spans(handler), {}) is not None
    assert prompts(tmp_path) == ["first", "second"]


def test_a_spool_knows_its_run(tmp_path: Path, sdk: Any, session: Any, open_run: Any) -> None:
    from langchain_sagemaker_experiments._delivery import process_exit as _exit

    with open_run("later") as run:
        handler = SageMakerCallbackHandler(run, spool_dir=tmp_path)
        record(handler, "unflushed")
    _exit.save(handler)
    assert "1 span in" in command("sync", str(tmp_path)).stdout
    assert len(load_spans(experiment_name="experiment", run_name="later")) == 1


def test_ctrl_c_in_the_middle_of_a_flush_loses_and_doubles_nothing(
    make_recording: Any, open_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.flush.MAX_PART_BYTES", 5_000)
    recording = make_recording()
    taken: list[str] = []
    log_file = recording.log_file

    def interrupted(file_path: str, name: str | None = None) -> None:
        if len(taken) == 1:
            taken.append("interrupted")
            raise KeyboardInterrupt
        taken.append(file_path)
        log_file(file_path, name)

    monkeypatch.setattr(recording, "log_file", interrupted)
    for number in range(20):
        with recording.handler.span(str(number)):
            pass
    with pytest.raises(KeyboardInterrupt):
        recording.handler.flush_tracker()
    sent = len(recording.raw_lines())
    assert 0 < sent < 20
    assert recording.handler.pending_spans == 20 - sent
    assert [record["name"] for record in recording.records()] == [
        str(number) for number in range(20)
    ]
    assert len(recording.raw_lines()) == 20


def test_ctrl_c_while_parts_are_sent_by_threads_loses_nothing(
    open_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_sagemaker_experiments._delivery.upload_pool import Uploads

    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.flush.MAX_PART_BYTES", 3_000)
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for number in range(60):
            with handler.span(str(number)):
                pass
        with monkeypatch.context() as context:
            context.setattr(
                Uploads, "_settle", lambda self: (_ for _ in ()).throw(KeyboardInterrupt)
            )
            with pytest.raises(KeyboardInterrupt):
                handler.flush_tracker()
        assert (
            handler.pending_spans == 60
        )  # some have arrived, but nobody took note: they go again under the same names
        assert handler.flush_tracker().spans == 60
        assert sorted(load_spans(run)["name"], key=int) == [str(number) for number in range(60)]


def test_sigterm_in_the_middle_of_a_long_flush_loses_nothing(tmp_path: Path) -> None:
    code = f"""
        from langchain_sagemaker_experiments._delivery import flush as _pipeline
        from langchain_sagemaker_experiments._destinations import offline_run as _offline
        _pipeline.MAX_PART_BYTES = 3_000
        write, written = _offline.OfflineDestination.write, []
        def interrupted(self, name, data):
            written.append(name)
            if len(written) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return write(self, name, data)
        _offline.OfflineDestination.write = interrupted
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, spool_dir={str(tmp_path / "spool")!r})
        for number in range(40):
            record(handler, f"{{number:02}}")
        handler.flush_tracker()
    """
    done = run_program(code)
    assert done.returncode == -signal.SIGTERM, done.stderr
    # What the interrupted flush had not sent yet goes with the last flush of the process, or to the
    # spool.
    assert prompts(tmp_path) == [f"{number:02}" for number in range(40)]


def test_ctrl_c_in_the_middle_of_a_spill_loses_nothing(
    make_recording: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.flush.MAX_PART_BYTES", 20_000)
    recording = make_recording(buffer_bytes=100_000, spool_dir=tmp_path)
    write_part, count = Spool.write_part, 0

    def interrupted(self: Spool, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return write_part(self, *args)

    monkeypatch.setattr(Spool, "write_part", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        for number in range(200):
            recording.handler.log_trace(Span(str(number)))
    assert count == 3
    recorded = recording.handler.pending_spans
    assert recorded > 60
    assert [record["name"] for record in recording.records()] == [
        str(number) for number in range(recorded)
    ]


def test_sigterm_in_the_middle_of_a_spill_loses_nothing(tmp_path: Path) -> None:
    code = f"""
        from langchain_sagemaker_experiments._delivery import flush as _pipeline
        from langchain_sagemaker_experiments._delivery import spool as _spool
        _pipeline.MAX_PART_BYTES = 20_000
        write_part, written = _spool.Spool.write_part, []
        def interrupted(self, name, data):
            written.append(name)
            if len(written) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return write_part(self, name, data)
        _spool.Spool.write_part = interrupted
        handler = SageMakerCallbackHandler(spool_dir={str(tmp_path)!r}, buffer_bytes=100_000)
        for number in range(500):
            print(f"{{number:03}}", flush=True)
            record(handler, f"{{number:03}}")
    """
    done = run_program(code)
    assert done.returncode == -signal.SIGTERM, done.stderr
    recorded = done.stdout.split()
    assert 50 < len(recorded) < 500
    assert prompts(tmp_path) == recorded
