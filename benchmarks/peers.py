"""The handlers that are compared: what each is made of, what empties it between rounds, what tells
how many spans it recorded.

A peer takes part where it is installed (the extra `bench` installs all). None of them reaches a
network: their exporters write to memory or to a file, their uploads end on this machine.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from listener import count, listener

from langchain_sagemaker_experiments import SageMakerCallbackHandler


@dataclass
class Peer:
    """One handler in the race.

    Attributes:
        package: the distribution whose version is stated.
        handler: what is passed to LangChain.
        empty: called between rounds, outside the time.
        recorded: spans recorded so far; None where it can't be told or the handler is known to lose
            some.
        rounds: rounds it takes part in, of a work: fewer where emptying it takes long.
    """

    package: str
    handler: Any
    empty: Callable[[], object]
    recorded: Callable[[], int | None]
    rounds: int = 1_000


class DoesNothing(BaseCallbackHandler):
    """The floor."""


for _name in dir(BaseCallbackHandler):
    if _name.startswith("on_"):
        setattr(DoesNothing, _name, lambda self, *args, **kwargs: None)


class Sink:
    """A run that counts the spans it is given."""

    def __init__(self) -> None:
        self.spans = 0

    def log_file(self, file_path: str) -> None:
        """Count lines."""
        self.spans += Path(file_path).read_bytes().count(b"\n")


def this_package() -> Peer:
    """Ours, flushed between rounds."""
    sink = Sink()
    handler = SageMakerCallbackHandler(sink)
    return Peer(
        "langchain-sagemaker-experiments", handler, handler.flush_tracker, lambda: sink.spans
    )


def run_collector() -> Peer:
    """LangChain's own, which keeps the objects themselves and serializes nothing."""
    handler = RunCollectorCallbackHandler()
    collected = [0]

    def empty() -> None:
        waiting = list(handler.traced_runs)
        while waiting:
            run = waiting.pop()
            collected[0] += 1
            waiting.extend(run.child_runs)
        handler.traced_runs.clear()

    return Peer("langchain-core", handler, empty, lambda: collected[0])


def community() -> Peer:
    """The handler of the "SageMaker Tracking" page, its uploads stubbed out; it loses most
    events.
    """
    from langchain_community.callbacks.sagemaker_callback import (
        SageMakerCallbackHandler as Community,
    )

    class Run:
        def log_file(self, *args: Any, **options: Any) -> None:
            pass

        log_parameters = log_metric = log_artifact = log_file

    logging.getLogger("langchain_core.callbacks.manager").setLevel(logging.CRITICAL)
    return Peer("langchain-community", Community(Run()), lambda: None, lambda: None)


def openinference() -> Peer:
    """OpenInference's tracer, exporting to memory."""
    from openinference.instrumentation.langchain._tracer import OpenInferenceTracer
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider, counted = InMemorySpanExporter(), TracerProvider(), [0]
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=1_000_000))

    def empty() -> None:
        provider.force_flush()
        counted[0] += len(exporter.get_finished_spans())
        exporter.clear()

    return Peer(
        "openinference-instrumentation-langchain",
        OpenInferenceTracer(provider.get_tracer("x"), False),
        empty,
        lambda: counted[0],
    )


def langfuse() -> Peer:
    """Langfuse's handler, exporting to memory."""
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, counted = InMemorySpanExporter(), [0]
    client = Langfuse(
        public_key="pk-none",
        secret_key="sk-none",
        base_url="http://127.0.0.1:9",
        span_exporter=exporter,
        tracer_provider=TracerProvider(),
        media_upload_thread_count=1,
    )

    def empty() -> None:
        client.flush()
        counted[0] += len(exporter.get_finished_spans())
        exporter.clear()

    return Peer("langfuse", CallbackHandler(public_key="pk-none"), empty, lambda: counted[0])


