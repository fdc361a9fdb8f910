"""The README's policy under IAM's enforcement: with it all works; without any one action the
failing call names it.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from langchain_core.outputs import Generation, LLMResult
from moto.core.authorization import enable_iam_authentication

from langchain_sagemaker_experiments import (
    CompactionError,
    SageMakerCallbackHandler,
    compact,
    load_spans,
)
from langchain_sagemaker_experiments._destinations.choose import _CONTEXTS, surrounding_run
from langchain_sagemaker_experiments.local import LocalSageMaker

README = (Path(__file__).parents[2] / "README.md").read_text()
POLICY = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])  # type: ignore[index]
ACTIONS = [action for statement in POLICY["Statement"] for action in statement["Action"]]

# What AWS asks for one action moto knows under the name of the operation.
MOTO_NAMES = {"s3:ListBucket": ["s3:HeadBucket"], "s3:GetObject": ["s3:HeadObject"]}
# moto does not ask for it; AWS does, for tags given at creation.
NOT_ENFORCED = {"sagemaker:AddTags"}


def for_moto(policy: dict[str, Any]) -> dict[str, Any]:
    policy = copy.deepcopy(policy)
    for statement in policy["Statement"]:
        statement["Action"] += [
            name for action in statement["Action"] for name in MOTO_NAMES.get(action, ())
        ]
        if statement["Action"][0].startswith("sagemaker:"):
            statement["Resource"] = (
                "*"  # moto asks for SageMaker's actions on everything, never on one ARN
            )
    return policy


def without(action: str) -> dict[str, Any]:
    policy = copy.deepcopy(POLICY)
    for statement in policy["Statement"]:
        if action in statement["Action"]:
            statement["Action"].remove(action)
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return policy


@pytest.fixture
def user(local: LocalSageMaker, sdk: Any) -> Iterator[Any]:
    """Gives a session of a user that may do what a policy says."""
    iam = boto3.client("iam")
    iam.create_user(UserName="user")
    key = iam.create_access_key(UserName="user")["AccessKey"]
    boto3.client("s3").create_bucket(Bucket=local.bucket)

    def session(policy: dict[str, Any]) -> Any:
        iam.put_user_policy(
            UserName="user", PolicyName="readme", PolicyDocument=json.dumps(for_moto(policy))
        )
        boto_session = boto3.Session(
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            region_name="us-east-1",
        )
        return sdk.Session(boto_session=boto_session)

    yield session
    leave_stuck_run()


def leave_stuck_run() -> None:
    """A Run whose opening fails stays the SDK's current one; forget it, so that another may be
    opened.
    """
    stuck = surrounding_run()
    if stuck is not None:
        contexts = [sys.modules[name]._RunContext for name in _CONTEXTS if name in sys.modules]
        for context in contexts:
            context.drop_current_run()


def work(sdk: Any, session: Any, handler: SageMakerCallbackHandler) -> None:
    """Make a run, open it once more, flush into it each time, and read it back."""
    for number in range(2):
        if number:
            handler.on_llm_start({}, ["second"])
            handler.on_llm_end(LLMResult(generations=[[Generation(text="x")]]))
        with sdk.Run(experiment_name="e", run_name="r", sagemaker_session=session):
            handler.flush_tracker()
    assert len(load_spans(experiment_name="e", run_name="r", sagemaker_session=session)) == 2
    assert len(load_spans(experiment_name="e", sagemaker_session=session)) == 2


def new_handler() -> SageMakerCallbackHandler:
    handler = SageMakerCallbackHandler()
    handler.on_llm_start({}, ["first"])
    handler.on_llm_end(LLMResult(generations=[[Generation(text="x")]]))
    return handler


def test_with_the_policy_everything_works(sdk: Any, user: Any) -> None:
    session = user(POLICY)
    with enable_iam_authentication():
        work(sdk, session, new_handler())


@pytest.mark.parametrize("action", [action for action in ACTIONS if action not in NOT_ENFORCED])
def test_without_any_one_action_the_failing_call_names_it_and_nothing_is_lost(
    sdk: Any, user: Any, action: str
) -> None:
    session = user(without(action))
    handler = new_handler()
    with enable_iam_authentication(), pytest.raises(Exception) as failure:
        work(sdk, session, handler)
    assert action.split(":")[1] in str(failure.value)
    # What was not flushed is still here, what was is in S3: with the permission back all is read.
    leave_stuck_run()
    allowed = user(POLICY)
    waiting = handler.pending_spans
    with sdk.Run(experiment_name="e", run_name="r", sagemaker_session=allowed) as run:
        assert handler.flush_tracker().spans == waiting
        found = {
            inputs["prompts"][0] for inputs in load_spans(run, sagemaker_session=allowed)["inputs"]
        }
    assert "first" in found


def test_a_compaction_that_may_not_write_names_the_action_and_loses_nothing(
    sdk: Any, user: Any
) -> None:
    handler = new_handler()
    with sdk.Run(experiment_name="e", run_name="r", sagemaker_session=user(POLICY)):
        handler.flush_tracker()
    session = user(without("s3:PutObject"))
    with (
        enable_iam_authentication(),
        pytest.raises(CompactionError, match="need the action s3:PutObject.*Nothing is lost"),
    ):
        compact(experiment_name="e", run_name="r", sagemaker_session=session)
    assert len(load_spans(experiment_name="e", run_name="r", sagemaker_session=session)) == 1


def test_reading_by_experiment_and_run_needs_no_more_than_the_docs_say(sdk: Any, user: Any) -> None:
    handler = new_handler()
    with sdk.Run(experiment_name="e", run_name="r", sagemaker_session=user(POLICY)):
        handler.flush_tracker()
    reading = {
        "sagemaker:ListTrialComponents",
        "sagemaker:DescribeTrialComponent",
        "s3:ListBucket",
        "s3:GetObject",
    }
    policy = copy.deepcopy(POLICY)
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action in reading]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    session = user(policy)
    with enable_iam_authentication():
        assert len(load_spans(experiment_name="e", run_name="r", sagemaker_session=session)) == 1
        assert len(load_spans(experiment_name="e", sagemaker_session=session)) == 1
