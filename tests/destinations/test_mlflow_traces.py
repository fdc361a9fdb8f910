"""MLflow's server, fed with real applications, with faults on the way, and looked at with its own
client and in a browser.
"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from langchain_sagemaker_experiments import (
    MlflowRun,
    OfflineRun,
    Otlp,
    SageMakerCallbackHandler,
    Span,
    load_scores,
    load_spans,
    log_score,
)
from langchain_sagemaker_experiments._conventions.genai import span_id, trace_id
from langchain_sagemaker_experiments.demo import stand_ins
from langchain_sagemaker_experiments.demo._scenarios import SCENARIOS
from support.browser import FLAGS, SCREENSHOTS
from support.mlflow_server import is_installed, mlflow_server
from support.mlflow_traces import assert_same, traces_of

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.skipif(not is_installed(), reason="needs the server of mlflow")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture(autouse=True)
def tracking(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)


class ToolModel(GenericFakeChatModel):
    """Takes tools, and answers what it was given to answer."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


@tool
def look_up(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def graph_agent(handler: SageMakerCallbackHandler) -> None:
    """A LangGraph agent that calls a tool, with usage, a session and a user."""
    from langchain.agents import create_agent

    call = {"name": "look_up", "args": {"city": "Rome"}, "id": "call-1"}
    usage: Any = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
    answers = [
        AIMessage("", tool_calls=[call], usage_metadata=usage),
        AIMessage("It is sunny in Rome.", usage_metadata=usage),
    ]
    agent = create_agent(ToolModel(messages=iter(answers)), [look_up])
    agent.invoke(
        {"messages": [HumanMessage("weather in Rome?")]},
        config={
            "callbacks": [handler],
            "run_name": "weather-agent",
            "metadata": {"session_id": "chat-7", "user_id": "u-1"},
        },
    )


def test_the_three_scenarios_and_a_graph_are_in_mlflow_as_load_spans_says(server: str) -> None:
    counts = {}
    with stand_ins():
        for name, _, scenario in SCENARIOS:
            with MlflowRun(server, experiment_name=name) as run:
                with SageMakerCallbackHandler(run, forward_timeout=120) as handler:
                    scenario(handler)
            counts[name] = compared(run)
    with MlflowRun(server, experiment_name="graph") as run:
        with SageMakerCallbackHandler(run, forward_timeout=120) as handler:
            graph_agent(handler)
    counts["graph"] = compared(run)
    assert counts["run-scenario-1"] == (1, 2)
    assert counts["run-scenario-2"] == (1, 5)
    assert all(traces == 1 and spans >= 2 for traces, spans in counts.values()), counts


def compared(run: MlflowRun) -> tuple[int, int]:
    spans = load_spans(f"runs:/{run.run_id}")
    traces = traces_of(run)
    assert_same(traces, spans)
    return len(traces), len(spans)


# --- faults on the way ----------------------------------------------------------------------------
class Proxy:
    """Stands before MLflow, and does its next fault, if there is one, to each request."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.faults: list[Callable[[Proxy, Any, bytes], bool]] = []
        self.passed = 0
        self.endpoint = ""

    def pass_on(self, request: Any, body: bytes) -> tuple[int, bytes]:
        names = ("Content-Type", "Content-Encoding", "x-mlflow-experiment-id")
        headers = {name: request.headers[name] for name in names if request.headers[name]}
        sent = urllib.request.Request(f"{self.server}/v1/traces", body, headers)
        self.passed += 1
        try:
            with urllib.request.urlopen(sent, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def answer(request: Any, status: int, body: bytes = b"", **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def status(code: int, **headers: str) -> Any:
    def fault(proxy: Proxy, request: Any, body: bytes) -> bool:
        answer(request, code, b"not now", **headers)
        return True

    return fault


def reset(proxy: Proxy, request: Any, body: bytes) -> bool:
    request.close_connection = True
    request.connection.close()
    return True


def lost_answer(proxy: Proxy, request: Any, body: bytes) -> bool:
    proxy.pass_on(request, body)
    return reset(proxy, request, body)


def timeout(proxy: Proxy, request: Any, body: bytes) -> bool:
    time.sleep(1.5)
    request.close_connection = True
    return True


def partial(proxy: Proxy, request: Any, body: bytes) -> bool:
    """Let MLflow have all spans but the first, and say so."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

    sent = service.ExportTraceServiceRequest.FromString(gzip.decompress(body))
    del sent.resource_spans[0].scope_spans[0].spans[0]
    code, _ = proxy.pass_on(request, gzip.compress(sent.SerializeToString()))
    told = service.ExportTraceServiceResponse()
    told.partial_success.rejected_spans = 1
    told.partial_success.error_message = "too old"
    answer(request, code, told.SerializeToString())
    return True


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with started(Proxy(server)) as one:
        yield one


@contextmanager
def started(proxy: Proxy, port: int = 0) -> Iterator[Proxy]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = proxy.faults.pop(0) if proxy.faults else None
            if fault is None or not fault(proxy, self, body):
                answer(self, *proxy.pass_on(self, body))

    listener = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    proxy.endpoint = f"http://127.0.0.1:{listener.server_address[1]}/v1/traces"
    try:
        yield proxy
    finally:
        listener.shutdown()
        listener.server_close()


FAULTS = {
    "429 with Retry-After": status(429, Retry_After="1"),
    "503": status(503),
    "timeout": timeout,
    "reset": reset,
    "lost answer": lost_answer,
    "partial success": partial,
}


def expected(run: OfflineRun) -> set[tuple[str, str]]:
    return {
        (f"tr-{trace_id(row['trace_id'])}", span_id(row["span_id"]))
        for _, row in load_spans(run).iterrows()
    }


def in_mlflow(experiment: str) -> list[tuple[str, str]]:
    found = mlflow.MlflowClient().search_traces(locations=[experiment])
    return [(trace.info.trace_id, span.span_id) for trace in found for span in trace.data.spans]


def backend(endpoint: str, experiment: str) -> Otlp:
    return Otlp(endpoint, {"x-mlflow-experiment-id": experiment}, timeout=1.0)


@pytest.mark.parametrize("fault", FAULTS)
def test_mlflow_has_each_span_once_through_faults(proxy: Proxy, tmp_path: Path, fault: str) -> None:
    experiment = mlflow.MlflowClient().create_experiment(f"fault {fault}")
    proxy.faults = [FAULTS[fault]] if fault == "partial success" else [FAULTS[fault]] * 2
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with SageMakerCallbackHandler(
        run, forward=[backend(proxy.endpoint, experiment)], forward_timeout=60
    ) as handler:
        for number in range(2):
            steps = [Span(f"step-{n}", kind="tool", inputs={"n": n}) for n in range(3)]
            handler.log_trace(Span(f"trace-{number}", children=steps))
            handler.flush_tracker()
    found = in_mlflow(experiment)
    assert len(found) == len(set(found))
    refused = handler.flush_tracker().faults
    if fault == "partial success":
        assert len(expected(run) - set(found)) == sum(refused.values()) == 1
        assert ["too old" in reason for reason in refused] == [True]
    else:
        assert set(found) == expected(run)
        assert not refused


def test_a_server_that_is_not_there_yet_gets_all(server: str, tmp_path: Path) -> None:
    experiment = mlflow.MlflowClient().create_experiment("refused connections")
    proxy = Proxy(server)
    with started(proxy):
        port = int(proxy.endpoint.rpartition(":")[2].partition("/")[0])
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(
        run, forward=[backend(proxy.endpoint, experiment)], forward_timeout=60
    )
    handler.log_trace(Span("trace", children=[Span("step")]))
    handler.flush_tracker()
    assert handler.wait_forwarded(0.5) == 1
    with started(proxy, port):
        assert handler.wait_forwarded(60) == 0
    assert set(in_mlflow(experiment)) == expected(run)


WORKER = """
import sys, time
from langchain_sagemaker_experiments import OfflineRun, Otlp, SageMakerCallbackHandler, Span

folder, endpoint, experiment = sys.argv[1:]
handler = SageMakerCallbackHandler(
    OfflineRun(folder, experiment_name="e", run_name="r"),
    forward=[Otlp(endpoint, {"x-mlflow-experiment-id": experiment}, timeout=1.0)],
    spool_dir=f"{folder}/spool",
)
for number in range(3):
    handler.log_trace(Span(f"trace-{number}", children=[Span("step", kind="tool")]))
    handler.flush_tracker()
print("flushed", flush=True)
time.sleep(600)
"""


def test_a_killed_process_is_replayed_into_mlflow(proxy: Proxy, tmp_path: Path) -> None:
    experiment = mlflow.MlflowClient().create_experiment("killed")
    proxy.faults = [lost_answer, *[status(503)] * 10_000]
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), proxy.endpoint, experiment],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "flushed\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    proxy.faults = []
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with SageMakerCallbackHandler(
        run,
        forward=[backend(proxy.endpoint, experiment)],
        forward_timeout=60,
        spool_dir=tmp_path / "spool",
    ) as handler:
        handler.log_trace(Span("of the next process"))
    found = in_mlflow(experiment)
    assert len(found) == len(set(found)) == 7
    assert set(found) == expected(run)


