"""What a process leaves for a backend is sent by the next one, and nothing of it twice that is
known to have arrived.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    BotoRun,
    OfflineRun,
    Otlp,
    SageMakerCallbackHandler,
    Span,
    load_spans,
)
from langchain_sagemaker_experiments._conventions.genai import span_id, trace_id
from langchain_sagemaker_experiments._conventions.otlp import Limits
from langchain_sagemaker_experiments._delivery import forward_ledger
from langchain_sagemaker_experiments._delivery.forward_ledger import ForwardLedger
from langchain_sagemaker_experiments.local import local_sagemaker
from support import otlp_receiver as receivers
from support.otlp_receiver import Receiver, otlp_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as started:
        yield started


# Records some traces, says so, and would go on sending for ever.
WORKER = """
import sys, time
from langchain_sagemaker_experiments import (
    BotoRun, OfflineRun, Otlp, SageMakerCallbackHandler, Span,
)
from langchain_sagemaker_experiments._conventions.otlp import Limits

kind, folder, endpoint, batch = sys.argv[1:]
run = BotoRun("e", "r") if kind == "boto" else OfflineRun(folder, experiment_name="e", run_name="r")
backend = Otlp(endpoint, limits=Limits(spans=int(batch)))
handler = SageMakerCallbackHandler(run, forward=[backend], spool_dir=f"{folder}/spool")
for number in range(3):
    steps = [Span(f"step-{number}-{n}", kind="tool", inputs={"n": n}) for n in range(5)]
    handler.log_trace(Span(f"trace-{number}", children=steps))
    handler.flush_tracker()
print("flushed", flush=True)
time.sleep(600)
"""


def start(kind: str, folder: Path, endpoint: str, batch: int = 100) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, kind, str(folder), endpoint, str(batch)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "flushed\n"
    return process


def kill(process: Any) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def expected(source: Any) -> set[tuple[bytes, bytes]]:
    return {
        (bytes.fromhex(trace_id(row["trace_id"])), bytes.fromhex(span_id(row["span_id"])))
        for _, row in load_spans(source).iterrows()
    }


def ledgers(folder: Path) -> list[Path]:
    return sorted((folder / "spool").rglob("*.ledger"))


def replay(run: Any, folder: Path, receiver: Receiver, batch: int = 100) -> None:
    """Do nothing but make a handler that forwards, as the next process of an application does."""
    backend = Otlp(receiver.endpoint, limits=Limits(spans=batch))
    handler = SageMakerCallbackHandler(
        run, forward=[backend], forward_timeout=60, spool_dir=folder / "spool"
    )
    handler.log_trace(Span("of the next process"))
    handler.close()


@pytest.mark.parametrize("kind", ["offline", "boto"])
def test_the_next_process_sends_what_a_killed_one_left(
    receiver: Receiver, tmp_path: Path, kind: str
) -> None:
    with local_sagemaker(server=True):
        receiver.faults = [receivers.status(503)] * 10_000
        process = start(kind, tmp_path, receiver.endpoint)
        kill(process)
        assert not receiver.spans
        assert len(ledgers(tmp_path)) == 1
        receiver.faults = []
        run: Any = (
            BotoRun("e", "r")
            if kind == "boto"
            else OfflineRun(tmp_path, experiment_name="e", run_name="r")
        )
        replay(run, tmp_path, receiver)
        assert len(receiver.spans) == 19
        assert set(receiver.spans) == expected(run)
        assert {len(sent) for sent in receiver.spans.values()} == {1}
        assert not list((tmp_path / "spool" / "forwarding").iterdir())


def test_runs_of_one_name_in_two_folders_have_ledgers_of_their_own(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.faults = [receivers.status(503)] * 10_000
    kill(start("offline", tmp_path, receiver.endpoint))
    receiver.faults = []
    other = OfflineRun(tmp_path / "other", experiment_name="e", run_name="r")
    replay(other, tmp_path, receiver)
    assert len(receiver.spans) == 1
    replay(OfflineRun(tmp_path, experiment_name="e", run_name="r"), tmp_path, receiver)
    assert len(receiver.spans) == 20


def test_batches_that_were_taken_are_not_sent_again(receiver: Receiver, tmp_path: Path) -> None:
    taken = threading.Event()

    def refuse_from_the_third(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
        if len(receiver.requests) <= 2:
            return False
        taken.set()
        return receivers.status(503)(receiver, request, spans)

    receiver.faults = [refuse_from_the_third] * 10_000
    process = start("offline", tmp_path, receiver.endpoint, batch=2)
    assert taken.wait(30)
    kill(process)
    assert len(receiver.spans) == 4
    receiver.faults = []
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    replay(run, tmp_path, receiver, batch=2)
    assert set(receiver.spans) == expected(run)
    assert {len(sent) for sent in receiver.spans.values()} == {1}


def test_a_process_that_is_killed_while_it_replays_is_replayed(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.faults = [receivers.status(503)] * 10_000
    for _ in range(3):
        kill(start("offline", tmp_path, receiver.endpoint))
    assert len(ledgers(tmp_path)) == 1
    receiver.faults = []
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    replay(run, tmp_path, receiver)
    assert len(receiver.spans) == 55
    assert set(receiver.spans) == expected(run)


def test_what_a_live_process_sends_is_left_to_it(receiver: Receiver, tmp_path: Path) -> None:
    receiver.faults = [receivers.status(503)] * 10_000
    process = start("offline", tmp_path, receiver.endpoint)
    try:
        receiver.faults = []
        run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
        folder = ledgers(tmp_path)[0].parent
        assert ForwardLedger(folder).adopt() == {}
        wait_for(lambda: len(receiver.spans) == 18)
        assert set(receiver.spans) == expected(run)
        wait_for(lambda: not ledgers(tmp_path))
    finally:
        kill(process)


def test_a_part_that_was_noted_and_never_stored_waits_for_another_time(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.faults = [receivers.status(503)] * 10_000
    kill(start("offline", tmp_path, receiver.endpoint))
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    first = min((run.path / "langchain-traces").glob("part-*"))
    away = tmp_path / "away"
    first.rename(away)  # it waits in a spool, and is synced later
    receiver.faults = []
    process = start("offline", tmp_path, receiver.endpoint)
    wait_for(lambda: len(receiver.spans) == 30)
    kill(process)
    assert len(ledgers(tmp_path)) == 1
    away.rename(first)
    replay(run, tmp_path, receiver)
    assert set(receiver.spans) == expected(run)
    assert not ledgers(tmp_path)


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_second_handler_of_a_run_waits_for_the_backend_of_the_first(
    receiver: Receiver, tmp_path: Path
) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    receiver.faults = [receivers.hang(0.3)] * 4
    for number in range(1, 3):
        replay(run, tmp_path, receiver)
        assert len(receiver.spans) == number


def test_a_ledger_that_cannot_be_written_fails_no_flush(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "forwarding").write_text("no folder")
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    replay(run, tmp_path, receiver)
    assert set(receiver.spans) == expected(run)
    assert "not noted on disk" in caplog.text


def test_what_nobody_could_read_for_two_weeks_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ForwardLedger(tmp_path).note_offered("part-1.jsonl", {0, 2})
    (tmp_path / "torn.ledger").write_bytes(b'{"writer": 7}\n{"part": "torn')
    monkeypatch.setattr(forward_ledger, "process_state", lambda writer: "dead")
    assert ForwardLedger(tmp_path).adopt() == {"part-1.jsonl": {0, 2}}
    monkeypatch.setattr(forward_ledger, "_OLDEST_SECONDS", 0.0)
    assert ForwardLedger(tmp_path).adopt() == {}
