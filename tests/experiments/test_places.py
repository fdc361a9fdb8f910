"""Traces are found wherever a Run keeps them: while it is open, after a kill, at a pace AWS
allows.
"""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.authorization import enable_iam_authentication

from langchain_sagemaker_experiments import (
    BotoRun,
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    SpanReadError,
    compact,
    load_spans,
    render_report,
    scan_spans,
    sync,
)
from langchain_sagemaker_experiments._experiments.clients import Access
from langchain_sagemaker_experiments._storage.keys import join_address, split_address
from langchain_sagemaker_experiments.exceptions import SpanReadWarning
from langchain_sagemaker_experiments.local import LocalSageMaker, local_sagemaker

ACCESS_POINT = "arn:aws:s3:us-east-1:123456789012:accesspoint/traces"


def record(run: Any, name: str, **settings: Any) -> Any:
    handler = SageMakerCallbackHandler(run, **settings)
    handler.log_trace(Span(name))
    return handler.flush_tracker()


def bucket(name: str) -> str:
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def user(name: str, *actions: str) -> boto3.Session:
    """Return the session of a user who may do these things only, once IAM is enforced."""
    iam = boto3.client("iam")
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")


# --- the address of an open run -------------------------------------------------------------------
@pytest.mark.parametrize("place", ["bucket", "prefix", "default bucket", "default"])
def test_an_open_run_is_found_wherever_it_keeps_its_traces(
    sdk: Any, local: LocalSageMaker, place: str
) -> None:
    bucket("mine")
    session = sdk.Session(default_bucket="mine") if place == "default bucket" else sdk.Session()
    options: dict[str, Any] = {
        "bucket": {"artifact_bucket": "mine"},
        "prefix": {"artifact_prefix": "of/my/own"},
    }.get(place, {})
    with sdk.Run("experiment", "run-1", sagemaker_session=session, **options) as run:
        record(run, "while it is open")
        assert list(load_spans(experiment_name="experiment")["name"]) == ["while it is open"]
        assert list(load_spans(experiment_name="experiment", run_name="run-1")["run_name"]) == [
            "run-1"
        ]
        assert compact(experiment_name="experiment").spans == 1


