"""No secret of any known format comes out, in whatever place it went in and whatever is written.

Each recording holds all formats at once. What comes out is named by format.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    FlushError,
    OfflineRun,
    Otlp,
    SageMakerCallbackHandler,
    Span,
    export_spans,
    load_scores,
    load_spans,
    log_score,
    render_report,
    trace_table,
)
from langchain_sagemaker_experiments._export import FORMATS as EXPORTS
from support.formats import FORMATS, leaked
from support.otlp_receiver import otlp_receiver
from support.recorded_places import ANSWER, PLACES
from support.spans import Unreliable
from support.window import Reader

TEXTS = list(FORMATS.values())


def everything(folder: Path) -> bytes:
    """All files below a folder, and their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def written(folder: Path, place: str, **settings: Any) -> bytes:
    run = OfflineRun(folder, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run, record_tokens=True, **settings)
    PLACES[place](handler, TEXTS)
    result = handler.flush_tracker()
    assert not any("redact" in fault for fault in result.faults)
    events = [event for events in load_spans(folder)["events"] for event in events]
    tokens = "".join(e["attributes"]["token"] for e in events if e["name"] == "token")
    return everything(folder) + repr(result).encode() + tokens.encode()


@pytest.mark.parametrize("place", PLACES)
def test_no_format_comes_out_of_a_place(tmp_path: Path, place: str) -> None:
    assert leaked(written(tmp_path, place)) == []


@pytest.mark.parametrize("place", PLACES)
def test_without_masking_each_format_reaches_the_place(tmp_path: Path, place: str) -> None:
    reached = leaked(written(tmp_path, place, redact=None, max_field_bytes=None))
    missing = set(FORMATS) - set(reached)
    # A stack trace and the repr of a long object are cut.
    assert len(missing) < len(FORMATS) / 10 or place == "stack trace", missing


