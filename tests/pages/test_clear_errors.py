"""Bad input gets an error of ours that says what happened, what was kept and what to do next;
nothing is lost.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import boto3
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import (
    DestinationError,
    FlushError,
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    SpanReadError,
    load_spans,
)
from support.inside import pipeline

RESULT = LLMResult(generations=[[Generation(text="text")]])


def record_one(handler: SageMakerCallbackHandler, prompt: str = "hello") -> None:
    handler.on_llm_start({}, [prompt])
    handler.on_llm_end(RESULT)


@pytest.mark.parametrize("run", ["my-run", 3, object(), {"name": "run"}, OfflineRun, print])
def test_a_run_that_is_no_run_is_refused_at_once(run: Any) -> None:
    with pytest.raises(
        DestinationError, match="can't take records: it has no log_file method"
    ) as error:
        SageMakerCallbackHandler(run)
    assert isinstance(error.value, TypeError)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"redact": "everything"}, "redact must be"),
        ({"redact": 3}, "redact must be"),
        ({"extra_args": "SSE"}, "extra_args must be a dictionary"),
        ({"spool_dir": 3}, "spool_dir must be the path"),
        ({"sample_rate": 2}, "sample_rate must be a number between 0 and 1"),
        ({"sample_rate": "all"}, "sample_rate must be a number"),
        ({"sample_rate": float("nan")}, "sample_rate must be a number"),
        ({"max_field_bytes": 3}, "max_field_bytes must be at least"),
        ({"max_field_bytes": "1 MiB"}, "max_field_bytes must be at least"),
        ({"buffer_bytes": 0}, "buffer_bytes must be at least"),
        ({"buffer_bytes": None}, "buffer_bytes must be at least"),
        ({"max_open_spans": 0}, "max_open_spans must be at least"),
        ({"max_open_spans": True}, "max_open_spans must be at least"),
        ({"abandoned_after": -1}, "abandoned_after must be a number of seconds"),
        ({"flush_interval": 0}, "flush_interval must be seconds, more than 0"),
        ({"flush_interval": 1, "flush_bytes": 0}, "flush_bytes must be at least 1"),
        ({"flush_bytes": 8}, "flush_bytes goes with flush_interval"),
    ],
)
def test_settings_that_can_not_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SageMakerCallbackHandler(**settings)


def test_a_handler_that_is_to_be_pickled_says_what_to_do_instead() -> None:
    handler = SageMakerCallbackHandler()
    model = FakeListChatModel(responses=["x"], callbacks=[handler])
    for value in (handler, model):
        with pytest.raises(TypeError, match="In each worker, open the Run with load_run"):
            pickle.dumps(value)
    assert copy.deepcopy(handler) is handler


def test_a_flush_without_any_run_keeps_everything() -> None:
    handler = SageMakerCallbackHandler()
    record_one(handler)
    with pytest.raises(
        FlushError, match=r"no `with Run\(...\)` surrounds this flush.*Nothing is lost: 1 spans"
    ):
        handler.flush_tracker()
    assert handler.pending_spans == 1
    pipeline(handler).save({})
    assert pipeline(handler).folder() is not None


def test_a_flush_outside_the_with_keeps_everything_for_a_later_one(
    sdk: Any, session: Any, open_run: Any
) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
    record_one(handler)
    with pytest.raises(FlushError, match="only inside its `with Run") as error:
        handler.flush_tracker()
    assert (error.value.kept_spans, error.value.spool_dir) == (1, None)
    assert error.value.kept_bytes > 0
    record_one(handler)
    with sdk.load_run(
        experiment_name="experiment", run_name="run-1", sagemaker_session=session
    ) as again:
        handler.run = again
        assert handler.flush_tracker().spans == 2
        assert len(load_spans(again)) == 2


def test_a_missing_bucket_is_named_and_a_later_flush_succeeds(open_run: Any) -> None:
    with open_run(artifact_bucket="not-there-yet") as run:
        handler = SageMakerCallbackHandler(run)
        record_one(handler)
        with pytest.raises(FlushError, match="NoSuchBucket.*The bucket does not exist.*1 spans"):
            handler.flush_tracker()
        boto3.client("s3").create_bucket(Bucket="not-there-yet")
        result = handler.flush_tracker()
        assert result.spans == 1
        assert result.uris[0].startswith("s3://not-there-yet/")
        assert len(load_spans(run)) == 1


def test_missing_credentials_are_named(open_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        record_one(handler)
        client = run._artifact_uploader._s3_client
        credentials, client._request_signer._credentials = client._request_signer._credentials, None
        with pytest.raises(FlushError, match="no usable AWS credentials.*1 spans"):
            handler.flush_tracker()
        client._request_signer._credentials = credentials
        assert handler.flush_tracker().spans == 1


def test_reading_what_does_not_exist(local: Any, tmp_path: Any) -> None:
    boto3.client("s3").create_bucket(Bucket="empty-bucket")
    for source, message in (
        (tmp_path / "nowhere", "There is no folder or file"),
        ("s3://no-such-bucket/prefix", "There is nothing at s3://no-such-bucket/prefix"),
        ("s3://empty-bucket/prefix", "There are no spans at s3://empty-bucket/prefix"),
        ("s3://empty-bucket/part.jsonl", "There is nothing at s3://empty-bucket/part.jsonl"),
        ("s3://", "names no bucket"),
        (42, "can't be read from int"),
        (None, "Say what to read"),
    ):
        with pytest.raises(SpanReadError, match=message):
            load_spans(source)
    with pytest.raises(SpanReadError, match="There is no experiment 'missing'"):
        load_spans(experiment_name="missing")
    with pytest.raises(SpanReadError, match="There is no run 'r' in the experiment 'missing'"):
        load_spans(experiment_name="missing", run_name="r")


def test_an_empty_folder_and_a_run_without_spans_give_an_empty_table(
    tmp_path: Any, open_run: Any
) -> None:
    assert load_spans(tmp_path).shape == (0, 21)
    with open_run() as run:
        assert load_spans(run).empty
        assert load_spans(experiment_name="experiment", run_name="run-1").empty


@pytest.mark.parametrize("name", ["", "with space", "-leading", "x" * 60, "under_score"])
def test_offline_runs_take_only_names_that_sagemaker_takes(tmp_path: Any, name: str) -> None:
    with pytest.raises(ValueError, match="is no name SageMaker would take"):
        OfflineRun(tmp_path, experiment_name="fine", run_name=name)


def test_hand_made_spans_say_what_is_wrong(recording: Any) -> None:
    with pytest.raises(ValueError, match="kind must be one of agent, chain"):
        Span("x", kind="workflow")
    with pytest.raises(ValueError, match="kind must be one of"):
        recording.handler.span("x", kind="workflow")
    with pytest.raises(ValueError, match="status must be one of"):
        Span("x", status="fine")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="log_trace takes a Span"):
        recording.handler.log_trace({"name": "x"})
    parent, child = Span("parent"), Span("child")
    parent.add_child(child)
    with pytest.raises(ValueError, match="can't lie within itself"):
        child.add_child(parent)
    with pytest.raises(TypeError, match="must be a Span"):
        parent.add_child("child")  # type: ignore[arg-type]


def test_a_users_exception_is_not_hidden_by_a_failing_flush(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = SageMakerCallbackHandler()
    with pytest.raises(KeyError, match="the user's own"), handler:
        record_one(handler)
        raise KeyError("the user's own")
    assert "no `with Run(...)` surrounds this flush" in caplog.text
    assert handler.pending_spans == 1
