"""`BotoRun` against the SDK's own `Run`, version 2 and 3: each opens and reads what the other
wrote.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from langchain_sagemaker_experiments import (
    BotoRun,
    DestinationError,
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    TrackerError,
    load_spans,
)
from langchain_sagemaker_experiments.local import LocalSageMaker, local_sagemaker


def component(name: str = "experiment-run-1") -> Any:
    return boto3.client("sagemaker").describe_trial_component(TrialComponentName=name)


def boto_run(**options: Any) -> BotoRun:
    return BotoRun(**{"experiment_name": "experiment", "run_name": "run-1", **options})


# --- the SDK reads --------------------------------------------------------------------------------
def test_the_sdk_loads_what_a_boto_run_logged(sdk: Any, session: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("by hand")
    with boto_run() as run:
        run.log_parameter("temperature", 0.5)
        run.log_parameters({"model": "small", "retries": 3})
        run.log_artifact("source", "s3://bucket/input", "text/plain", is_output=False)
        run.log_file(str(tmp_path / "notes.txt"))
        run.log_metric("loss", 0.5, step=1)
    with sdk.load_run(
        experiment_name="experiment", run_name="run-1", sagemaker_session=session
    ) as loaded:
        assert loaded._trial_component.parameters == {
            "temperature": 0.5,
            "model": "small",
            "retries": 3.0,
        }
        assert loaded._trial_component.input_artifacts["source"].value == "s3://bucket/input"
        address = loaded._trial_component.output_artifacts["notes.txt"].value
        loaded.log_parameter("added", 1)
    assert address.endswith("/trial-component-artifacts/experiment-run-1/notes.txt")
    bucket, _, key = address.removeprefix("s3://").partition("/")
    assert boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b"by hand"
    assert bucket == session.default_bucket()
    assert boto_run().parameters == {
        "temperature": 0.5,
        "model": "small",
        "retries": 3.0,
        "added": 1.0,
    }
    (metric,) = component()["Metrics"]
    assert (metric["MetricName"], metric["Last"], metric["Count"]) == ("loss", 0.5, 1)


def test_the_sdk_lists_and_tabulates_boto_runs(sdk: Any, session: Any) -> None:
    for number in range(3):
        with boto_run(run_name=f"run-{number}") as run:
            run.log_parameter("number", number)
    listed = sdk.list_runs("experiment", sagemaker_session=session)
    assert sorted(one.run_name for one in listed) == ["run-0", "run-1", "run-2"]
    frame = sdk.ExperimentAnalytics(
        experiment_name="experiment", sagemaker_session=session
    ).dataframe()
    assert sorted(frame["number"]) == [0, 1, 2]
    assert all(trials == ["Default-Run-Group-experiment"] for trials in frame["Trials"])


def test_a_boto_run_opens_a_run_of_the_sdk(open_run: Any, sdk: Any, session: Any) -> None:
    with open_run("Run-1", experiment_name="Experiment") as run:
        run.log_parameter("first", 1)
        run.log_artifact("made", "s3://bucket/made", media_type="text/plain")
    before = component()
    with boto_run(experiment_name="EXPERIMENT", run_name="RUN-1") as mine:
        assert mine.parameters == {"first": 1.0}
        mine.log_parameter("second", "text")
    after = component()
    assert after["StartTime"] == before["StartTime"]
    assert after["EndTime"] > before["EndTime"]
    assert after["OutputArtifacts"] == before["OutputArtifacts"]
    assert after["Parameters"] == {"first": {"NumberValue": 1.0}, "second": {"StringValue": "text"}}
    assert len(sdk.list_runs("experiment", sagemaker_session=session)) == 1


def test_both_make_the_same_things_in_sagemaker(open_run: Any) -> None:
    client = boto3.client("sagemaker")

    def things(experiment: str, run: str) -> Any:
        name = f"{experiment}-{run}"
        found = client.search(
            Resource="ExperimentTrialComponent",
            SearchExpression={
                "Filters": [{"Name": "TrialComponentName", "Operator": "Equals", "Value": name}]
            },
        )["Results"][0]["TrialComponent"]
        return {
            "keys": sorted(found),
            "tags": found["Tags"],
            "trials": [parent["TrialName"].replace(experiment, "*") for parent in found["Parents"]],
            "status": found["Status"]["PrimaryStatus"],
            "parameters": found["Parameters"],
            "outputs": {key: value["MediaType"] for key, value in found["OutputArtifacts"].items()},
            "metrics": [(one["MetricName"], one["Count"], one["Last"]) for one in found["Metrics"]],
        }

    tags = [{"Key": "team", "Value": "search"}]
    with open_run("one", experiment_name="with-sdk", tags=[dict(tag) for tag in tags]) as theirs:
        _log_the_same(theirs)
    with BotoRun("with-boto", "one", tags=tags) as mine:
        _log_the_same(mine)
    assert things("with-boto", "one") == things("with-sdk", "one")
    assert mine.experiment_config == {
        key: value.replace("with-sdk", "with-boto")
        for key, value in theirs.experiment_config.items()
    }


def _log_the_same(run: Any) -> None:
    run.log_parameters({"number": 1, "text": "two", "not-a-number": float("nan")})
    run.log_metric("loss", 1.5, step=3)
    run.log_metric("loss", float("inf"))
    run.log_artifact("made", "s3://bucket/made", media_type="text/plain")
    run.log_file(__file__, name="test")


# --- traces ---------------------------------------------------------------------------------------
def test_a_handler_records_into_a_boto_run(local: LocalSageMaker) -> None:
    with boto_run() as run:
        handler = SageMakerCallbackHandler()
        handler.log_trace(Span("root", children=[Span("step", kind="tool")]))
        result = handler.flush_tracker()
    assert result.spans == 2
    assert result.uris[0].startswith(
        "s3://sagemaker-us-east-1-123456789012/trial-component-artifacts/experiment-run-1/langchain-traces/part-"
    )
    described = component()
    assert described["OutputArtifacts"]["langchain-traces"]["Value"] == result.uris[0]
    assert {one["MetricName"] for one in described["Metrics"]} >= {"traces", "errors"}
    for frame in (
        load_spans(run),
        load_spans(experiment_name="experiment"),
        load_spans(result.uris[0]),
    ):
        assert sorted(frame["name"]) == ["root", "step"]
        assert set(frame["run_name"]) == {"run-1"}
        assert set(frame["experiment_name"]) == {"experiment"}


def test_traces_need_no_with(local: LocalSageMaker) -> None:
    run = boto_run(artifact_prefix="of/my/own")
    handler = SageMakerCallbackHandler(run)
    for number in range(3):
        handler.log_trace(Span(f"trace-{number}"))
        handler.flush_tracker()
    assert list(load_spans(experiment_name="experiment")["name"]) == [
        "trace-0",
        "trace-1",
        "trace-2",
    ]
    assert local.requests["UpdateTrialComponent"] == 1
    assert local.requests["PutObject"] == 3 + 1  # the first finds no default bucket and makes it
    assert local.requests["GetCallerIdentity"] == 1


def test_uploads_bear_what_was_asked_for(local: LocalSageMaker) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="mine")
    run = boto_run(artifact_bucket="mine", artifact_prefix="of/my/own")
    handler = SageMakerCallbackHandler(
        run, extra_args={"StorageClass": "STANDARD_IA", "Metadata": {"team": "search"}}
    )
    handler.log_trace(Span("root"))
    (uri,) = handler.flush_tracker().uris
    assert uri.startswith("s3://mine/of/my/own/experiment-run-1/langchain-traces/part-")
    head = s3.head_object(Bucket="mine", Key=uri.removeprefix("s3://mine/"))
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["Metadata"] == {
        "team": "search",
        "experiment-name": "experiment",
        "run-name": "run-1",
    }
    assert "GetCallerIdentity" not in local.requests


# --- few requests, only what changed --------------------------------------------------------------
def test_requests_of_a_run(local: LocalSageMaker) -> None:
    with boto_run() as run:
        opened = Counter(local.requests)
        for number in range(200):
            run.log_parameter(f"parameter-{number}", number)
        for number in range(25):
            run.log_metric("loss", number, step=number)
    assert opened == {
        "CreateExperiment": 1,
        "CreateTrial": 1,
        "CreateTrialComponent": 1,
        "AssociateTrialComponent": 1,
        "UpdateTrialComponent": 1,
    }
    assert Counter(local.requests) - opened == {"UpdateTrialComponent": 1, "BatchPutMetrics": 3}


def test_another_writers_changes_are_not_undone(local: LocalSageMaker) -> None:
    one, other = boto_run(), boto_run()
    one.log_parameters({"a": 1, "b": 1})
    one.save()
    other.log_parameter("b", 2)
    other.log_artifact("theirs", "s3://bucket/theirs")
    other.save()
    one.log_parameter("c", 3)
    one.log_artifact("mine", "s3://bucket/mine")
    one.save()
    described = component()
    assert {key: value["NumberValue"] for key, value in described["Parameters"].items()} == {
        "a": 1,
        "b": 2,
        "c": 3,
    }
    assert set(described["OutputArtifacts"]) == {"mine", "theirs"}


def test_what_could_not_be_sent_goes_the_next_time(local: LocalSageMaker) -> None:
    run = boto_run()
    run.log_parameter("a", 1)
    run.log_metric("loss", 0.5)
    client = boto3.client("sagemaker")
    client.disassociate_trial_component(
        TrialName="Default-Run-Group-experiment", TrialComponentName="experiment-run-1"
    )
    client.delete_trial_component(TrialComponentName="experiment-run-1")
    with pytest.raises(ClientError, match="does not exist"):
        run.save()
    run.log_parameter("b", 2)
    boto_run()  # is there again
    run.save()
    described = component()
    assert {key: value["NumberValue"] for key, value in described["Parameters"].items()} == {
        "a": 1,
        "b": 2,
    }
    assert described["Metrics"][0]["Count"] == 1


def test_metrics_that_sagemaker_refuses_are_named(local: LocalSageMaker) -> None:
    run = boto_run()
    run.log_metric("loss", 0.5)
    client = boto3.client("sagemaker")
    client.disassociate_trial_component(
        TrialName="Default-Run-Group-experiment", TrialComponentName="experiment-run-1"
    )
    client.delete_trial_component(TrialComponentName="experiment-run-1")
    with pytest.raises(TrackerError, match=r"loss \(VALIDATION_ERROR\)"):
        run.save()
    run.save()


# --- limits and names -----------------------------------------------------------------------------
def test_no_request_breaks_a_limit(local: LocalSageMaker, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError), boto_run() as run:
        run.log_parameters({f"p{number}": number for number in range(310)})
        run.log_parameters({"k" * 400: "v" * 3_000})
        for number in range(60):
            run.log_artifact(f"a{number}", f"s3://bucket/{number}")
        run.log_artifact("a0", "s3://bucket/again")
        with pytest.raises(ValueError, match="60 already"):
            run.log_artifact("one-more", "s3://bucket/more")
        run.log_metric("m" * 300, 1.0)
        raise RuntimeError("x" * 2_000)
    described = component()
    assert len(described["Parameters"]) == 300
    assert described["OutputArtifacts"]["a0"]["Value"] == "s3://bucket/again"
    assert described["Status"]["PrimaryStatus"] == "Failed"
    assert len(described["Status"]["Message"]) == 1_024
    assert described["Metrics"][0]["MetricName"] == "m" * 255
    assert "the run is full" in caplog.text


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("kind", ["boto", "offline"])
def test_what_a_user_or_an_exception_says_to_a_run_is_masked(
    local: LocalSageMaker, tmp_path: Path, kind: str
) -> None:
    secret = "AKIA" + "IOSFODNN7" + "EXAMPLQ"
    run: Any = (
        boto_run() if kind == "boto" else OfflineRun(tmp_path, experiment_name="e", run_name="r")
    )
    with pytest.raises(RuntimeError), run:
        run.log_parameter("key of the day", f"it is {secret}")
        run.log_parameters({"api_key": "plain" + "words", secret: 1, "max_tokens": 512, "p": 0.5})
        run.log_metric(f"loss of {secret}", 1.0)
        raise RuntimeError(f"refused with {secret}")
    with pytest.raises(Wordless), boto_run() if kind == "boto" else run:
        raise Wordless
    written = (
        json.dumps(component(), default=str)
        if kind == "boto"
        else (run.path / "run.jsonl").read_text()
    )
    assert secret not in written
    assert "plainwords" not in written
    assert "[REDACTED]" in written
    assert "512" in written
    assert "Wordless" in written


def test_a_run_full_of_artifacts_still_takes_traces(local: LocalSageMaker) -> None:
    run = boto_run()
    for number in range(60):
        run.log_artifact(f"a{number}", f"s3://bucket/{number}")
    handler = SageMakerCallbackHandler(run)
    handler.log_trace(Span("root"))
    (uri,) = handler.flush_tracker().uris
    assert component()["Parameters"]["langchain-traces"] == {"StringValue": uri}
    assert list(load_spans(experiment_name="experiment")["name"]) == ["root"]


@pytest.mark.parametrize("name", ["", "-a", "a-", "under_score", "x" * 60, "ä", None, 3])
def test_bad_names_are_refused_before_any_request(local: LocalSageMaker, name: Any) -> None:
    with pytest.raises(ValueError, match="experiment_name"):
        BotoRun(name, "run")
    assert not local.requests


def test_a_run_without_a_name_gets_one(local: LocalSageMaker) -> None:
    one, other = BotoRun("experiment"), BotoRun("experiment")
    assert one.run_name != other.run_name
    assert one.run_name.startswith("sagemaker-run-")
    assert {run.name for run in BotoRun.list_runs("Experiment")} == {one.run_name, other.run_name}


def test_what_was_logged_can_be_sent_before_the_end(local: LocalSageMaker) -> None:
    run = boto_run()
    run.log_parameter("a", 1)
    run.log_metric("loss", 0.5)
    run.send_metrics()
    assert component()["Metrics"][0]["Last"] == 0.5
    assert "Parameters" not in component() or not component()["Parameters"]
    run.close()
    assert component()["Parameters"] == {"a": {"NumberValue": 1.0}}
    assert run.trial_component_name == "experiment-run-1"
    bucket, prefix = run.place()
    body = boto3.client("s3")
    uri = run.upload("by/hand.txt", b"text", {})
    assert uri == f"s3://{bucket}/{prefix}/by/hand.txt"
    assert body.get_object(Bucket=bucket, Key=f"{prefix}/by/hand.txt")["Body"].read() == b"text"


def test_bad_metrics_are_refused_and_bad_files_too(local: LocalSageMaker) -> None:
    run = boto_run()
    now = datetime.datetime.now(datetime.timezone.utc)
    for when in (now - datetime.timedelta(days=15), now + datetime.timedelta(hours=3)):
        with pytest.raises(ValueError, match="between two weeks ago and two hours ahead"):
            run.log_metric("loss", 1.0, timestamp=when)
    with pytest.raises(ValueError, match="step"):
        run.log_metric("loss", 1.0, step=-1)
    with pytest.raises(ValueError, match="does not exist"):
        run.log_file("/nowhere/to/be/found")


def test_the_users_exception_is_the_one_that_is_seen(
    local: LocalSageMaker, caplog: pytest.LogCaptureFixture
) -> None:
    client = boto3.client("sagemaker")
    with caplog.at_level(logging.WARNING), pytest.raises(KeyError, match="mine"), boto_run():
        client.disassociate_trial_component(
            TrialName="Default-Run-Group-experiment", TrialComponentName="experiment-run-1"
        )
        client.delete_trial_component(TrialComponentName="experiment-run-1")
        raise KeyError("mine")
    assert "could not be saved" in caplog.text


def test_threads_share_a_run(local: LocalSageMaker) -> None:
    with boto_run() as run:

        def work(worker: int) -> None:
            for number in range(25):
                run.log_parameter(f"p{worker}-{number}", number)
                run.log_metric("loss", number)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    described = component()
    assert len(described["Parameters"]) == 200
    assert described["Metrics"][0]["Count"] == 200


def test_it_imports_nothing_of_the_sdk() -> None:
    program = textwrap.dedent(
        """
        import sys
        from langchain_sagemaker_experiments import BotoRun, Span, load_spans
        from langchain_sagemaker_experiments import SageMakerCallbackHandler
        with BotoRun("experiment", "run") as run:
            handler = SageMakerCallbackHandler(run)
            handler.log_trace(Span("root"))
            handler.flush_tracker()
        unwanted = ("sagemaker", "sagemaker_core", "pandas", "numpy")
        loaded = sorted(n for n in sys.modules if n.split(".")[0] in unwanted)
        assert not loaded, loaded
        assert len(load_spans(experiment_name="experiment")) == 1
        """
    )
    with local_sagemaker(server=True):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_nothing_waits_for_search(sdk: Any) -> None:
    """SageMaker's Search tells of new things some seconds late; nothing of ours asks it."""
    with local_sagemaker(search_lag=3_600):
        for number in range(2):
            with boto_run() as run:
                handler = SageMakerCallbackHandler(run)
                handler.log_trace(Span(f"of-ours-{number}"))
                handler.flush_tracker()
        session = sdk.Session()
        with sdk.Run("experiment", "run-1", sagemaker_session=session) as run:
            handler = SageMakerCallbackHandler(run)
            handler.log_trace(Span("of-theirs"))
            handler.flush_tracker()
        assert sdk.ExperimentAnalytics("experiment", sagemaker_session=session).dataframe().empty
        assert [run.name for run in BotoRun.list_runs("experiment")] == ["run-1"]
        names = load_spans(experiment_name="experiment")["name"]
        assert sorted(names) == ["of-ours-0", "of-ours-1", "of-theirs"]


def test_a_run_without_a_region_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(DestinationError, match="No AWS region is set. Set AWS_DEFAULT_REGION"):
        BotoRun("experiment", "run", boto_session=boto3.Session())
