"""Spans by hand: blocks, decorated functions and generators, trees; nested with LangChain in either
direction.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda

from langchain_sagemaker_experiments import SageMakerCallbackHandler, Span, load_spans, trace_table
from langchain_sagemaker_experiments._delivery.record_writer import RecordWriter
from langchain_sagemaker_experiments._delivery.run_summary import Summary
from langchain_sagemaker_experiments._masking.masking import Masker
from langchain_sagemaker_experiments._recording.ids import new_id
from langchain_sagemaker_experiments._recording.live_span import LiveSpan

MODEL = ("chat_model", "FakeListChatModel", "ok", [])


def model() -> FakeListChatModel:
    return FakeListChatModel(responses=["x"])


def test_langchain_calls_inside_a_span_are_its_children(recording: Any) -> None:
    with recording.handler.span(
        "outer", kind="AGENT", inputs={"q": 1}, tags=["t"], metadata={"session_id": "s"}
    ) as span:
        model().invoke("q", recording.config)
        with recording.handler.span("inner", kind="tool"):
            model().invoke("q", recording.config)
        span.set_outputs({"a": 2})
        span.set_attribute("score", 0.5)
        span.add_event("checked", {"ok": True})
    assert recording.tree() == [("agent", "outer", "ok", [MODEL, ("tool", "inner", "ok", [MODEL])])]
    outer = recording.one(name="outer")
    assert (outer["inputs"], outer["outputs"], outer["tags"], outer["session_id"]) == (
        {"q": 1},
        {"a": 2},
        ["t"],
        "s",
    )
    assert outer["attributes"]["score"] == 0.5
    assert outer["events"][0]["attributes"] == {"ok": True}
    assert outer["span_id"] == span.span_id


def test_a_span_inside_a_langchain_run_is_its_child(recording: Any) -> None:
    def work(value: str) -> str:
        with recording.handler.span("by hand", kind="tool"):
            return str(model().invoke(value).content)

    RunnableLambda(work).invoke("q", recording.config)
    assert recording.tree() == [("chain", "work", "ok", [("tool", "by hand", "ok", [MODEL])])]


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="before Python 3.11 LangChain tells async code not which run it is in",
)
def test_a_span_between_langchain_runs_goes_in_between_in_async_code_too(recording: Any) -> None:
    async def work(value: str, config: Any) -> str:
        async with recording.handler.span("by hand"):
            return str((await model().ainvoke(value, config)).content)

    async def run() -> None:
        async with recording.handler.span("outermost", kind="chain"):
            await asyncio.gather(
                *(RunnableLambda(work).ainvoke(str(n), recording.config) for n in range(3))
            )

    asyncio.run(run())
    one = ("chain", "work", "ok", [("custom", "by hand", "ok", [MODEL])])
    assert recording.tree() == [("chain", "outermost", "ok", [one, one, one])]


def test_decorated_functions(recording: Any) -> None:
    @recording.handler.traced
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    @recording.handler.traced(name="renamed", kind="tool")
    async def aadd(a: int, *rest: int) -> int:
        return add(a) + sum(rest)

    class Worker:
        @recording.handler.traced
        def method(self, value: str) -> str:
            return value.upper()

    assert add(1) == 3
    assert add.__doc__ == "Add."
    assert asyncio.run(aadd(1, 2, 3)) == 8
    assert Worker().method("x") == "X"
    assert recording.tree("inputs", "outputs") == [
        ("custom", "add", "ok", {"a": 1}, 3, []),
        (
            "tool",
            "renamed",
            "ok",
            {"a": 1, "rest": [2, 3]},
            8,
            [("custom", "add", "ok", {"a": 1}, 3, [])],
        ),
        ("custom", "method", "ok", {"value": "x"}, "X", []),
    ]


def test_decorated_functions_that_raise_or_are_called_wrongly(recording: Any) -> None:
    @recording.handler.trace
    def picky(a: int) -> int:
        raise ValueError(f"not {a}")

    with pytest.raises(ValueError, match="not 1"):
        picky(1)
    with pytest.raises(TypeError):
        picky(1, 2)  # type: ignore[call-arg]
    first, second = recording.records()
    assert (first["status"], first["error"]["message"]) == ("error", "not 1")
    assert (second["status"], second["inputs"]) == ("error", {"args": [1, 2], "kwargs": {}})


def test_decorated_generators(recording: Any) -> None:
    @recording.handler.traced
    def count(n: int) -> Iterator[int]:
        for i in range(n):
            model().invoke("q", recording.config)
            got = yield i
            if got:
                yield got
        return "done"

    @recording.handler.trace(kind="chain")
    async def acount(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    generator = count(2)
    assert next(generator) == 0
    # What the reader does between two steps is not part of the generator.
    model().invoke("outside", recording.config)
    assert generator.send(10) == 10
    assert list(generator) == [1]

    async def run() -> list[int]:
        return [i async for i in acount(3)]

    assert asyncio.run(run()) == [0, 1, 2]
    trees = recording.tree("outputs")
    assert trees[0][:4] == ("custom", "count", "ok", {"yielded": [0, 10, 1], "returned": "done"})
    assert len(trees[0][4]) == 2
    assert trees[1][1] == "FakeListChatModel"
    assert trees[2] == ("chain", "acount", "ok", [0, 1, 2], [])


def test_generators_closed_early_are_cancelled_and_failing_ones_failed(recording: Any) -> None:
    @recording.handler.traced
    def forever() -> Iterator[int]:
        n = 0
        while True:
            try:
                yield n
            except KeyError:
                yield -1
            n += 1

    @recording.handler.traced
    async def aforever() -> AsyncIterator[int]:
        while True:
            yield 1

    @recording.handler.traced
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    generator = forever()
    assert (next(generator), generator.throw(KeyError("k")), next(generator)) == (0, -1, 1)
    generator.close()

    async def run() -> None:
        stream = aforever()
        await stream.__anext__()
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    with pytest.raises(ValueError, match="broken"):
        list(broken())
    statuses = {
        record["name"]: (record["status"], record["outputs"]) for record in recording.records()
    }
    assert statuses == {
        "forever": ("cancelled", [0, -1, 1]),
        "aforever": ("cancelled", [1]),
        "broken": ("error", [1]),
    }
    assert recording.handler.open_spans == 0


def test_a_tree_built_by_hand(recording: Any) -> None:
    start = datetime.datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=datetime.timezone.utc)
    root = Span("agent", kind="AGENT", start_time=start, metadata={"session_id": "s"}, tags=["t"])
    tool = root.add_child(
        Span("tool", kind="tool", start_time=start.timestamp() + 1, end_time=start.timestamp() + 2)
    )
    chain = Span(
        "chain",
        children=[Span("llm", kind="llm", error=ValueError("bad"), start_time=start)],
        start_time=start,
    )
    root.add_child(chain)
    tool.add_named_result({"input": "q"}, {"response": "r"})
    root.add_named_result({"user": "hi"}, {"response": 1}).add_named_result({"more": 2}, {})
    failed = root.add_child(
        Span(
            "failed", error="just text", attributes={"gen_ai.tool.name": "x"}, start_time=start
        ).end(start)
    )
    trace_id = recording.handler.log_trace(root)
    children = [
        ("chain", "chain", "ok", [("llm", "llm", "error", [])]),
        ("chain", "failed", "error", []),
        ("tool", "tool", "ok", []),
    ]
    assert [(*tree[:3], sorted(tree[3], key=lambda c: c[1])) for tree in recording.tree()] == [
        ("agent", "agent", "ok", children)
    ]
    record = recording.one(name="agent")
    assert record["trace_id"] == record["span_id"] == trace_id
    assert (record["inputs"], record["outputs"]) == ({"user": "hi", "more": 2}, {"response": 1})
    assert (record["start_time"], record["end_time"]) == (
        "2026-01-01T12:00:00.123456Z",
        "2026-01-01T12:00:02.123456Z",
    )
    assert recording.one(name="tool")["duration_ms"] == 1000.0
    assert recording.one(name="llm")["error"]["type"] == "ValueError"
    assert recording.one(name="failed")["error"]["message"] == "just text"
    assert (failed.status, repr(root)) == ("error", "Span('agent', kind='agent', children=3)")


def test_a_tree_logged_inside_a_langchain_run_lies_in_it(recording: Any) -> None:
    RunnableLambda(lambda value: recording.handler.log_trace(Span("tree", kind="tool"))).invoke(
        1, recording.config
    )
    ((_, name, _, children),) = recording.tree()
    assert (name, children) == ("RunnableLambda", [("tool", "tree", "ok", [])])


def test_a_tree_walks_through_itself_and_all_below() -> None:
    root = Span("root")
    child = root.add_child(Span("child"))
    child.add_child(Span("grandchild"))
    root.add_child(Span("second"))
    assert [span.name for span in root.walk()] == ["root", "child", "grandchild", "second"]


UNFIT = [
    float("nan"),
    None,
    True,
    -1,
    2**60,
    10**30,
    10**5_000,
    "many",
    ["a", 1],
    {"a": 1},
    object(),
    b"bytes",
]
ASKED = (
    "gen_ai.usage.input_tokens",
    "gen_ai.request.model",
    "gen_ai.request.seed",
    "gen_ai.response.time_to_first_chunk",
)


def test_whatever_attributes_spans_are_given_they_reach_the_run_and_are_read(open_run: Any) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for value in UNFIT:
            with handler.span("call", kind="chat_model") as span:
                for name in (*ASKED, 5):
                    span.set_attribute(name, value)  # type: ignore[arg-type]
        handler.log_trace(Span("tree", "llm", attributes={name: {1, 2} for name in ASKED}))
        written = handler.flush_tracker()
        assert (written.spans, written.faults) == (len(UNFIT) + 1, {})
        assert written.metrics["input_tokens"] == 0
        assert str(2**60) in written.parameters.values()
    spans = load_spans(run)
    assert len(spans) == len(trace_table(spans)) == len(UNFIT) + 1
    assert (
        spans["attributes"].map(lambda found: found["gen_ai.request.model"]).tolist()[5]
        == "<int 1" + "0" * 30 + ">"
    )


def test_figures_that_fail_cost_no_record() -> None:
    def fail(attributes: Any) -> Any:
        raise ValueError("no settings")

    writer = RecordWriter(Summary(fail), Masker())
    span = LiveSpan(new_id(), new_id(), new_id(), None, "llm", "call", 1, 1)
    span.end_ns = 2
    span.attributes = {"gen_ai.request.model": "m"}
    assert json.loads(writer.line(span, Summary(fail)))["name"] == "call"
    assert writer.faults == {"figures of a llm span: ValueError: no settings": 1}


def test_an_attribute_is_taken_when_it_is_set(recording: Any) -> None:
    documents = ["one"]
    with recording.handler.span("rank") as span:
        span.set_attribute("documents", documents)
        documents.append("two")
    assert recording.one(name="rank")["attributes"]["documents"] == ["one"]
