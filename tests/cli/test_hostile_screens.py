"""What others wrote reaches the screen as text that a terminal shows and does not obey."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments.exceptions import SpanReadError

_NASTY = "\x1b]0;owned\x07\x1b[31m\x9b2J\x7f\u202e\u2066\u200b\x00\x85\u2028end"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from langchain_sagemaker_experiments._cli import main; main()"
    env = {**os.environ, "COLUMNS": "160", "FORCE_COLOR": "", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=env, timeout=120
    )


def _unprintable(text: str) -> set[str]:
    kinds = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    return kinds - {"\n"}


@pytest.fixture
def nasty_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    base = {"schema_version": 1, "start_time": "2026-01-01T00:00:00Z", "duration_ms": 1.0}
    record: dict[str, Any] = {
        **base,
        **{
            name: f"{name}{_NASTY}"
            for name in ("trace_id", "span_id", "kind", "name", "status", "session_id")
        },
        "error": {"type": _NASTY, "message": _NASTY, "stacktrace": _NASTY},
        "inputs": {_NASTY: _NASTY},
        "outputs": _NASTY,
        "tags": [_NASTY],
        "attributes": {"gen_ai.request.model": _NASTY, _NASTY: _NASTY},
    }
    twin = {**record, "trace_id": f"trace_id-other{_NASTY}", "span_id": "other"}
    lines = json.dumps(record) + "\n" + json.dumps(twin) + "\n{torn\n"
    # A file name holds anything but a slash and NUL.
    name = f"part-{_NASTY.replace(chr(0), '')}.jsonl"
    (folder / name).write_text(lines)
    return folder


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--json"), ("show", "last"), ("show", "last", "--json"), ("show", "none"),
     ("show", "end"), ("show", "trace_id")],
)  # fmt: skip
def test_nothing_on_the_screen_is_an_order_to_the_terminal(nasty_folder, words):
    done = command(*words, str(nasty_folder))
    assert "torn" in done.stderr or "There is no trace" in done.stderr or "fits 2" in done.stderr
    assert _unprintable(done.stdout) == set()
    assert _unprintable(done.stderr) == set()
    if "--json" in words:
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert _NASTY in rows[0]["trace_id"]  # the same value, its unprintable characters escaped


@pytest.mark.parametrize("words", [("report", "r.html"), ("export", "x.jsonl"), ("compact",)])
def test_files_made_of_it_say_so_without_orders(nasty_folder, tmp_path, words):
    output = ["-o", str(tmp_path / words[1])] if len(words) > 1 else []
    done = command(words[0], str(nasty_folder), *output)
    assert done.returncode == 0
    assert _unprintable(done.stdout + done.stderr) == set()


def test_errors_of_ours_hold_nothing_that_a_terminal_obeys(tmp_path):
    assert _unprintable(str(SpanReadError(f"There is no {_NASTY} here.\nSecond line."))) == set()
    done = command("list", str(tmp_path / f"missing{_NASTY.replace(chr(0), '')}"))
    assert done.returncode == 1
    assert _unprintable(done.stderr) == set()


def test_last_is_the_last_trace_and_no_logged_architecture(tmp_path):
    from langchain_core.runnables import RunnableLambda

    from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler

    with OfflineRun(tmp_path, experiment_name="e", run_name="r") as run:
        handler = SageMakerCallbackHandler(run)
        with handler.span("first"):
            pass
        with handler.span("newest"):
            pass
        handler.log_architecture(RunnableLambda(lambda x: x, name="drawn"))
        handler.flush_tracker()
    done = command("show", "last", str(tmp_path))
    assert "newest" in done.stdout
    assert "drawn" not in done.stdout
