"""What reaches a Run, and what never does: limits, artifacts, parameters, requests."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments._delivery.run_summary import Summary
from langchain_sagemaker_experiments._destinations import s3_upload
from langchain_sagemaker_experiments._destinations.run_limits import bounded_parameters, shorten

RESULT = LLMResult(generations=[[Generation(text="x")]])


def call(handler: SageMakerCallbackHandler, **settings: Any) -> None:
    handler.on_llm_start({}, ["p"], invocation_params=settings)
    handler.on_llm_end(RESULT)


def component(name: str = "experiment-run-1") -> Any:
    return boto3.client("sagemaker").describe_trial_component(TrialComponentName=name)


def test_one_artifact_whatever_the_number_of_flushes(open_run: Any) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        uris = []
        for _ in range(50):
            call(handler)
            uris += handler.flush_tracker().uris
        assert len(set(uris)) == 50
        assert len(load_spans(run)) == 50
    artifacts = component()["OutputArtifacts"]
    assert list(artifacts) == ["langchain-traces"]
    assert artifacts["langchain-traces"] == {"MediaType": "application/jsonl", "Value": uris[-1]}


def test_a_run_full_of_the_users_artifacts_still_takes_spans(open_run: Any) -> None:
    with open_run() as run:
        for number in range(30):
            run.log_artifact(f"mine-{number}", f"s3://b/{number}")
        handler = SageMakerCallbackHandler(run)
        call(handler, temperature=0.5)
        (uri,) = handler.flush_tracker().uris
        assert len(load_spans(run)) == 1
    described = component()
    assert set(described["OutputArtifacts"]) == {f"mine-{number}" for number in range(30)}
    assert described["Parameters"]["langchain-traces"] == {"StringValue": uri}
    assert described["Parameters"]["temperature"] == {"NumberValue": 0.5}
    assert len(load_spans(experiment_name="experiment", run_name="run-1")) == 1


def test_a_run_full_of_the_users_parameters_is_not_broken(
    open_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with open_run() as run:
        run.log_parameters({f"p{number}": number for number in range(299)})
        handler = SageMakerCallbackHandler(run)
        call(handler, temperature=0.5, model_name="m", top_p=0.9)
        handler.flush_tracker()
    assert len(component()["Parameters"]) == 300
    assert "more are in the JSON only" in caplog.text


def test_long_settings_are_shortened_with_a_mark(open_run: Any) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        call(handler, model_name="m" * 5_000)
        handler.flush_tracker()
        assert load_spans(run)["attributes"].iloc[0]["gen_ai.request.model"] == "m" * 5_000
    value = component()["Parameters"]["model_name"]["StringValue"]
    assert len(value) == 2_500
    assert value.endswith("… [5000 characters, whole in the JSON]")


def test_many_models_never_break_the_limit_of_parameters(open_run: Any) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for number in range(200):
            call(handler, model_name=f"model-{number}", temperature=number / 1000)
        handler.flush_tracker()
    assert len(component()["Parameters"]) == 300


def test_a_reopened_run_keeps_its_settings_and_numbers_another_models(
    sdk: Any, session: Any, open_run: Any
) -> None:
    with open_run() as run:
        with SageMakerCallbackHandler(run) as handler:
            call(handler, model_name="first", temperature=0.1)
    for settings in (
        {"model_name": "first", "temperature": 0.1},
        {"model_name": "second", "temperature": 0.9},
    ):
        with sdk.load_run(
            experiment_name="experiment", run_name="run-1", sagemaker_session=session
        ) as again:
            with SageMakerCallbackHandler(again) as handler:
                call(handler, **settings)
    parameters = {
        name: next(iter(value.values())) for name, value in component()["Parameters"].items()
    }
    assert parameters["model_name"] == "first"
    assert parameters["model_2.model_name"] == "second"
    assert parameters["model_2.temperature"] == 0.9
    assert not any(name.startswith("model_3") for name in parameters)
    assert len(load_spans(experiment_name="experiment", run_name="run-1")) == 3


def test_a_small_flush_makes_at_most_four_requests(open_run: Any, local: Any) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        call(handler)
        handler.flush_tracker()
        for _ in range(5):
            before = sum(local.requests.values())
            call(handler)
            handler.flush_tracker()
            assert sum(local.requests.values()) - before <= 4


def test_requests_do_not_grow_with_spans(open_run: Any, local: Any) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        call(handler)
        handler.flush_tracker()
        before = sum(local.requests.values())
        for _ in range(2_000):
            call(handler)
        assert handler.flush_tracker().spans == 2_000
        assert sum(local.requests.values()) - before <= 4


def test_a_large_flush_becomes_several_parts_that_are_sent_together(
    open_run: Any, local: Any
) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for number in range(100):
            handler.on_llm_start({}, [f"{number} " + "x" * 500_000])
            handler.on_llm_end(RESULT)
        result = handler.flush_tracker()
        assert result.spans == 100
        assert len(result.uris) == local.requests["PutObject"] == 4  # 16 MiB each
        assert result.uris == sorted(result.uris)
        assert run._trial_component.output_artifacts["langchain-traces"].value == result.uris[-1]
        assert len(load_spans(run)) == 100


def test_a_huge_part_is_uploaded_in_pieces(
    open_run: Any, local: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_upload, "_MULTIPART_BYTES", 8 * 1024 * 1024)
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for _ in range(12):
            handler.on_llm_start({}, ["x" * 1_000_000])
            handler.on_llm_end(RESULT)
        result = handler.flush_tracker()
        assert result.bytes > 12_000_000
        assert local.requests["CreateMultipartUpload"] == 1
        assert len(load_spans(run)) == 12


def test_upload_arguments_pass_through(open_run: Any) -> None:
    boto3.client("s3").create_bucket(Bucket="secure-bucket")
    extra = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "key-1",
        "StorageClass": "STANDARD_IA",
        "Tagging": "team=a",
    }
    with open_run(artifact_bucket="secure-bucket") as run:
        handler = SageMakerCallbackHandler(
            run, extra_args={**extra, "ExpectedBucketOwner": "123456789012"}
        )
        call(handler)
        (uri,) = handler.flush_tracker().uris
    key = uri.removeprefix("s3://secure-bucket/")
    head = boto3.client("s3").head_object(Bucket="secure-bucket", Key=key)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"], head["StorageClass"]) == (
        "aws:kms",
        "key-1",
        "STANDARD_IA",
    )
    assert head["ContentType"] == "application/jsonl"
    assert boto3.client("s3").get_object_tagging(Bucket="secure-bucket", Key=key)["TagSet"] == [
        {"Key": "team", "Value": "a"}
    ]


def test_the_sessions_default_prefix_is_honoured(sdk: Any, local: Any) -> None:
    # The SDK creates its default bucket only for a session without a prefix.
    boto3.client("s3").create_bucket(Bucket=local.bucket)
    session = sdk.Session(default_bucket_prefix="team/a")
    with sdk.Run(experiment_name="experiment", run_name="run-1", sagemaker_session=session) as run:
        handler = SageMakerCallbackHandler(run)
        call(handler)
        (uri,) = handler.flush_tracker().uris
        run.log_file(__file__)
        where = run._trial_component.output_artifacts["test_destinations.py"].value.rsplit("/", 1)[
            0
        ]
        assert uri.startswith(f"{where}/langchain-traces/part-")
        assert len(load_spans(run)) == 1


def test_shortening_keeps_within_the_limit() -> None:
    assert shorten("abc", 10) == "abc"
    assert len(shorten("x" * 100, 60)) == 60
    assert bounded_parameters({"k" * 400: "v", "inf": float("inf")}, {}) == {
        shorten("k" * 400, 320): "v"
    }


def test_metrics_of_a_flush() -> None:
    summary = Summary(lambda attributes: {})
    assert summary.metrics() == {}
    base = {
        "status": "ok",
        "parent_span_id": None,
        "duration_ms": 10.0,
        "kind": "chain",
        "attributes": {},
    }
    usage = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7}
    for record in (
        base,
        {**base, "duration_ms": 30.0},
        {**base, "parent_span_id": "x", "kind": "llm", "attributes": usage},
        {**base, "parent_span_id": "x", "kind": "tool", "status": "error"},
    ):
        summary.add(record)
    assert summary.metrics() == {
        "traces": 2,
        "model_calls": 1,
        "errors": 1,
        "input_tokens": 5,
        "output_tokens": 7,
        "latency_ms": 20.0,
    }
