"""`sync` brings what lies in folders into Runs: once, whatever comes in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from langchain_sagemaker_experiments import (
    FlushError,
    OfflineRun,
    SageMakerCallbackHandler,
    load_spans,
)
from support.inside import outlet, pipeline
from support.programs import Zygote
from support.spans import prompts, record


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
    from langchain_sagemaker_experiments._destinations.boto_run_destination import (
        BotoRunDestination,
    )

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


def test_sync_brings_a_killed_process_spool_into_its_run(
    tmp_path: Path, session: Any, programs: Zygote
) -> None:
    code = f"""
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        for number in range(5):
            record(handler, f"kept {{number}}")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    programs.run(code)
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
    pipeline(handler).save({})
    assert prompts(tmp_path) == ["first", "second"]


def test_a_spool_knows_its_run(tmp_path: Path, sdk: Any, session: Any, open_run: Any) -> None:
    with open_run("later") as run:
        handler = SageMakerCallbackHandler(run, spool_dir=tmp_path)
    record(handler, "after the run was left")
    ending = outlet(handler)
    ending.save_to_disk()
    ending.tell_what_is_left()
    assert "1 span in" in command("sync", str(tmp_path)).stdout
    assert len(load_spans(experiment_name="experiment", run_name="later")) == 1