def test_a_killed_run_is_found(sdk: Any) -> None:
    program = textwrap.dedent(
        f"""
        import os, signal
        from {sdk.Run.__module__} import Run
        from langchain_sagemaker_experiments import SageMakerCallbackHandler, Span
        with Run("experiment", "run-1", artifact_bucket="mine", artifact_prefix="here") as run:
            handler = SageMakerCallbackHandler(run)
            handler.log_trace(Span("before the kill"))
            handler.flush_tracker()
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    with local_sagemaker(server=True):
        bucket("mine")
        done = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL
        assert list(load_spans(experiment_name="experiment")["name"]) == ["before the kill"]


def test_the_address_is_sent_once_and_nothing_else_with_it(
    open_run: Any, local: LocalSageMaker
) -> None:
    with open_run(artifact_prefix="mine") as run:
        other = BotoRun("experiment", "run-1")
        other.log_parameter("of-another", 1)
        other.save()
        run.log_parameter("of-mine", 1)
        before = local.requests["UpdateTrialComponent"]
        for number in range(3):
            record(run, f"trace-{number}")  # a handler each
        assert local.requests["UpdateTrialComponent"] == before + 1
        described = boto3.client("sagemaker").describe_trial_component(
            TrialComponentName="experiment-run-1"
        )
        assert set(described["Parameters"]) == {"of-another"}
        assert described["OutputArtifacts"]["langchain-traces"]["MediaType"] == "application/jsonl"
    assert len(load_spans(experiment_name="experiment")) == 3


@pytest.mark.parametrize("of_the_sdk", [True, False])
def test_an_address_that_is_refused_fails_no_flush(
    sdk: Any, local: LocalSageMaker, of_the_sdk: bool, caplog: pytest.LogCaptureFixture
) -> None:
    writer = user("writer", "sagemaker:BatchPutMetrics", "s3:*", "sts:*")
    session = sdk.Session(boto_session=writer)
    session.default_bucket()
    run = (
        sdk.Run("experiment", "run-1", sagemaker_session=session)
        if of_the_sdk
        else BotoRun("experiment", "run-1", boto_session=writer)
    )
    with run:
        handler = SageMakerCallbackHandler(run)
        handler.log_trace(Span("root"))
        with enable_iam_authentication():
            result = handler.flush_tracker()
            assert result.faults == {"address of the traces not sent (ClientError)": 1}
            assert handler.pending_spans == 0
            assert list(load_spans(run)["name"]) == ["root"]
        assert "sagemaker:UpdateTrialComponent" in caplog.text
        handler.log_trace(Span("again"))
        assert not handler.flush_tracker().faults
        assert len(load_spans(experiment_name="experiment")) == 2


def test_a_run_opened_again_goes_on_where_its_traces_lie(sdk: Any, session: Any) -> None:
    bucket("mine")
    with sdk.Run(
        "experiment",
        "run-1",
        sagemaker_session=session,
        artifact_bucket="mine",
        artifact_prefix="here",
    ) as run:
        record(run, "first")
    with sdk.load_run("run-1", "experiment", sagemaker_session=session) as run:
        assert (
            record(run, "second")
            .uris[0]
            .startswith("s3://mine/here/experiment-run-1/langchain-traces/")
        )
    assert record(BotoRun("experiment", "run-1"), "third").uris[0].startswith("s3://mine/here/")
    names = load_spans(experiment_name="experiment")["name"]
    assert sorted(names) == ["first", "second", "third"]


# --- many runs ------------------------------------------------------------------------------------
def test_many_runs_are_read_at_the_pace_that_aws_allows() -> None:
    with local_sagemaker(rates={"DescribeTrialComponent": 20}) as local:
        for number in range(60):
            BotoRun("experiment", f"run-{number}", artifact_bucket="mine")
        bucket("mine")
        for number in range(0, 60, 20):
            record(
                BotoRun("experiment", f"run-{number}", artifact_bucket="mine"), f"trace-{number}"
            )
        local.requests.clear()
        frame = load_spans(experiment_name="experiment")
        assert sorted(frame["name"]) == ["trace-0", "trace-20", "trace-40"]
        assert local.requests["DescribeTrialComponent"] == 60
        assert frame.attrs["problems"] == []
        assert local.requests["ListTrialComponents"] == 1


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_read(local: LocalSageMaker) -> None:
    for number in range(3):
        name = bucket(f"bucket-{number}")
        record(BotoRun("experiment", f"run-{number}", artifact_bucket=name), f"trace-{number}")
    s3 = boto3.client("s3")
    (part,) = s3.list_objects_v2(Bucket="bucket-1")["Contents"]
    s3.delete_object(Bucket="bucket-1", Key=part["Key"])
    s3.delete_bucket(Bucket="bucket-1")
    with pytest.warns(SpanReadWarning, match="bucket-1"):
        frame = load_spans(experiment_name="experiment")
    assert sorted(frame["name"]) == ["trace-0", "trace-2"]
    assert "NoSuchBucket" in frame.attrs["problems"][0]
    with pytest.warns(SpanReadWarning, match="bucket-1"):
        assert len(scan_spans(experiment_name="experiment").compute()) == 2
    with pytest.raises(SpanReadError, match="bucket-1"):
        scan_spans(experiment_name="experiment", on_problem="raise")
    done = compact(experiment_name="experiment")
    assert (done.spans, len(done.problems)) == (2, 1)
    with pytest.raises(SpanReadError, match="NoSuchBucket"):
        load_spans(experiment_name="experiment", run_name="run-1")


@pytest.mark.parametrize("known", [True, False], ids=["its place is known", "at the default place"])
def test_a_reader_that_may_not_list_gets_an_error(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    run = BotoRun("experiment", "run-1")
    if known:
        record(run, "root")
    else:
        boto3.client("s3").create_bucket(Bucket=local.bucket)
    reader = user("reader", "sagemaker:*", "s3:GetObject", "sts:*")
    with enable_iam_authentication():
        with pytest.raises(SpanReadError, match="s3:ListBucket"):
            load_spans(experiment_name="experiment", sagemaker_session=reader)


# --- access points --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://bucket/a/b.jsonl", ("bucket", "a/b.jsonl")),
        ("s3://bucket", ("bucket", "")),
        (f"s3://{ACCESS_POINT}/a/b", (ACCESS_POINT, "a/b")),
        (f"s3://{ACCESS_POINT}", (ACCESS_POINT, "")),
        (
            "s3://arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap/a/b",
            ("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "a/b"),
        ),
        (
            "s3://arn:aws-cn:s3-outposts:cn-north-1:1:outpost/op-1/accesspoint/name/a/b",
            ("arn:aws-cn:s3-outposts:cn-north-1:1:outpost/op-1/accesspoint/name", "a/b"),
        ),
        (
            "s3://arn:aws:s3-object-lambda:eu-west-1:1:accesspoint/name/a",
            ("arn:aws:s3-object-lambda:eu-west-1:1:accesspoint/name", "a"),
        ),
    ],
)
def test_an_address_is_split_into_bucket_and_key(address: str, expected: tuple[str, str]) -> None:
    assert split_address(address) == expected
    if expected[1]:
        assert join_address(*expected) == address


def test_an_access_point_is_a_bucket_everywhere(
    open_run: Any, local: LocalSageMaker, tmp_path: Path
) -> None:
    boto3.client("s3control").create_access_point(
        AccountId="123456789012", Name="traces", Bucket=bucket("mine")
    )
    with open_run(artifact_bucket=ACCESS_POINT) as run:
        (uri,) = record(run, "of the sdk").uris
    record(BotoRun("experiment", "run-2", artifact_bucket=ACCESS_POINT), "of boto3")
    record(BotoRun("experiment", "run-3"), "beside them")
    assert uri.startswith(
        f"s3://{ACCESS_POINT}/trial-component-artifacts/experiment-run-1/langchain-traces/"
    )
    assert len(boto3.client("s3").list_objects_v2(Bucket="mine")["Contents"]) == 2
    everything = ["beside them", "of boto3", "of the sdk"]
    assert sorted(load_spans(experiment_name="experiment")["name"]) == everything
    assert list(load_spans(uri)["name"]) == ["of the sdk"]
    assert list(load_spans(f"s3://{ACCESS_POINT}/trial-component-artifacts")["name"]) == [
        "of the sdk",
        "of boto3",
    ]
    assert sorted(scan_spans(experiment_name="experiment").compute()["name"]) == everything
    assert compact(experiment_name="experiment").spans == 3
    assert sorted(load_spans(experiment_name="experiment")["name"]) == everything


# --- whose credentials ----------------------------------------------------------------------------
def test_a_profile_reads_lazily_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_sagemaker(server=True):
        record(BotoRun("experiment", "run-1"), "root")
        credentials = tmp_path / "credentials"
        credentials.write_text("[work]\naws_access_key_id = x\naws_secret_access_key = y\n")
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_SECURITY_TOKEN",
        ):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        with pytest.raises(SpanReadError, match="credentials"):
            load_spans(experiment_name="experiment")
        profile = boto3.Session(profile_name="work", region_name="us-east-1")
        frame = scan_spans(experiment_name="experiment", sagemaker_session=profile)
        assert list(frame.compute(scheduler="threads")["name"]) == ["root"]
        assert list(frame.compute(scheduler="processes")["name"]) == ["root"]


def test_keys_do_not_travel() -> None:
    session = boto3.Session("the-key-id", "the-secret-key", region_name="eu-west-1")
    sent = pickle.dumps(Access(session))
    assert b"the-key-id" not in sent
    assert b"the-secret-key" not in sent
    assert pickle.loads(sent).s3_client().meta.region_name == "eu-west-1"


# --- uploads that a bucket demands arguments of ---------------------------------------------------
@pytest.fixture
def demanding(local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client configuration under which every PUT without server-side encryption is refused."""
    import botocore.client

    make = botocore.client.BaseClient._make_api_call

    def call(self: Any, operation: str, params: dict[str, Any]) -> Any:
        if operation == "PutObject" and params.get("ServerSideEncryption") != "aws:kms":
            refusal = {
                "Error": {"Code": "AccessDenied", "Message": "a bucket policy demands SSE-KMS"}
            }
            raise ClientError(refusal, operation)
        return make(self, operation, params)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "a-key"}


