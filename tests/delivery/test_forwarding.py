"""Finished spans arrive at other backends, whatever these do, and no flush waits for them."""

from __future__ import annotations

import hashlib
import hmac
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from langchain_sagemaker_experiments import (
    CloudWatch,
    OfflineRun,
    Otlp,
    SageMakerCallbackHandler,
    Span,
    load_spans,
)
from langchain_sagemaker_experiments._conventions.genai import span_id, trace_id
from langchain_sagemaker_experiments._conventions.otlp import Limits
from langchain_sagemaker_experiments._delivery import forwarding
from langchain_sagemaker_experiments._destinations.otlp import otlp_from_environment
from support import otlp_receiver as receivers
from support.otlp_receiver import Receiver, otlp_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as started:
        yield started


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    return OfflineRun(tmp_path, experiment_name="experiment", run_name="run-1")


def expected(run: OfflineRun) -> set[tuple[bytes, bytes]]:
    """The ids of all finished spans."""
    frame = load_spans(run.path)
    finished = frame[frame["status"] != "running"]
    return {
        (bytes.fromhex(trace_id(row["trace_id"])), bytes.fromhex(span_id(row["span_id"])))
        for _, row in finished.iterrows()
    }


def record(handler: SageMakerCallbackHandler, number: int, spans: int = 3) -> None:
    children = [Span(f"step-{n}", kind="tool", inputs={"n": n}) for n in range(spans - 1)]
    handler.log_trace(Span(f"trace-{number}", children=children))
    handler.flush_tracker()


