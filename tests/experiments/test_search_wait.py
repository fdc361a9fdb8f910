"""Search lags behind SageMaker itself; who reads through it can wait."""

from __future__ import annotations

import os
from typing import Any

import boto3
import pytest

from langchain_sagemaker_experiments import (
    BotoRun,
    SageMakerCallbackHandler,
    SpanReadError,
    wait_for_search,
)
from langchain_sagemaker_experiments.local import local_sagemaker
from support.spans import record


def test_after_the_wait_experiment_analytics_has_all_columns(sdk: Any) -> None:
    with local_sagemaker(search_lag=1.0):
        with BotoRun("jokes", "first") as run:
            run.log_parameter("prompt_version", 3)
            with SageMakerCallbackHandler(run) as handler:
                record(handler)
        wait_for_search("Jokes", "First")
        frame = sdk.ExperimentAnalytics(experiment_name="jokes").dataframe()
        assert frame["prompt_version"].tolist() == [3]
        assert frame["traces - Last"].tolist() == [1]

        # What came later is waited for, too.
        with BotoRun("jokes", "first") as run:
            run.log_parameter("prompt_version", 4)
        wait_for_search("jokes", "first")
        frame = sdk.ExperimentAnalytics(experiment_name="jokes").dataframe()
        assert frame["prompt_version"].tolist() == [4]


def test_a_run_that_search_does_not_show_in_time_is_named() -> None:
    with local_sagemaker(search_lag=3_600):
        with BotoRun("jokes", "first"):
            pass
        with pytest.raises(TimeoutError, match=r"'first' of 'jokes' within 0.5 s\. The run itself"):
            wait_for_search("jokes", "first", timeout=0.5)


def test_a_run_that_is_not_there_is_no_reason_to_wait() -> None:
    with local_sagemaker(), pytest.raises(SpanReadError, match="no run 'second' in the experiment"):
        wait_for_search("jokes", "second")


def test_what_keeps_search_from_being_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    # Not boto3's default session, which remembers the credentials of an earlier test.
    session = boto3.Session(region_name="us-east-1")
    with pytest.raises(SpanReadError, match=r"Search can't be asked\. .*credentials"):
        wait_for_search("jokes", "first", sagemaker_session=session)
