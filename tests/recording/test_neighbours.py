"""The application and its other handlers see nothing of ours: random numbers, exits, LangGraph's
own callbacks.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    load_scores,
    load_spans,
    record_calls,
)
from langchain_sagemaker_experiments._recording.ids import new_id
from support.recording import Recording


def test_a_seeded_application_gets_the_same_numbers(recording: Any) -> None:
    def work(config: Any) -> list[float]:
        random.seed(42)
        for _ in range(3):
            with recording.handler.span("by hand"):
                RunnableLambda(lambda value: value).invoke(1, config)
        return [random.random() for _ in range(3)]

    assert work(recording.config) == work({})
    recording.handler.flush_tracker()


def test_workers_with_one_seed_have_ids_of_their_own() -> None:
    code = (
        "import random; random.seed(42)\n"
        "from langchain_sagemaker_experiments._recording.ids import new_id\n"
        "print([str(new_id()) for _ in range(5)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(said) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_forked_children_have_ids_of_their_own() -> None:
    ids = {new_id()}
    for _ in range(3):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, new_id().bytes)
            os._exit(0)
        os.wait()
        ids.add(os.read(reader, 16))  # type: ignore[arg-type]
    assert len(ids) == 4


class Exits:
    """An object whose own code ends programs."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exit_in_a_recorded_object_stays_there(recording: Any, error: Any) -> None:
    value = Exits(error)
    assert RunnableLambda(lambda x: x).invoke({"v": value}, recording.config) == {"v": value}
    with recording.handler.span("s", inputs={"v": value}) as span:
        span.set_attribute("a", value)
        span.add_event("e", value)
    records = recording.records()
    assert len(records) == 2
    assert error.__name__ in str(records[0]["inputs"])


def test_a_signal_for_the_application_reaches_it_from_within_our_code() -> None:
    code = """
        import os, signal, sys
        from langchain_sagemaker_experiments._encoding.any_value import safe_repr
        class Slow:
            def __repr__(self):
                os.kill(os.getpid(), signal.{name})
                return "after"
        def leave(number, frame):
            sys.exit(7)
        if "{name}" == "SIGTERM":
            signal.signal(signal.SIGTERM, leave)
        safe_repr(Slow())
        print("went on")
    """
    for name, code_of in (("SIGTERM", 7), ("SIGINT", -signal.SIGINT)):
        program = textwrap.dedent(code.replace("{name}", name))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert "went on" not in done.stdout, name
        assert done.returncode == code_of, done.stderr


# --- LangGraph's own callbacks --------------------------------------------------------------------
def asks_a_human() -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [("ai", str(interrupt("sure?")))]})
    graph.add_node("act", lambda state: {"messages": [("ai", "done")]})
    graph.add_edge(START, "ask").add_edge("ask", "act").add_edge("act", END)
    return graph


def events_of(records: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for r in records for event in r["events"] if event["name"] == name]


def test_a_graph_that_goes_on_says_so(recording: Any) -> None:
    graph = asks_a_human().compile(checkpointer=InMemorySaver())
    config = {**recording.config, "configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [("user", "x")]}, config)
    paused = recording.records()
    assert events_of(paused, "interrupt")
    assert not events_of(paused, "resume")
    graph.invoke(Command(resume="yes"), config)
    (resume,) = events_of(recording.records(), "resume")
    assert "checkpoint_id" in resume["attributes"]


def test_a_graph_at_a_static_breakpoint_is_interrupted(recording: Any) -> None:
    graph = asks_a_human().compile(checkpointer=InMemorySaver(), interrupt_before=["ask"])
    config = {**recording.config, "configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [("user", "x")]}, config)
    root = next(r for r in recording.records() if r["parent_span_id"] is None)
    assert root["status"] == "interrupted"


def test_under_record_calls_a_resumed_graph_is_known_by_its_inputs() -> None:
    graph = asks_a_human().compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    sink = Recording()
    with record_calls(sink):
        graph.invoke({"messages": [("user", "x")]}, config)
        graph.invoke(Command(resume="yes"), config)
    roots = [line for line in sink.raw_lines() if line["parent_span_id"] is None]
    assert [bool(events_of([root], "resume")) for root in roots] == [False, True]


def test_an_application_that_fixes_uuid4_and_the_clock_loses_nothing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests of applications patch `uuid.uuid4` and `time`: names and ids of ours use neither."""
    import time
    import uuid

    fixed = uuid.UUID(int=1)
    calls: list[int] = []

    def uuid4() -> uuid.UUID:
        calls.append(1)
        return fixed

    monkeypatch.setattr(uuid, "uuid4", uuid4)
    monkeypatch.setattr(time, "time_ns", lambda: 1_790_000_000_000_000_000)
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    for _ in range(3):
        handler = SageMakerCallbackHandler(run, durable=True)
        for name in ("a", "b"):
            trace = handler.log_trace(Span(name))
            handler.log_score(trace, key="k", score=1)
            handler.flush_tracker()
    assert calls == []
    assert len(load_spans(run)) == 6
    assert len(load_scores(run)) == 6