# --- scores ---------------------------------------------------------------------------------------
def assessments(run: MlflowRun) -> list[tuple[str, Any, str, str, str | None]]:
    (trace,) = traces_of(run)
    return sorted(
        (one.name, one.value, one.source.source_type, one.source.source_id, one.rationale)
        for one in trace.info.assessments
    )


def test_scores_are_assessments(server: str) -> None:
    with MlflowRun(server, experiment_name="scored") as run:
        handler = SageMakerCallbackHandler(run, forward_timeout=120)
        handler.log_trace(Span("root", children=[Span("step", kind="tool")]))
        handler.flush_tracker()
        spans = load_spans(run)
        root, step = (spans[spans["name"] == name].iloc[0] for name in ("root", "step"))
        handler.log_score(root["trace_id"], key="good", score=True, comment="yes", author="anna")
        handler.log_score(root["trace_id"], key="exact", score=0.5, source="code")
        handler.close()
    assert assessments(run) == [
        ("exact", 0.5, "CODE", "code", None),
        ("good", True, "HUMAN", "anna", "yes"),
    ]
    # Days later, without the handler: another opinion of the same author, and one of a span.
    log_score(run, root["trace_id"], key="good", score=False, author="anna", comment="no")
    log_score(run, root["trace_id"], step["span_id"], key="step", score="fine", source="model")
    assert assessments(run) == [
        ("exact", 0.5, "CODE", "code", None),
        ("good", False, "HUMAN", "anna", "no"),
        ("step", "fine", "LLM_JUDGE", "model", None),
    ]
    (trace,) = traces_of(run)
    (of_step,) = [one for one in trace.info.assessments if one.name == "step"]
    assert of_step.span_id == span_id(step["span_id"])
    log_score(run, root["trace_id"], key="good", score=None, author="anna")
    assert [one[0] for one in assessments(run)] == ["exact", "step"]
    assert sorted(load_scores(run)["key"]) == ["exact", "step"]


# --- in the browser -------------------------------------------------------------------------------
def test_mlflows_page_shows_a_trace(server: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: install Debian's package chromium")
    with MlflowRun(server, experiment_name="looked-at") as run:
        with SageMakerCallbackHandler(run, forward_timeout=120) as handler:
            graph_agent(handler)
    (trace,) = traces_of(run)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as started_playwright:
        browser = started_playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.goto(
            f"{server}/#/experiments/{run.experiment_id}/traces"
            f"?selectedEvaluationId={trace.info.trace_id}"
        )
        page.get_by_text("look_up").first.wait_for(timeout=60_000)
        page.screenshot(path=str(SCREENSHOTS / "mlflow-trace.png"))
        text = page.inner_text("body")
        browser.close()
    for shown in ("weather-agent", "look_up", "weather in Rome?", "It is sunny in Rome.", "chat-7"):
        assert shown in text, text
