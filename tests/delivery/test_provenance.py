"""With what traces were made: recorded on request, once, and shown where runs are compared."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    compare_runs,
    evaluate,
    load_spans,
    trace_table,
)
from langchain_sagemaker_experiments._record.provenance import is_provenance
from support.prompted import record_with_prompt


def raw_records(folder: Path) -> list[dict[str, Any]]:
    """Every line of every part, as it stands in the files."""
    return [
        json.loads(line)
        for part in sorted(folder.rglob("part-*.jsonl"))
        for line in part.read_text().splitlines()
    ]


def parameters(folder: Path, run_name: str) -> dict[str, list[Any]]:
    """Name → values that were logged, one after the other."""
    found: dict[str, list[Any]] = {}
    for line in (folder / "prompts" / run_name / "run.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["entry"] == "parameter":
            found.setdefault(entry["name"], []).append(entry["value"])
    return found


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as the working folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "app.py").write_text("1\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


def test_commit_versions_and_prompts_are_recorded_once(repository: Path, tmp_path: Path) -> None:
    record_with_prompt(tmp_path, "one", "You are terse.")
    (record,) = filter(is_provenance, raw_records(tmp_path))
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert record["attributes"]["git.commit"] == head.stdout.strip()
    assert record["attributes"]["git.dirty"] == "no"
    assert record["component"]["prompts"] == {
        "ChatPromptTemplate": "system: You are terse.\nhuman: Say {x}"
    }
    logged = parameters(tmp_path, "one")
    for name in ("git.commit", "git.dirty", "version.python", "prompt.ChatPromptTemplate"):
        assert logged[name] == [record["attributes"][name]], name
    assert len(trace_table(load_spans(tmp_path))) == 2  # it is no trace, and no call


def test_what_is_no_call_is_in_no_metric(tmp_path: Path) -> None:
    record_with_prompt(tmp_path, "one", "You are terse.")
    lines = (tmp_path / "prompts" / "one" / "run.jsonl").read_text().splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["entry"] == "metric"]
    assert [entry["value"] for entry in entries if entry["name"] == "traces"] == [1.0, 1.0]


def test_runs_say_what_changed_between_them(repository: Path, tmp_path: Path) -> None:
    record_with_prompt(tmp_path, "one", "You are terse.")
    (repository / "app.py").write_text("2\n")
    record_with_prompt(tmp_path, "two", "You are very terse.")
    of_frame = compare_runs(load_spans(tmp_path / "prompts")).set_index("run_name")
    of_source = compare_runs(tmp_path / "prompts").set_index("run_name")
    for compared in (of_frame, of_source):
        assert list(compared["traces"]) == [2, 2]
        assert list(compared["git.dirty"]) == ["no", "yes"]
        assert compared["git.commit"].nunique() == 1
        assert compared["prompt.ChatPromptTemplate"].nunique() == 2
        assert compared["version.python"].nunique() == 1


def test_by_default_nothing_is_looked_up(tmp_path: Path) -> None:
    with OfflineRun(tmp_path, experiment_name="prompts", run_name="r") as run:
        with SageMakerCallbackHandler(run) as handler, handler.span("work"):
            pass
    assert not any(map(is_provenance, raw_records(tmp_path)))
    assert "version.python" not in parameters(tmp_path, "r")


def test_without_content_there_are_hashes_alone(tmp_path: Path) -> None:
    record_with_prompt(tmp_path, "one", "You are terse.", record_content=False)
    assert "terse" not in json.dumps(raw_records(tmp_path))
    assert "prompt.ChatPromptTemplate" in parameters(tmp_path, "one")


def test_a_secret_in_a_prompt_is_masked(tmp_path: Path) -> None:
    secret = "AKIA" + "IOSFODNN7ABCDEFG"
    record_with_prompt(tmp_path, "one", f"The key is {secret}.")
    assert secret not in json.dumps(raw_records(tmp_path))
    (record,) = filter(is_provenance, raw_records(tmp_path))
    assert "The key is [REDACTED]." in record["component"]["prompts"]["ChatPromptTemplate"]


def test_a_prompt_that_comes_later_is_recorded_too(tmp_path: Path) -> None:
    from langchain_core.prompts import PromptTemplate

    with OfflineRun(tmp_path, experiment_name="prompts", run_name="r") as run:
        handler = SageMakerCallbackHandler(run, record_provenance=True)
        for text in ("One {x}", "Two {x}", "Two {x}"):
            PromptTemplate.from_template(text).invoke({"x": 1}, config={"callbacks": [handler]})
            handler.flush_tracker()
        assert handler.flush_tracker().spans == 0  # an empty flush writes nothing
    first, second = filter(is_provenance, raw_records(tmp_path))
    assert first["component"]["prompts"] == {"PromptTemplate": "One {x}"}
    assert second["component"]["prompts"] == {
        "PromptTemplate": "One {x}",
        "PromptTemplate 2": "Two {x}",
    }


def test_outside_a_repository_and_without_git_a_flush_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    record_with_prompt(tmp_path, "one", "You are terse.")
    logged = parameters(tmp_path, "one")
    assert "git.commit" not in logged
    assert "version.python" in logged


def test_an_evaluation_says_what_it_was_made_with_in_the_same_words(
    repository: Path, tmp_path: Path
) -> None:
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.prompts import ChatPromptTemplate

    record_with_prompt(tmp_path, "one", "You are terse.")
    prompt = ChatPromptTemplate.from_messages([("system", "You are terse."), ("human", "Say {x}")])
    run = OfflineRun(tmp_path, experiment_name="prompts", run_name="two")
    with run:
        evaluate(
            prompt | FakeListChatModel(responses=["Blub."]),
            [{"inputs": {"x": "fish"}}],
            [lambda outputs: True],
            run=run,
            progress=False,
        )
    one, two = parameters(tmp_path, "one"), parameters(tmp_path, "two")
    names = [name for name in one if name.startswith(("git.", "version.", "prompt."))]
    assert "prompt.ChatPromptTemplate" in names
    assert {name: two[name] for name in names} == {name: one[name] for name in names}
    compared = compare_runs(load_spans(tmp_path / "prompts"))
    assert compared["prompt.ChatPromptTemplate"].nunique() == 1


def test_an_evaluation_without_content_keeps_prompts_out_of_its_facts(tmp_path: Path) -> None:
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.prompts import PromptTemplate

    chain = PromptTemplate.from_template("Say terse {x}") | FakeListChatModel(responses=["a"])
    run = OfflineRun(tmp_path, experiment_name="prompts", run_name="one")
    with run:
        evaluate(
            chain,
            [{"inputs": {"x": "fish"}}],
            [lambda outputs: True],
            run=run,
            progress=False,
            record_content=False,
        )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"terse" in path.read_bytes()] == []


def _raises(text: str) -> str:
    raise RuntimeError("boom")


@pytest.mark.parametrize("redact", [_raises, str.upper, lambda text: "***"])
def test_no_redact_function_turns_the_record_into_a_trace(redact: Any, tmp_path: Path) -> None:
    record_with_prompt(tmp_path, "one", "You are terse.", redact=redact)
    spans = load_spans(tmp_path)
    assert spans["trace_id"].nunique() == 2
    assert "prompt.ChatPromptTemplate" in str(spans.attrs["made_with"])
    assert list(compare_runs(tmp_path)["traces"]) == [2]
    assert "terse" not in "".join(path.read_text() for path in tmp_path.rglob("*.jsonl"))