def langsmith() -> Peer:
    """LangSmith's tracer; its uploads end in an adapter that says yes."""
    import requests
    from langchain_core.tracers import LangChainTracer
    from langsmith import Client

    class Yes(requests.adapters.BaseAdapter):
        def send(self, request: Any, **options: Any) -> requests.Response:
            answer = requests.Response()
            answer.status_code, answer._content, answer.request, answer.url = (
                202,
                b"{}",
                request,
                request.url,
            )
            return answer

        def close(self) -> None:
            pass

    counted = [0]

    class Counting(Client):
        def create_run(self, *args: Any, **options: Any) -> None:
            counted[0] += 1
            super().create_run(*args, **options)

    logging.getLogger("langsmith").setLevel(logging.CRITICAL)
    session = requests.Session()
    client = Counting(api_url="http://127.0.0.1:9", api_key="none", session=session, info={})
    session.adapters.clear()
    session.mount("http://", Yes())
    return Peer("langsmith", LangChainTracer(client=client), client.flush, lambda: counted[0])


def traceloop() -> Peer:
    """OpenLLMetry's handler, exporting to memory."""
    from opentelemetry.instrumentation.langchain.callback_handler import TraceloopCallbackHandler
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider, counted = InMemorySpanExporter(), TracerProvider(), [0]
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=1_000_000))
    meter = NoOpMeterProvider().get_meter("x")
    handler = TraceloopCallbackHandler(
        provider.get_tracer("x"),
        meter.create_histogram("duration"),
        meter.create_histogram("tokens"),
    )

    def empty() -> None:
        provider.force_flush()
        counted[0] += len(exporter.get_finished_spans())
        exporter.clear()

    return Peer("opentelemetry-instrumentation-langchain", handler, empty, lambda: counted[0])


def opik() -> Peer:
    """Opik's tracer; its client sends to a server on this machine that says yes."""
    address = _until_the_end.enter_context(listener())
    os.environ.update(
        OPIK_URL_OVERRIDE=f"{address}/api",
        OPIK_SENTRY_ENABLE="false",
        OPIK_ANALYTICS_ENABLE="false",
        OPIK_CONSOLE_LOGGING_LEVEL="CRITICAL",
    )
    from opik.integrations.langchain import OpikTracer

    handler = OpikTracer(project_name="benchmark")
    return Peer("opik", handler, handler.flush, lambda: count(address), 8)


def mlflow() -> Peer:
    """MLflow's tracer, logging in the background to SQLite; it drops what its queue can't hold."""
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ENABLE_ASYNC_TRACE_LOGGING="true")
    import mlflow as package
    from mlflow.langchain.langchain_tracer import MlflowLangchainTracer

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.CRITICAL)
    folder = Path(_until_the_end.enter_context(tempfile.TemporaryDirectory()))
    database = folder / "traces.db"
    package.set_tracking_uri(f"sqlite:///{database}")
    package.create_experiment("benchmark", artifact_location=(folder / "artifacts").as_uri())
    package.set_experiment("benchmark")

    def recorded() -> int:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return int(connection.execute("select count(*) from spans").fetchone()[0])

    return Peer(
        "mlflow",
        MlflowLangchainTracer(),
        lambda: package.flush_trace_async_logging(terminate=False),
        recorded,
        4,
    )


_until_the_end = contextlib.ExitStack()
atexit.register(_until_the_end.close)

MAKERS: dict[str, Callable[[], Peer]] = {
    "this package": this_package,
    "RunCollector": run_collector,
    "community": community,
    "openinference": openinference,
    "langfuse": langfuse,
    "langsmith": langsmith,
    "traceloop": traceloop,
    "opik": opik,
    "mlflow": mlflow,
}


def taking_part(*names: str) -> dict[str, Peer]:
    """Each handler that is installed, or those named, the floor first."""
    peers = {"does nothing": Peer("langchain-core", DoesNothing(), lambda: None, lambda: None)}
    for name, make in MAKERS.items():
        if names and name not in names:
            continue
        with contextlib.suppress(ImportError):
            peers[name] = make()
    return peers
