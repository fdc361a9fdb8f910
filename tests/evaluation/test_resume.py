"""An evaluation goes on after it was killed, with several workers, and elsewhere: nothing is done
twice that counts, and nothing is missing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from langchain_sagemaker_experiments import (
    BotoRun,
    EvaluationError,
    OfflineRun,
    evaluate,
    load_scores,
    load_spans,
    trace_table,
)
from langchain_sagemaker_experiments._evaluation import claims, session
from langchain_sagemaker_experiments._storage.keys import PART_SUFFIX

EXAMPLES = [{"id": f"e{n}", "inputs": {"n": n}, "reference_outputs": n % 10} for n in range(40)]

WORKER = """
import os, random, sys, time
from langchain_core.runnables import RunnableLambda
from langchain_sagemaker_experiments import OfflineRun, evaluate
from langchain_sagemaker_experiments._evaluation import session
session.FLUSH_SECONDS = 0.2
counter = os.open(os.environ["COUNTER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
PROMPT = os.environ.get("PROMPT", "What is the last digit?")

def work(inputs):
    os.write(counter, b"x")
    time.sleep(random.uniform(0.005, 0.02))
    assert PROMPT
    return inputs["n"] % 10

def right(outputs, reference_outputs):
    return outputs == reference_outputs

def small(outputs):
    return {"key": "small", "score": 1 / (1 + outputs), "comment": "the smaller the better"}

def main(width=8):
    examples = [{"id": f"e{n}", "inputs": {"n": n}, "reference_outputs": n % 10}
                for n in range(int(os.environ["EXAMPLES"]))]
    run = OfflineRun(os.environ["FOLDER"], experiment_name="experiment", run_name="run")
    return evaluate(RunnableLambda(work), examples, [right, small], run=run,
                    max_concurrency=width, progress=False)

if __name__ == "__main__":
    if "READY" in os.environ:  # all workers begin together
        with open(os.environ["READY"], "ab") as ready:
            ready.write(b"x")
        while os.path.getsize(os.environ["READY"]) < 2:
            time.sleep(0.001)
    print(main().called)
"""


@pytest.fixture
def worker(tmp_path: Path) -> dict[str, str]:
    """The environment of a worker's process; its script lies beside."""
    (tmp_path / "worker.py").write_text(WORKER)
    return {
        **os.environ,
        "COUNTER": str(tmp_path / "counter"),
        "FOLDER": str(tmp_path / "runs"),
        "SCRIPT": str(tmp_path / "worker.py"),
    }


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, environment["SCRIPT"]],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def called(environment: dict[str, str]) -> int:
    path = Path(environment["COUNTER"])
    return path.stat().st_size if path.exists() else 0


def await_calls(environment: dict[str, str], process: subprocess.Popen[str], count: int) -> None:
    while called(environment) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)


