"""One handler, many threads and tasks: every span once, under its own parent; nothing stays
open.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from langchain_sagemaker_experiments import record_calls
from support.inside import open_spans


def pipeline() -> Any:
    return (
        ChatPromptTemplate.from_template("about {topic}")
        | FakeListChatModel(responses=["fine"])
        | StrOutputParser()
        | RunnableLambda(lambda text: text.upper())
    ).with_config(run_name="pipeline")


STEPS = ["ChatPromptTemplate", "FakeListChatModel", "RunnableLambda", "StrOutputParser"]


def check(records: list[dict[str, Any]], calls: int) -> None:
    """Every call is a tree of its own: its topic all the way down, and each span once."""
    assert len(records) == calls * 5
    assert len({record["span_id"] for record in records}) == calls * 5
    children: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        children.setdefault(record["parent_span_id"], []).append(record)
    roots = children[None]  # type: ignore[index]
    assert len(roots) == calls
    assert len({root["inputs"]["topic"] for root in roots}) == calls
    for root in roots:
        mine = children[root["span_id"]]
        assert sorted(child["name"] for child in mine) == STEPS
        assert {child["trace_id"] for child in mine} == {root["trace_id"]}
        (prompt,) = [child for child in mine if child["kind"] == "prompt"]
        assert prompt["outputs"]["messages"][0]["content"] == f"about {root['inputs']['topic']}"


def test_64_threads_share_a_handler(recording: Any) -> None:
    chain = pipeline()
    barrier = threading.Barrier(64)

    def work(thread: int) -> None:
        barrier.wait()
        for number in range(10):
            chain.invoke({"topic": f"{thread}-{number}"}, recording.config)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(work, range(64)))
    assert recording.handler.open_spans == 0
    check(recording.records(), 640)


def test_1000_tasks_share_a_handler(recording: Any) -> None:
    chain = pipeline()

    async def run() -> None:
        await asyncio.gather(
            *(chain.ainvoke({"topic": str(number)}, recording.config) for number in range(1000))
        )

    asyncio.run(run())
    assert recording.handler.open_spans == 0
    check(recording.records(), 1000)


def test_async_events_are_handled_in_place_not_in_other_threads(
    recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    inside = open_spans(recording.handler)
    sink = inside.sink
    monkeypatch.setattr(
        inside, "sink", lambda span: (threads.add(threading.get_ident()), sink(span))
    )
    asyncio.run(FakeListChatModel(responses=["x"]).ainvoke("q", recording.config))
    assert threads == {threading.get_ident()}


def test_flushes_while_others_record_lose_nothing(recording: Any) -> None:
    chain = pipeline()
    stop = threading.Event()

    def flush() -> None:
        while not stop.is_set():
            recording.handler.flush_tracker()

    flusher = threading.Thread(target=flush)
    flusher.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: chain.invoke({"topic": str(n)}, recording.config), range(400)))
    stop.set()
    flusher.join()
    assert len(recording.parts) > 1
    check(recording.records(), 400)


def test_100_000_calls_of_which_a_third_fail_leave_nothing_open(recording: Any) -> None:
    """Calls end well, fail, are abandoned in mid-stream, or are cancelled, in turn."""

    def boom(value: Any) -> Any:
        raise ValueError("boom")

    good = RunnableLambda(lambda value: value).with_config(run_name="good")
    bad = RunnableLambda(boom).with_config(run_name="bad")
    handler = recording.handler
    seen: Counter[str] = Counter()
    written = 0

    async def forever(value: Any) -> None:
        await asyncio.Event().wait()

    waiting = RunnableLambda(forever).with_config(run_name="cancelled")

    async def cancelled(count: int) -> None:
        tasks = [asyncio.create_task(waiting.ainvoke(1, recording.config)) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    calls = 0
    model = GenericFakeChatModel(messages=iter(lambda: AIMessage("a b c"), None))
    for batch in range(100):
        for _ in range(667):
            good.invoke(1, recording.config)
        for _ in range(233):
            with pytest.raises(ValueError, match="boom"):
                bad.invoke(1, recording.config)
        for _ in range(50):
            stream = model.stream("q", recording.config)
            next(stream)
            stream.close()
        asyncio.run(cancelled(50))
        calls += 1000
        if batch % 20 == 19:
            written += handler.flush_tracker().spans
    assert calls == 100_000
    assert handler.open_spans == 0
    for line in recording.raw_lines():
        seen[line["status"]] += 1
    assert written == 100_000
    assert seen == {"ok": 66_700, "error": 23_300, "cancelled": 10_000}
    # What the recorder remembers of ended spans is bounded, whatever the number of calls.
    inside = open_spans(handler)
    assert len(inside._ended) <= 2 * 20_001
    assert not inside._shadowed


def test_record_calls_sees_threads_and_tasks_started_inside() -> None:
    from support.recording import Recording

    sink = Recording()
    chain = pipeline()

    async def several() -> None:
        await asyncio.gather(*(chain.ainvoke({"topic": f"task-{n}"}) for n in range(5)))

    with record_calls(sink):
        chain.invoke({"topic": "here"})
        asyncio.run(several())
        threads = [
            threading.Thread(target=chain.invoke, args=({"topic": f"thread-{n}"},))
            for n in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    chain.invoke({"topic": "outside"})
    check(sink.records(), 11)


def test_record_calls_nests_and_does_not_double_a_handler_that_is_passed_too() -> None:
    from support.recording import Recording

    outer, inner = Recording(), Recording()
    chain = pipeline()
    with record_calls(outer) as handler:
        chain.invoke({"topic": "1"}, {"callbacks": [handler]})
        with record_calls(inner):
            chain.invoke({"topic": "2"})
        chain.invoke({"topic": "3"})
    check(outer.records(), 2)
    check(inner.records(), 1)