# --- what is made of the records ------------------------------------------------------------------
@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all formats in all places."""
    folder = tmp_path_factory.mktemp("every")
    run = OfflineRun(folder, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run, record_tokens=True)
    for fill in PLACES.values():
        fill(handler, TEXTS)
    handler.flush_tracker()
    trace = handler.log_trace(Span("x"))
    for text in TEXTS[:20]:
        log_score(run, trace_id=trace, key="k", score=1, comment=text, author=text)
    handler.flush_tracker()
    return folder


def test_none_comes_out_of_the_readers(folder: Path) -> None:
    frame = load_spans(folder)
    assert leaked(frame.to_json(date_format="iso")) == []
    assert (
        leaked(
            trace_table(frame).to_json(date_format="iso")
            + load_scores(folder).to_json(date_format="iso")
        )
        == []
    )


@pytest.mark.parametrize("format", EXPORTS)
def test_none_comes_out_of_an_export(folder: Path, tmp_path: Path, format: Any) -> None:
    frame = load_spans(folder)
    path = export_spans(frame, tmp_path / "spans", format=format)
    assert leaked(path.read_bytes()) == []


def test_none_comes_out_of_a_report(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="jinja2 is not installed")
    path = tmp_path / "report.html"
    render_report(load_spans(folder), path)
    assert leaked(path.read_bytes()) == []


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--json"), ("show", "last"), ("stats",), ("export", "-o")],
    ids="-".join,
)
def test_none_comes_out_of_a_command(folder: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    code = "from langchain_sagemaker_experiments._cli import main; main()"
    words = (
        (words[0], str(folder), *words[1:]) if words[0] != "show" else ("show", "last", str(folder))
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        env={**os.environ, "COLUMNS": "4000"},
    )
    print(done.stderr[-300:], done.returncode)
    assert leaked(done.stdout + done.stderr) == []


def test_none_comes_out_of_forwarded_traces(tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
        with SageMakerCallbackHandler(run, forward=[Otlp(receiver.endpoint)]) as handler:
            for fill in PLACES.values():
                fill(handler, TEXTS)
        handler.wait_forwarded(60)
        sent = b"".join(
            span.SerializeToString() for spans in receiver.spans.values() for span in spans
        )
    assert len(sent) > 100_000
    assert leaked(sent) == []


# --- disks, errors and logs -----------------------------------------------------------------------
@pytest.mark.parametrize("durable", [True, False], ids=["live file", "spool"])
def test_none_comes_out_of_what_waits_on_disk(tmp_path: Path, durable: bool) -> None:
    run = Unreliable(tmp_path / "never")
    handler = SageMakerCallbackHandler(
        run, durable=durable, spool_dir=tmp_path, buffer_bytes=10_000
    )
    for fill in PLACES.values():
        fill(handler, TEXTS)
    with pytest.raises(FlushError):
        handler.flush_tracker()
    kept = everything(tmp_path)
    assert len(kept) > 100_000
    assert leaked(kept) == []


def test_none_comes_out_of_errors_and_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise ValueError("\n".join(TEXTS))

    class Refuses:
        def log_file(self, file_path: str) -> None:
            raise ConnectionError("\n".join(TEXTS))

    with caplog.at_level(logging.DEBUG, logger="langchain_sagemaker_experiments"):
        handler = SageMakerCallbackHandler(Refuses(), spool_dir=tmp_path)
        handler.on_chain_start({"name": "c"}, {"x": Hostile()})
        handler.on_chain_end(Hostile())
        handler.on_llm_end(Hostile())
        with pytest.raises(FlushError) as caught:
            handler.flush_tracker()
        told = "".join(traceback.format_exception_only(caught.value))
        told += repr(caught.value) + repr(handler)
        del handler
    assert leaked(told) == []
    assert leaked("\n".join(caplog.messages)) == []
    caplog.get_records("call").clear()  # the handler's own faults are meant here
    assert leaked("".join(capfd.readouterr())) == []


def test_none_comes_out_of_the_log_of_a_run(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError),
        OfflineRun(tmp_path, experiment_name="e", run_name="r") as run,
    ):
        run.log_parameters({f"p{number}": text for number, text in enumerate(TEXTS)})
        run.log_artifact("a", "\n".join(TEXTS))
        for text in TEXTS:
            run.log_metric(text, 1.0)
        raise ValueError(TEXTS[0] + "\n".join(TEXTS))
    assert leaked((run.path / "run.jsonl").read_bytes()) == []


def test_none_comes_out_of_a_run_of_sagemaker(open_run: Callable[..., Any], local: Any) -> None:
    with open_run("r", "e") as run, SageMakerCallbackHandler(run) as handler:
        for text in TEXTS[::3]:
            handler.on_llm_start({}, ["p"], invocation_params={"model": text, "stop": [text]})
            handler.on_llm_end(ANSWER)
    import boto3

    client = boto3.client("sagemaker", region_name="us-east-1")
    names = client.list_trial_components()["TrialComponentSummaries"]
    told = [
        client.describe_trial_component(TrialComponentName=one["TrialComponentName"])
        for one in names
    ]
    assert any("model" in json.dumps(one, default=str) for one in told)
    assert leaked(json.dumps(told, default=str)) == []


def test_none_comes_out_of_the_window(folder: Path) -> None:
    for needed in ("duckdb", "starlette", "uvicorn", "jinja2"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    from langchain_sagemaker_experiments import view

    window = view(folder, open_browser=False)
    reader = Reader(window)
    try:
        reader.until(lambda state: state["ready"])
        rows = reader.ask("traces")["rows"]
        told = json.dumps([reader.ask("overview"), reader.ask("sessions"), rows])
        told += "".join(json.dumps(reader.ask(f"trace/{row['trace_id']}")) for row in rows[:50])
    finally:
        reader.close()
        window.close()
    assert len(told) > 10_000
    assert leaked(told) == []
