"""A trace that begins within a span of OpenTelemetry says so, and can be its child elsewhere."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from langchain_sagemaker_experiments import (
    CloudWatch,
    OfflineRun,
    Otlp,
    SageMakerCallbackHandler,
    Span,
    load_spans,
)
from langchain_sagemaker_experiments._conventions.genai import span_id, trace_id
from langchain_sagemaker_experiments._destinations.otlp import otlp_from_environment
from support.otlp_receiver import Receiver, otlp_receiver

TRACER = TracerProvider().get_tracer("application")
OUTSIDE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    return OfflineRun(tmp_path, experiment_name="e", run_name="r")


def traceparents(run: OfflineRun) -> list[str | None]:
    return [attributes.get("traceparent") for attributes in load_spans(run)["attributes"]]


def parent_of(span: Any) -> str:
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
    return carrier["traceparent"]


def chain() -> Any:
    model = FakeListChatModel(responses=["fine"])
    return RunnableLambda(lambda text: text.upper()) | model | StrOutputParser()


@pytest.mark.parametrize("inline", [True, False])
def test_all_spans_of_a_trace_name_the_active_span(run: OfflineRun, inline: bool) -> None:
    handler = SageMakerCallbackHandler(run, run_inline=inline)
    config: Any = {"callbacks": [handler]}
    with TRACER.start_as_current_span("request") as outside:
        chain().invoke("hello", config)
        asyncio.run(chain().ainvoke("hello", config))
    handler.flush_tracker()
    assert traceparents(run) == [parent_of(outside)] * 8


def test_without_an_active_span_there_is_none(run: OfflineRun) -> None:
    handler = SageMakerCallbackHandler(run)
    chain().invoke("hello", {"callbacks": [handler]})
    handler.log_trace(Span("by hand"))
    handler.flush_tracker()
    assert traceparents(run) == [None] * 5


def test_metadata_of_another_service_go_before_the_active_span(run: OfflineRun) -> None:
    handler = SageMakerCallbackHandler(run)
    with TRACER.start_as_current_span("request"):
        chain().invoke("hello", {"callbacks": [handler], "metadata": {"traceparent": OUTSIDE}})
        handler.log_trace(Span("by hand", metadata={"traceparent": OUTSIDE}))
    handler.flush_tracker()
    assert traceparents(run) == [OUTSIDE] * 5


@pytest.mark.parametrize(
    "told",
    ["00-" + "0" * 32 + "-" + "cd" * 8 + "-01", OUTSIDE.upper(), OUTSIDE + "-more", "x", 7, None],
)
def test_what_is_no_traceparent_is_none(run: OfflineRun, told: Any) -> None:
    handler = SageMakerCallbackHandler(run)
    chain().invoke("hello", {"callbacks": [handler], "metadata": {"traceparent": told}})
    handler.flush_tracker()
    assert traceparents(run) == [None] * 4


def sent(run: OfflineRun, receiver: Receiver, backend: Any) -> dict[str, Any]:
    with SageMakerCallbackHandler(run, forward=[backend], forward_timeout=60) as handler:
        handler.log_trace(Span("root", children=[Span("step")], metadata={"traceparent": OUTSIDE}))
        handler.log_trace(Span("alone"))
    assert {len(times) for times in receiver.spans.values()} == {1}
    return {times[0].name: times[0] for times in receiver.spans.values()}


def test_a_backend_that_joins_has_the_root_below_the_span(run: OfflineRun) -> None:
    with otlp_receiver() as receiver:
        spans = sent(run, receiver, Otlp(receiver.endpoint, join=True))
    root, step, alone = spans["root"], spans["step"], spans["alone"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == ("ab" * 16, "cd" * 8)
    assert (step.trace_id, step.parent_span_id) == (root.trace_id, root.span_id)
    assert alone.trace_id != root.trace_id
    assert alone.parent_span_id == b""
    assert not root.links


def test_another_has_a_link_and_its_own_ids(run: OfflineRun) -> None:
    with otlp_receiver() as receiver:
        spans = sent(run, receiver, Otlp(receiver.endpoint))
    row = load_spans(run).set_index("name").loc["root"]
    root = spans["root"]
    assert root.trace_id.hex() == trace_id(row["trace_id"])
    assert root.span_id.hex() == span_id(row["span_id"])
    assert root.parent_span_id == b""
    (link,) = root.links
    assert (link.trace_id.hex(), link.span_id.hex()) == ("ab" * 16, "cd" * 8)
    assert not spans["step"].links
    assert not spans["alone"].links


def test_the_backend_of_the_environment_joins() -> None:
    assert otlp_from_environment().join
    assert not Otlp("http://localhost").join
    assert CloudWatch("eu-west-1", join=True).join


def test_a_broken_opentelemetry_changes_nothing(
    run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("half imported")

    monkeypatch.setattr(trace, "get_current_span", broken)
    handler = SageMakerCallbackHandler(run)
    chain().invoke("hello", {"callbacks": [handler]})
    assert not handler.flush_tracker().faults
    assert traceparents(run) == [None] * 4


def test_opentelemetry_is_not_imported_for_it(tmp_path: Path) -> None:
    code = """
import sys
from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, Span
handler = SageMakerCallbackHandler(OfflineRun(sys.argv[1], experiment_name="e", run_name="r"))
handler.log_trace(Span("root", metadata={"user": "u"}))
handler.flush_tracker()
assert "opentelemetry.trace" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