def test_sync_compact_and_report_take_extra_args(demanding: Any, tmp_path: Path) -> None:
    with OfflineRun(tmp_path, experiment_name="experiment", run_name="run-1") as offline:
        (tmp_path / "file.txt").write_text("text")
        offline.log_file(str(tmp_path / "file.txt"))
        record(offline, "root")
    assert sync(tmp_path, extra_args=demanding).spans == 1
    assert compact(experiment_name="experiment", extra_args=demanding).spans == 1
    run = BotoRun("experiment", "run-1")
    report = render_report(load_spans(run), tmp_path / "report.html", run=run, extra_args=demanding)
    assert report.uri
    s3 = boto3.client("s3")
    for item in s3.list_objects_v2(Bucket=run.place()[0])["Contents"]:
        assert (
            s3.head_object(Bucket=run.place()[0], Key=item["Key"])["ServerSideEncryption"]
            == "aws:kms"
        )


def test_the_command_takes_them_too(demanding: Any, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from langchain_sagemaker_experiments._cli.app import app

    with OfflineRun(tmp_path, experiment_name="experiment", run_name="run-1") as offline:
        record(offline, "root")
    arguments = [
        text for name, value in demanding.items() for text in ("--extra-arg", f"{name}={value}")
    ]
    for command in (["sync", str(tmp_path)], ["compact", "--experiment", "experiment"]):
        assert CliRunner().invoke(app, [*command, "--extra-arg", "no-value"]).exit_code == 2
        done = CliRunner().invoke(app, [*command, *arguments])
        assert done.exit_code == 0, done.output


def test_sync_needs_no_sdk(tmp_path: Path) -> None:
    with OfflineRun(tmp_path, experiment_name="experiment", run_name="run-1") as offline:
        offline.log_parameter("a", 1)
        record(offline, "root")
    program = textwrap.dedent(
        f"""
        import sys
        from langchain_sagemaker_experiments import sync
        assert sync({str(tmp_path)!r}).spans == 1
        assert not [name for name in sys.modules if name.split(".")[0] == "sagemaker"]
        """
    )
    with local_sagemaker(server=True):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
        assert BotoRun("experiment", "run-1").parameters == {"a": 1.0}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert list(load_spans(experiment_name="experiment")["name"]) == ["root"]