@pytest.mark.slow
def test_an_evaluation_that_was_killed_ten_times_is_whole(worker: dict[str, str]) -> None:
    count, kills, width = 1_000, 10, 8
    worker["EXAMPLES"] = str(count)
    moments = sorted(random.Random(20_261_125).sample(range(10, count - 50), kills))
    for moment in moments:
        process = start(worker)
        await_calls(worker, process, moment)
        time.sleep(random.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process = start(worker)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors

    assert count <= called(worker) <= count + width * kills
    run = OfflineRun(worker["FOLDER"], experiment_name="experiment", run_name="run")
    scores = load_scores(run)
    assert Counter(scores["key"]) == {"right": count, "small": count}
    assert len(set(zip(scores["example_id"], scores["key"], strict=True))) == 2 * count
    lines = raw_lines(run.path / "langchain-scores")
    written = Counter(line["score_id"] for line in lines if "score_id" in line)
    assert len(written) == 2 * count
    results = [line for line in lines if line.get("record") == "result"]
    assert len({line["example_id"] for line in results}) == count
    # The traces that count have their scores; each is whole, and there is one an example.
    table = trace_table(load_spans(run))
    counted = table[table["right"].notna()]
    assert len(counted) == count
    assert set(counted["trace_id"]) == set(scores["trace_id"])
    assert counted["small"].notna().all()
    assert (counted["status"] == "ok").all()
    again = start(worker)
    assert again.communicate(timeout=60)[0].strip() == "0"
    assert not list(Path(worker["FOLDER"]).rglob("spool-*"))

    worker["PROMPT"] = "What is the first digit?"
    changed = start(worker)
    _, said = changed.communicate(timeout=60)
    assert changed.returncode != 0
    assert "prompt PROMPT was changed: 'last' → 'first'" in said


def raw_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of all parts. What a killed writer left half-written is no part: its name begins
    with a dot, and no reader takes it.
    """
    return [
        json.loads(line)
        for part in folder.glob(f"[!.]*{PART_SUFFIX}")
        for line in part.read_bytes().splitlines()
    ]


def test_two_processes_share_the_examples(worker: dict[str, str]) -> None:
    worker["EXAMPLES"] = "400"
    worker["READY"] = worker["COUNTER"] + "-ready"
    processes = [start(worker), start(worker)]
    shares = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sum(shares) == called(worker) == 400
    assert min(shares) > 0
    run = OfflineRun(worker["FOLDER"], experiment_name="experiment", run_name="run")
    assert len(load_scores(run)) == 800
    assert len(trace_table(load_spans(run))) == 400


def right(outputs: Any, reference_outputs: Any) -> bool:
    return outputs == reference_outputs


def counting(calls: list[int], *, fail_at: int | None = None) -> Any:
    def target(inputs: dict[str, int]) -> int:
        calls.append(inputs["n"])
        return inputs["n"] % 10

    return target


def test_two_workers_share_the_examples_of_a_run_in_s3(local: Any) -> None:
    calls: list[int] = []
    results: list[Any] = []

    def target(inputs: dict[str, int]) -> int:
        calls.append(inputs["n"])
        time.sleep(0.002)
        return inputs["n"] % 10

    def work() -> None:
        run = BotoRun("experiment", "run")
        results.append(evaluate(target, EXAMPLES, [right], run=run, max_concurrency=2))

    BotoRun("experiment", "run")
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(calls) == list(range(40))
    assert [one.mean("right") for one in results] == [1.0, 1.0]
    assert sum(one.called for one in results) == 40
    scores = load_scores(experiment_name="experiment", run_name="run")
    assert len(scores) == 40


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    return OfflineRun(tmp_path, experiment_name="experiment", run_name="run")


def test_a_claim_of_another_machine_is_waited_for_and_then_taken_over(
    run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    evaluate(counting(calls), EXAMPLES[:3], [right], run=run, evaluation_id="first")
    folder = run.path / "langchain-evaluations" / "second" / "claims"
    folder.mkdir(parents=True)
    until = time.time() + 1.5
    held = {"worker": "elsewhere-1-abc", "expires": until, "done": False}
    (folder / "000001-0.json").write_bytes(orjson.dumps(held))
    calls.clear()
    results = evaluate(
        counting(calls), EXAMPLES[:3], [right], run=run, evaluation_id="second", max_concurrency=1
    )
    assert time.time() >= until
    assert calls == [0, 2, 1]
    assert results.summary.loc["right", "count"] == 3


def test_what_another_worker_does_meanwhile_is_not_done_again(run: OfflineRun) -> None:
    calls: list[int] = []
    slow_began, others_done = threading.Event(), threading.Event()

    def target(inputs: dict[str, int]) -> int:
        calls.append(inputs["n"])
        if inputs["n"] == 0:
            slow_began.set()
            others_done.wait(30)
        return inputs["n"] % 10

    def one(width: int) -> Any:
        return evaluate(target, EXAMPLES[:6], [right], run=run, max_concurrency=width)

    slow = threading.Thread(target=one, args=(1,))
    slow.start()
    slow_began.wait(30)
    quick = threading.Thread(target=one, args=(2,))
    quick.start()
    while len(calls) < 6:
        time.sleep(0.01)
    others_done.set()
    slow.join(30)
    quick.join(30)
    assert sorted(calls) == list(range(6))
    assert len(load_scores(run)) == 6


def test_claims_are_renewed_while_their_worker_lives(
    run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0.3)
    monkeypatch.setattr(claims, "_RENEW_SECONDS", 0.05)
    calls: list[int] = []

    def target(inputs: dict[str, int]) -> int:
        calls.append(inputs["n"])
        time.sleep(1.0)
        return inputs["n"] % 10

    def one() -> None:
        evaluate(target, EXAMPLES[:2], [right], run=run, max_concurrency=1)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(calls) == [0, 1]


def test_a_worker_whose_machine_is_gone_leaves_only_what_it_had_not_uploaded(
    local: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The killed worker's disk is out of reach: another place for state is another machine."""
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0.5)
    monkeypatch.setattr(claims, "_RENEW_SECONDS", 1_000.0)
    monkeypatch.setattr(session, "FLUSH_SECONDS", 0.0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine-1"))
    calls: list[int] = []

    class Gone(BaseException):
        """The machine is gone."""

    def target(inputs: dict[str, int]) -> int:
        calls.append(inputs["n"])
        if GONE["at"] == inputs["n"]:
            raise Gone
        return inputs["n"] % 10

    GONE["at"] = 20
    real_close = session.Session.close
    monkeypatch.setattr(session.Session, "close", lambda self: None)
    with pytest.raises(Gone):
        evaluate(target, EXAMPLES, [right], run=BotoRun("experiment", "run"), max_concurrency=1)
    monkeypatch.setattr(session.Session, "close", real_close)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine-2"))
    GONE["at"] = -1
    results = evaluate(
        target, EXAMPLES, [right], run=BotoRun("experiment", "run"), max_concurrency=1
    )
    assert results.mean("right") == 1.0
    assert results.called == 20
    assert Counter(calls) == {**dict.fromkeys(range(40), 1), 20: 2}
    assert len(load_scores(experiment_name="experiment", run_name="run")) == 40


GONE: dict[str, int] = {}


def test_a_head_that_cannot_be_read_is_named(run: OfflineRun) -> None:
    evaluate(counting([]), EXAMPLES[:1], [right], run=run)
    (run.path / "langchain-evaluations" / "run" / "evaluation.json").write_text("{")
    with pytest.raises(EvaluationError, match=r"evaluation.json can't be read"):
        evaluate(counting([]), EXAMPLES[:1], [right], run=run)


def test_repeated_writes_of_a_score_are_one_score(run: OfflineRun) -> None:
    evaluate(counting([]), EXAMPLES[:2], [right], run=run)
    (part,) = (run.path / "langchain-scores").iterdir()
    part.with_name("scores-again.jsonl").write_bytes(part.read_bytes())
    assert len(load_scores(run)) == 2
    assert evaluate(counting([]), EXAMPLES[:2], [right], run=run).summary["count"].tolist() == [2]
