"""`sagemaker-traces evaluate`: it evaluates, goes on, and is a gate with three answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from langchain_sagemaker_experiments import OfflineRun, load_scores

APP = """
from langchain_core.runnables import RunnableLambda

def good(inputs):
    return inputs["n"] % 10

chain = RunnableLambda(good)

def often(inputs):
    return inputs["n"] % 10 if inputs["n"] % 4 else -1

def broken(inputs):
    raise RuntimeError("down")

class Named:
    right = staticmethod(lambda outputs, reference_outputs: outputs == reference_outputs)

def right(outputs, reference_outputs):
    return outputs == reference_outputs
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "my_app.py").write_text(APP)
    for count in (5, 100):
        lines = [
            json.dumps({"id": f"e{n}", "inputs": {"n": n}, "reference_outputs": n % 10})
            for n in range(count)
        ]
        (tmp_path / f"examples-{count}.jsonl").write_text("\n".join(lines))
    return tmp_path


def command(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = "from langchain_sagemaker_experiments._cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "evaluate", *words],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "COLUMNS": "140"},
        timeout=120,
    )


def evaluated(
    place: Path, target: str, run: str, *words: str, count: int = 100
) -> subprocess.CompletedProcess[str]:
    return command(
        place, f"my_app:{target}", f"examples-{count}.jsonl", "--evaluator", "my_app:right",
        "--folder", "runs", "--experiment", "gate", "--run", run, *words,
    )  # fmt: skip


def test_it_evaluates_and_goes_on(place: Path) -> None:
    done = evaluated(place, "chain", "new", "--evaluator", "exact_match", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["calls"], told["called"], told["failed"]) == (100, 100, 0)
    assert told["scores"]["right"]["mean"] == told["scores"]["exact_match"]["mean"] == 1.0
    run = OfflineRun(place / "runs", experiment_name="gate", run_name="new")
    assert len(load_scores(run)) == 200
    again = evaluated(place, "chain", "new", "--evaluator", "exact_match", "--json")
    assert json.loads(again.stdout)["called"] == 0


def test_a_gate_answers_no_worse_worse_and_cannot_be_told(place: Path) -> None:
    assert evaluated(place, "good", "old").returncode == 0
    same = evaluated(place, "chain", "same", "--no-worse-than", "old", "--margin", "0.05")
    assert same.returncode == 0, same.stderr
    worse = evaluated(place, "often", "worse", "--no-worse-than", "old", "--margin", "0.05")
    assert worse.returncode == 1
    assert "worse" in worse.stderr
    assert "the candidate is worse" in worse.stdout
    broken = evaluated(place, "broken", "broken", "--no-worse-than", "old", "--margin", "0.05")
    assert broken.returncode == 1, broken.stderr + broken.stdout
    assert evaluated(place, "good", "few-old", count=5).returncode == 0
    few = evaluated(
        place, "chain", "few", "--no-worse-than", "few-old", "--margin", "0.05", count=5
    )
    assert few.returncode == 3
    assert "can't be told" in few.stderr


def test_a_limit_that_is_not_reached_fails(place: Path) -> None:
    assert evaluated(place, "good", "a", "--fail-under", "right=1").returncode == 0
    under = evaluated(place, "often", "b", "--fail-under", "right=0.8")
    assert under.returncode == 1
    assert "right is 0.75, under 0.8" in under.stderr
    missing = evaluated(place, "often", "b", "--fail-under", "other=0.1")
    assert missing.returncode == 1
    assert "other has no score, under 0.1" in missing.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("my_app", "examples-5.jsonl", "--run", "r"), "module:name"),
        (("no_app:x", "examples-5.jsonl", "--run", "r"), "There is no module 'no_app'"),
        (("my_app:x", "examples-5.jsonl", "--run", "r"), "my_app has no 'x'"),
        (("my_app:good", "examples-5.jsonl", "--run", "r", "--evaluator", "x"), "nor one of"),
        (("my_app:good", "examples-5.jsonl", "--run", "r", "--fail-under", "x"), "key=0.8"),
        (("my_app:good", "examples-5.jsonl", "--run", "r", "--errors", "x"), "zero or skip"),
    ],
)
def test_words_that_are_off_are_told(place: Path, words: tuple[str, ...], message: str) -> None:
    done = command(place, *words, "--folder", "runs")
    assert done.returncode == 2, done.stderr
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_an_evaluation_that_is_another_one_ends_with_a_message(place: Path) -> None:
    assert evaluated(place, "good", "r", count=5).returncode == 0
    other = evaluated(place, "often", "r", count=5)
    assert other.returncode == 1
    assert "is another one: target was changed" in other.stderr
    nested = evaluated(place, "good", "r2", "--evaluator", "my_app:Named.right", count=5)
    assert nested.returncode == 0