FAULTS = {
    "429 with Retry-After": receivers.status(429, Retry_After="1"),
    "503": receivers.status(503),
    "502": receivers.status(502),
    "504": receivers.status(504),
    "reset": receivers.reset,
    "lost answer": receivers.lost_answer,
    "timeout": receivers.hang(1.5),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_may_be_sent_again_is(receiver: Receiver, run: OfflineRun, fault: Any) -> None:
    receiver.faults = [fault, fault]
    with SageMakerCallbackHandler(
        run, forward=[Otlp(receiver.endpoint, timeout=1.0)], forward_timeout=60
    ) as handler:
        for number in range(3):
            record(handler, number)
    assert set(receiver.spans) == expected(run)
    assert len(receiver.spans) == 9
    assert handler.flush_tracker().faults == {}


def test_a_backend_that_is_not_there_yet_gets_all(run: OfflineRun) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/v1/traces"
    backend = Otlp(nowhere, timeout=1.0)
    handler = SageMakerCallbackHandler(run, forward=[backend], forward_timeout=0.2)
    record(handler, 0)
    assert handler.wait_forwarded() == 1
    with otlp_receiver() as receiver:
        object.__setattr__(backend, "endpoint", receiver.endpoint)
        assert handler.wait_forwarded(60) == 0
        assert set(receiver.spans) == expected(run)


def test_what_a_backend_refuses_is_not_repeated(receiver: Receiver, run: OfflineRun) -> None:
    receiver.faults = [receivers.refuse_first, receivers.status(400)]
    handler = SageMakerCallbackHandler(run, forward=[Otlp(receiver.endpoint)], forward_timeout=60)
    for number in range(3):
        record(handler, number)
        assert handler.wait_forwarded() == 0
    assert len(receiver.requests) == 3
    assert len(receiver.spans) == 2 + 0 + 3
    assert set(receiver.spans) < expected(run)


def test_refusals_are_in_the_next_flush(receiver: Receiver, run: OfflineRun) -> None:
    receiver.faults = [receivers.refuse_first, receivers.status(400)]
    handler = SageMakerCallbackHandler(run, forward=[Otlp(receiver.endpoint)], forward_timeout=60)
    handler.log_trace(Span("root", children=[Span("step")]))
    handler.flush_tracker()
    assert handler.wait_forwarded() == 0
    assert handler.flush_tracker().faults == {f"{receiver.endpoint} refused spans (too old)": 1}
    handler.log_trace(Span("root", children=[Span("step")]))
    handler.flush_tracker()
    assert handler.wait_forwarded() == 0
    assert handler.flush_tracker().faults == {
        f"{receiver.endpoint} refused a request (HTTP 400 not now)": 2
    }


def test_only_finished_spans_go_and_each_once(receiver: Receiver, run: OfflineRun) -> None:
    handler = SageMakerCallbackHandler(run, forward=[Otlp(receiver.endpoint)], forward_timeout=60)
    with handler.span("open"):
        record(handler, 0)
        assert handler.wait_forwarded() == 0
        assert len(receiver.spans) == 3
    handler.flush_tracker()
    assert handler.wait_forwarded() == 0
    assert len(receiver.spans) == 4
    assert all(len(sent) == 1 for sent in receiver.spans.values())


def test_a_flush_does_not_wait_for_a_backend_that_hangs(run: OfflineRun) -> None:
    """The backend answers only after the flush is through: a flush that waited would never end."""
    through = threading.Event()

    def wait(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
        assert through.wait(60)
        return False

    with otlp_receiver() as receiver:
        receiver.faults = [wait]
        handler = SageMakerCallbackHandler(run, forward=[Otlp(receiver.endpoint, timeout=60)])
        for number in range(3):
            record(handler, number)
        assert receiver.spans == {}
        through.set()
        assert handler.wait_forwarded(60) == 0
        assert set(receiver.spans) == expected(run)


def test_closing_waits_no_longer_than_it_may(
    receiver: Receiver, run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.faults = [receivers.status(503)] * 1_000
    waited: list[float] = []
    monkeypatch.setattr(
        forwarding.Forwarder, "wait", lambda self, timeout: waited.append(timeout) or 1
    )
    with SageMakerCallbackHandler(
        run, forward=[Otlp(receiver.endpoint)], forward_timeout=0.25
    ) as handler:
        record(handler, 0)
    handler.close()
    assert waited
    assert max(waited) <= 0.25


def test_parts_beyond_the_bound_are_read_back(
    receiver: Receiver, run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "MAX_WAITING_BYTES", 2_000)
    receiver.faults = [receivers.hang(0.5)]
    handler = SageMakerCallbackHandler(run, forward=[Otlp(receiver.endpoint, timeout=0.2)])
    for number in range(10):
        record(handler, number)
    (line,) = handler._forwarding._forwarders[receiver.endpoint]._lines
    assert line._held_bytes <= 2_000
    assert handler.wait_forwarded(60) == 0
    assert line._held_bytes == 0
    assert set(receiver.spans) == expected(run)


def test_a_killed_process_is_replayed(receiver: Receiver, run: OfflineRun) -> None:
    program = textwrap.dedent(
        f"""
        import os, signal
        from langchain_sagemaker_experiments import OfflineRun, Otlp, SageMakerCallbackHandler, Span
        folder = {str(run.path.parent.parent)!r}
        run = OfflineRun(folder, experiment_name="experiment", run_name="run-1")
        handler = SageMakerCallbackHandler(run, forward=[Otlp({receiver.endpoint!r})])
        for number in range(5):
            handler.log_trace(Span(f"trace-{{number}}", children=[Span("step")]))
            handler.flush_tracker()
            if number == 1:
                handler.wait_forwarded(60)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    receiver.faults = [receivers.reset, receivers.lost_answer]
    done = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(expected(run)) == 10
    replay(run.path, receiver.endpoint)
    assert set(receiver.spans) == expected(run)


def replay(source: Any, endpoint: str, *options: str) -> Any:
    from typer.testing import CliRunner

    from langchain_sagemaker_experiments._cli.app import app

    done = CliRunner().invoke(app, ["forward", str(source), "--to", endpoint, *options])
    assert done.exit_code == 0, done.output
    return done


def test_the_command_replays_a_range_of_time(receiver: Receiver, run: OfflineRun) -> None:
    handler = SageMakerCallbackHandler(run)
    for number in range(3):
        record(handler, number)
    frame = load_spans(run.path)
    one = frame[frame["name"] == "trace-1"]["trace_id"].iloc[0]
    middle = frame[frame["trace_id"] == one]["start_time"].min().isoformat()
    done = replay(run.path, receiver.endpoint, "--since", middle, "--header", "x-key=secret")
    assert "6 spans" in done.output
    assert len(receiver.spans) == 6
    assert receiver.requests[0]["headers"]["x-key"] == "secret"
    replay(run.path, receiver.endpoint)
    assert set(receiver.spans) == expected(run)


# --- what is sent ---------------------------------------------------------------------------------
def test_names_of_the_conventions_are_side_by_side(receiver: Receiver, run: OfflineRun) -> None:
    with SageMakerCallbackHandler(
        run, forward=[Otlp(receiver.endpoint)], forward_timeout=60
    ) as handler:
        with handler.span(
            "search",
            kind="tool",
            inputs={"query": "x"},
            metadata={"thread_id": "s-1", "user_id": "u-1"},
        ) as span:
            span.set_outputs("found")
    (found,) = receiver.attributes()
    assert found["openinference.span.kind"] == "TOOL"
    assert found["input.value"] == '{"query":"x"}'
    assert found["output.value"] == "found"
    assert found["gen_ai.tool.call.arguments"] == '{"query":"x"}'
    assert found["user.id"] == "u-1"


def test_requests_keep_within_limits(receiver: Receiver, run: OfflineRun) -> None:
    limits = Limits(spans=4, request_bytes=20_000, span_bytes=6_000)
    with SageMakerCallbackHandler(
        run, forward=[Otlp(receiver.endpoint, limits=limits)], forward_timeout=60
    ) as handler:
        handler.log_trace(Span("large", inputs={"text": "x" * 50_000}, outputs="y" * 50_000))
        record(handler, 1, spans=30)
    assert set(receiver.spans) == expected(run)
    assert max(request["spans"] for request in receiver.requests) <= 4
    assert max(request["bytes"] for request in receiver.requests) <= 21_000
    assert max(request["largest"] for request in receiver.requests) <= 6_000
    (large,) = [found for found in receiver.attributes() if found["langchain.name"] == "large"]
    assert "characters, whole in S3]" in large["input.value"]


def test_the_environment_names_a_backend(
    receiver: Receiver, run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=a%20key,x-team=search")
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=other"
    )
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-service")
    with SageMakerCallbackHandler(run, forward="otel", forward_timeout=60) as handler:
        record(handler, 0)
    (request,) = receiver.requests
    assert request["headers"]["x-api-key"] == "a key"
    assert request["headers"]["x-team"] == "search"
    assert request["resource"]["service.name"] == "my-service"
    assert request["resource"]["deployment.environment.name"] == "test"
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
    assert otlp_from_environment().endpoint == "http://collector:4318/v1/traces"
    assert "a key" not in repr(otlp_from_environment())


# --- CloudWatch -----------------------------------------------------------------------------------
SECRET = "the-secret-" + "key-of-a-test"


def check_signature(request: Any, body: bytes) -> None:
    """Compute the signature of Signature Version 4 anew, after AWS's documentation."""
    told = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
        request.headers["Authorization"],
    )
    assert told, request.headers["Authorization"]
    key_id, day, region, service, names, signature = told.groups()
    assert (key_id, region, service) == ("key-id", "eu-west-1", "xray")
    digest = hashlib.sha256(body).hexdigest()
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";"))
    assert "host" in names.split(";")
    canonical = "\n".join(["POST", request.path, "", headers, names, digest])
    scope = f"{day}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", request.headers["X-Amz-Date"], scope, hashed])
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest() == signature


def test_cloudwatch_gets_what_is_signed_and_within_its_limits(
    receiver: Receiver, run: OfflineRun
) -> None:
    receiver.check = check_signature
    session = boto3.Session("key-id", SECRET, region_name="eu-west-1")
    backend = CloudWatch(boto_session=session, endpoint=receiver.endpoint)
    with SageMakerCallbackHandler(
        run, forward=[backend], forward_timeout=60, max_field_bytes=None
    ) as handler:
        handler.log_trace(Span("large", inputs={"text": "x" * 300_000}))
        record(handler, 0)
    assert set(receiver.spans) == expected(run)
    assert max(request["largest"] for request in receiver.requests) <= 200_000
    assert SECRET not in repr(backend)


def test_cloudwatchs_own_address() -> None:
    backend = CloudWatch(region="eu-west-1")
    assert backend.name == "CloudWatch eu-west-1"
    assert (backend.limits.spans, backend.limits.request_bytes, backend.limits.span_bytes) == (
        10_000,
        5_000_000,
        200_000,
    )
