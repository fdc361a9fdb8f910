"""Every kind of fault at every request of a flush: after recovery the spans are those recorded,
each once.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import FlushError, SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments._destinations import s3_upload
from langchain_sagemaker_experiments._destinations.sagemaker_run import SageMakerRunDestination
from langchain_sagemaker_experiments.local import local_sagemaker

RESULT = LLMResult(generations=[[Generation(text="text")]])


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _answer(status: int, code: str, message: str) -> Callable[[Any], Any]:
    def answer(request: Any) -> AWSResponse:
        if "s3" in request.headers.get("Authorization", b"").decode() or request.method != "POST":
            answer = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            body = f"<?xml version='1.0'?>{answer}".encode()
            headers = {"Content-Type": "application/xml"}
        else:
            body = f'{{"__type": "{code}", "message": "{message}"}}'.encode()
            headers = {"Content-Type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, status, headers, _Raw(body))

    return answer


def _raises(error: Callable[[str], Exception]) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        raise error(request.url)

    return answer


# name: (what happens instead of an answer, whether the server has done the work all the same)
FAULTS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "throttled": (_answer(503, "SlowDown", "Please reduce your request rate."), False),
    "throttled, other code": (_answer(400, "ThrottlingException", "Rate exceeded"), False),
    "internal error": (_answer(500, "InternalError", "We encountered an internal error."), False),
    "internal error after the work": (
        _answer(500, "InternalError", "We encountered an internal error."),
        True,
    ),
    "access denied": (_answer(403, "AccessDenied", "Access Denied"), False),
    "expired token": (_answer(400, "ExpiredToken", "The provided token has expired."), False),
    "bucket gone": (_answer(404, "NoSuchBucket", "The specified bucket does not exist"), False),
    "no network": (_raises(lambda url: EndpointConnectionError(endpoint_url=url)), False),
    "time-out before": (_raises(lambda url: ReadTimeoutError(endpoint_url=url)), False),
    "time-out after the work": (_raises(lambda url: ReadTimeoutError(endpoint_url=url)), True),
    "connection lost after the work": (
        _raises(lambda url: ConnectionClosedError(endpoint_url=url)),
        True,
    ),
}


class Wire:
    """Stands between botocore and the network: lets requests pass, counts them, and spoils one of
    them.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        self.spoil: int | None = None
        self.fault = ""
        self.injected = 0
        original = URLLib3Session.send
        wire = self

        def send(session: Any, request: Any) -> Any:
            position = len(wire.seen)
            wire.seen.append(f"{request.method} {request.url}")
            if position != wire.spoil:
                return original(session, request)
            wire.injected += 1
            answer, done = FAULTS[wire.fault]
            if done:
                original(session, request)
            return answer(request)

        monkeypatch.setattr(URLLib3Session, "send", send)

    def arm(self, position: int | None, fault: str = "") -> None:
        self.seen.clear()
        self.spoil, self.fault = position, fault


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    # botocore's own retries would hide single faults (and wait between tries); a test of its own
    # shows them.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    # Small parts and pieces, so that a flush has many steps.
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 12_000)
    with local_sagemaker(server=True):
        yield Wire(monkeypatch)


def record(handler: SageMakerCallbackHandler, prompts: list[str]) -> None:
    for prompt in prompts:
        handler.on_llm_start({}, [prompt], invocation_params={"model_name": "m"})
        handler.on_llm_end(RESULT)


def batch(number: int) -> list[str]:
    """Prompts of one flush: long enough for three parts."""
    return [f"{number}-{n} " + "x" * 3_000 for n in range(7)]


def check(run: Any, flushes: int) -> None:
    found = sorted(inputs["prompts"][0] for inputs in load_spans(run)["inputs"])
    assert found == sorted(itertools.chain.from_iterable(batch(n) for n in range(flushes)))


