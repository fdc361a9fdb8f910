"""`sagemaker-traces doctor` names what is missing, and prints nothing secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core.authorization import enable_iam_authentication
from typer.testing import CliRunner

from langchain_sagemaker_experiments import SageMakerCallbackHandler
from langchain_sagemaker_experiments._cli.app import app
from langchain_sagemaker_experiments._cli.doctor import examine
from langchain_sagemaker_experiments.local import LocalSageMaker
from reliability.test_permissions import ACTIONS, NOT_ENFORCED, POLICY, for_moto, without

TRIED = [action for action in ACTIONS if action not in NOT_ENFORCED]


@pytest.fixture
def become(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Make this process a user that may do what a policy says; return its secret key."""
    iam = boto3.client("iam")
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    boto3.client("s3").create_bucket(Bucket=local.bucket)

    def allow(policy: dict[str, Any]) -> str:
        iam.put_user_policy(
            UserName="alice", PolicyName="readme", PolicyDocument=json.dumps(for_moto(policy))
        )
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        for name in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        return str(key["SecretAccessKey"])

    return allow


def test_with_the_policy_of_the_readme_there_is_no_fault(
    become: Callable[[dict[str, Any]], str], local: LocalSageMaker
) -> None:
    become(POLICY)
    with enable_iam_authentication():
        findings = list(examine(bucket=local.bucket))
    assert [finding for finding in findings if finding.state == "fault"] == []
    found = {finding.what: finding.found for finding in findings}
    assert {action: found[action] for action in ACTIONS} == dict.fromkeys(ACTIONS, "allowed")
    assert found["region"] == "us-east-1"
    assert found["bucket"] == local.bucket


@pytest.mark.parametrize("action", TRIED)
def test_each_action_that_is_taken_away_is_named(
    become: Callable[[dict[str, Any]], str], local: LocalSageMaker, action: str
) -> None:
    become(without(action))
    with enable_iam_authentication():
        findings = list(examine(bucket=local.bucket))
    faults = [finding for finding in findings if finding.state == "fault"]
    assert [(fault.what, fault.found) for fault in faults] == [(action, "denied")]
    assert "README has a policy" in faults[0].advice


def test_the_command_prints_no_secret_no_name_and_no_account(
    become: Callable[[dict[str, Any]], str], local: LocalSageMaker
) -> None:
    secret = become(without("s3:PutObject"))
    with enable_iam_authentication():
        result = CliRunner().invoke(app, ["doctor", "--bucket", local.bucket])
    assert result.exit_code == 1
    assert "s3:PutObject: denied" in result.output
    account = boto3.client("sts").get_caller_identity()["Account"]
    for hidden in (secret, "alice", account, "arn:aws"):
        assert hidden not in result.output


def test_read_only_changes_nothing(local: LocalSageMaker) -> None:
    found = {finding.what for finding in examine(bucket=local.bucket, read_only=True)}
    assert "sagemaker:Search" in found
    assert "sagemaker:CreateExperiment" not in found
    assert boto3.client("sagemaker").list_experiments()["ExperimentSummaries"] == []


def test_without_credentials_or_region_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "credentials: there are none" in result.output
    assert "OfflineRun" in result.output

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA" + "FAKE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "fake")
    result = CliRunner().invoke(app, ["doctor"])
    assert "region: none is set" in result.output


def test_a_network_that_does_not_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA" + "FAKE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "fake")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (fault,) = [finding for finding in examine() if finding.state == "fault"]
    assert (fault.what, fault.found) == ("network", "EndpointConnectionError")


def test_a_spool_that_waits_is_told_and_the_command_to_send_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    handler = SageMakerCallbackHandler(durable=True)
    with handler.span("waits"):
        pass
    result = CliRunner().invoke(app, ["doctor", "--no-aws", "--json"])
    findings = {line["what"]: line for line in map(json.loads, result.output.splitlines())}
    assert findings["spool"]["state"] == "note"
    assert findings["spool"]["found"].startswith("1 part, ")
    assert "sagemaker-traces sync" in findings["spool"]["advice"]
    assert findings["Python"]["state"] == "ok"
    assert result.exit_code == 0