def test_faults_at_every_request_of_a_flush(sdk: Any, wire: Wire) -> None:
    session = sdk.Session()
    session.default_bucket()
    flushed = failures = number = 0
    told: list[tuple[str, int, int]] = []
    with sdk.Run(experiment_name="faults", run_name="run", sagemaker_session=session) as run:
        handler = SageMakerCallbackHandler(run)

        def flush(position: int | None, fault: str = "") -> int:
            nonlocal flushed, failures, number
            record(handler, batch(number))
            number += 1
            wire.arm(position, fault)
            try:
                flushed += handler.flush_tracker().spans
            except FlushError as error:
                failures += 1
                told.append((str(error), error.kept_spans, handler.pending_spans))
            except Exception as error:  # nothing but our own error may come out of a flush
                pytest.fail(f"{fault} at {position}: {type(error).__name__}: {error}")
            steps = len(wire.seen)
            wire.arm(None)
            return steps

        steps = max(flush(None) for _ in range(3))
        assert steps >= 3
        # Each fault at each request of several flushes: the number of requests differs, as metrics
        # go ten at a time.
        for fault in FAULTS:
            for position in range(steps + 1):
                for _ in range(5 if position <= 3 else 2):
                    flush(position, fault)
        handler.flush_tracker()
        assert handler.pending_spans == 0
        check(run, number)
    assert all("Nothing is lost" in text and kept == waiting for text, kept, waiting in told)
    print(
        f"{wire.injected} faults injected, {failures} flushes failed, {number * 7} spans recorded, "
        f"each read once"
    )
    assert wire.injected >= 200
    assert failures >= 150


def test_faults_in_the_pieces_of_a_large_upload(
    sdk: Any, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 64 * 1024 * 1024
    )
    monkeypatch.setattr(s3_upload, "_MULTIPART_BYTES", 8 * 1024 * 1024)
    session = sdk.Session()
    recorded = 0
    with sdk.Run(experiment_name="faults", run_name="large", sagemaker_session=session) as run:
        handler = SageMakerCallbackHandler(run)
        for fault in FAULTS:
            for position in range(4):
                record(handler, [f"{recorded} " + "y" * 900_000 for _ in range(10)])
                recorded += 10
                wire.arm(position, fault)
                with pytest.raises(FlushError, match="Nothing is lost"):
                    handler.flush_tracker()
                wire.arm(None)
                handler.flush_tracker()
        assert len(load_spans(run)) == recorded
    print(f"{wire.injected} faults injected in uploads of several pieces")
    assert wire.injected == 4 * len(FAULTS)


def test_a_run_whose_closing_fails_keeps_its_spans(sdk: Any, wire: Wire) -> None:
    session = sdk.Session()
    for number, fault in enumerate(FAULTS):
        run = sdk.Run(
            experiment_name="faults", run_name=f"closing-{number}", sagemaker_session=session
        )
        run.__enter__()
        handler = SageMakerCallbackHandler(run)
        record(handler, batch(0))
        handler.flush_tracker()
        wire.arm(0, fault)
        with pytest.raises(Exception):  # noqa: B017 - the SDK's own, whatever it is
            run.__exit__(None, None, None)
        wire.arm(None)
        check(run, 1)
    print(f"{wire.injected} faults injected at the closing of a Run")


def test_single_faults_are_retried_by_botocore(sdk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_sagemaker(server=True):
        wire = Wire(monkeypatch)
        boto_session = boto3.Session()
        session = sdk.Session(boto_session=boto_session)
        with sdk.Run(
            experiment_name="faults", run_name="retried", sagemaker_session=session
        ) as run:
            retrying = boto_session.client(
                "s3", config=Config(retries={"mode": "standard", "total_max_attempts": 3})
            )
            monkeypatch.setattr(run._artifact_uploader, "_s3_client", retrying)
            handler = SageMakerCallbackHandler(run)
            for number, fault in enumerate(
                ("throttled", "internal error", "no network", "time-out before")
            ):
                record(handler, batch(number))
                wire.arm(0, fault)
                assert handler.flush_tracker().spans == 7
                wire.arm(None)
            check(run, 4)
        assert wire.injected == 4


def test_a_second_upload_of_the_same_part_doubles_nothing(
    sdk: Any, session: Any, open_run: Any
) -> None:
    with open_run() as run:
        destination = SageMakerRunDestination(run)
        handler = SageMakerCallbackHandler(run)
        record(handler, batch(0))
        (uri,) = handler.flush_tracker().uris
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        data = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        assert destination.write(key.rsplit("/", 1)[1], data) == uri
        check(run, 1)
