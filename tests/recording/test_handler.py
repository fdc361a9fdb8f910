"""The handler's own ways: every callback of langchain-core, odd orders of events, faults that stay
inside, the numbers of a Run.
"""

from __future__ import annotations

import copy
import logging
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation, LLMResult
from langchain_core.runnables import RunnableLambda

from langchain_sagemaker_experiments import SageMakerCallbackHandler
from langchain_sagemaker_experiments._recording.langchain_events import LangChainEvents
from support.inside import faults, open_spans

RESULT = LLMResult(generations=[[Generation(text="text")]])


def test_every_callback_of_the_installed_langchain_core_is_named() -> None:
    known = {
        name
        for base in (BaseCallbackHandler, AsyncCallbackHandler)
        for name in dir(base)
        if name.startswith("on_")
    }
    assert len(known) >= 17
    named = {name for name in vars(LangChainEvents) if name.startswith("on_")}
    assert known - named == set(), "langchain-core has callbacks this handler does not name"
    assert (
        {"on_interrupt", "on_resume"}
        <= named - known
        <= {"on_interrupt", "on_resume", "on_stream_event"}
    )  # by version


def test_every_ignore_flag_of_the_base_is_off() -> None:
    flags = [name for name in dir(BaseCallbackHandler) if name.startswith("ignore_")]
    assert flags
    assert not any(getattr(SageMakerCallbackHandler(), flag) for flag in flags)


def test_callbacks_nobody_knows_yet_become_events(
    recording: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_core.callbacks.manager import handle_event

    from langchain_sagemaker_experiments._recording.langchain_events import _accept_new_callbacks

    monkeypatch.setattr(
        BaseCallbackHandler, "on_something_new", lambda self, **kwargs: None, raising=False
    )
    _accept_new_callbacks()
    run_id = uuid.uuid4()
    recording.handler.on_chain_start({}, {"a": 1}, run_id=run_id)
    handle_event([recording.handler], "on_something_new", None, {"x": 1}, run_id=run_id)
    handle_event(
        [recording.handler], "on_interrupt", None, SimpleNamespace(run_id=run_id, interrupts=("q",))
    )
    handle_event([recording.handler], "on_resume", None, SimpleNamespace(run_id=None))
    recording.handler.on_chain_end({}, run_id=run_id)
    (record,) = recording.records()
    assert [event["name"] for event in record["events"]] == ["on_something_new", "interrupt"]
    assert caplog.records == []
    del LangChainEvents.on_something_new  # type: ignore[attr-defined]


def test_the_same_run_id_twice_is_two_spans(recording: Any) -> None:
    run_id = uuid.uuid4()
    for number in range(2):
        RunnableLambda(lambda value: value).invoke(number, {**recording.config, "run_id": run_id})
    first, second = recording.records()
    assert (first["inputs"], second["inputs"]) == (0, 1)
    assert first["span_id"] == str(run_id) == second["attributes"]["langchain.run_id"]
    assert second["span_id"] != str(run_id)
    assert first["trace_id"] != second["trace_id"]


def test_the_same_run_id_twice_at_a_time_ends_the_inner_one_first(recording: Any) -> None:
    handler, run_id, child = recording.handler, uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({"name": "outer"}, 1, run_id=run_id)
    handler.on_chain_start({"name": "inner"}, 2, run_id=run_id)
    handler.on_tool_start({"name": "tool"}, "x", run_id=child, parent_run_id=run_id)
    handler.on_tool_end("y", run_id=child)
    handler.on_chain_end("inner", run_id=run_id)
    handler.on_chain_end("outer", run_id=run_id)
    assert handler.open_spans == 0
    outputs = {record["name"]: record["outputs"] for record in recording.records()}
    assert outputs == {"outer": "outer", "inner": "inner", "tool": "y"}
    assert recording.one(name="tool")["parent_span_id"] == recording.one(name="inner")["span_id"]


def test_children_of_a_parent_nobody_saw_share_a_trace(recording: Any) -> None:
    handler, parent = recording.handler, uuid.uuid4()
    for _ in range(2):
        run_id = uuid.uuid4()
        handler.on_llm_start({}, ["p"], run_id=run_id, parent_run_id=parent)
        handler.on_llm_end(RESULT, run_id=run_id)
    assert {record["trace_id"] for record in recording.records()} == {str(parent)}
    assert {record["parent_span_id"] for record in recording.records()} == {str(parent)}


def test_children_that_start_after_their_parent_ended_stay_in_its_trace(recording: Any) -> None:
    handler, parent, child, grandchild = recording.handler, uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({"name": "parent"}, 1, run_id=parent)
    handler.on_chain_end(1, run_id=parent)
    handler.on_chain_start({"name": "child"}, 1, run_id=child, parent_run_id=parent)
    handler.on_tool_start({"name": "grandchild"}, "1", run_id=grandchild, parent_run_id=child)
    handler.on_chain_end(1, run_id=child)
    handler.on_tool_end(1, run_id=grandchild)
    assert recording.tree() == [
        ("chain", "parent", "ok", [("chain", "child", "ok", [("tool", "grandchild", "ok", [])])])
    ]
    assert {record["trace_id"] for record in recording.records()} == {str(parent)}


def test_two_ends_of_one_run_count_once(recording: Any) -> None:
    handler, run_id = recording.handler, uuid.uuid4()
    handler.on_chain_start({}, {"in": 1}, run_id=run_id)
    handler.on_chain_error(ValueError("first"), run_id=run_id)
    handler.on_chain_error(ValueError("second"), run_id=run_id)
    (record,) = recording.records()
    assert (record["inputs"], record["error"]["message"]) == ({"in": 1}, "first")
    assert recording.metrics["errors"] == 1


def test_spans_that_never_end_are_closed_after_the_bound(make_recording: Any) -> None:
    recording = make_recording(abandoned_after=0.0)
    handler, root, child = recording.handler, uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({"name": "root"}, 1, run_id=root)
    handler.on_llm_start({"name": "model"}, ["p"], run_id=child, parent_run_id=root)
    handler.on_chain_end(None, run_id=root)
    record = recording.one(name="model")
    assert (record["status"], record["attributes"]["langchain.closed_because"]) == (
        "cancelled",
        "never ended",
    )
    assert handler.open_spans == 0
    # Its end may come after all: then that is what is read.
    handler.on_llm_end(RESULT, run_id=child, parent_run_id=root)
    record = recording.one(name="model")
    assert (record["status"], record["inputs"]) == ("ok", {"prompts": ["p"]})
    assert record["outputs"]["generations"][0][0]["text"] == "text"


def test_open_spans_are_bounded_in_number(make_recording: Any) -> None:
    recording = make_recording(max_open_spans=10)
    for number in range(25):
        recording.handler.on_chain_start({"name": f"c{number}"}, number, run_id=uuid.uuid4())
    assert recording.handler.open_spans == 10
    statuses = [record["status"] for record in recording.records()]
    assert (statuses.count("cancelled"), statuses.count("running")) == (15, 10)


def test_sampling_keeps_traces_whole(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.5)
    chain = RunnableLambda(lambda value: value) | FakeListChatModel(responses=["x"])
    for _ in range(200):
        chain.invoke("q", recording.config)
    records = recording.records()
    assert 0.3 * 600 < len(records) < 0.7 * 600
    sizes = {}
    for record in records:
        sizes[record["trace_id"]] = sizes.get(record["trace_id"], 0) + 1
    assert set(sizes.values()) == {3}
    nothing = make_recording(sample_rate=0.0)
    chain.invoke("q", nothing.config)
    assert nothing.records() == []


class Hostile:
    """Raises wherever it is touched."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


def test_hostile_values_are_marked_and_do_no_harm(recording: Any) -> None:
    hostile = Hostile()
    assert (
        RunnableLambda(lambda value: value).invoke(
            {"hostile": hostile, "fine": 1}, recording.config
        )["hostile"]
        is hostile
    )
    record = recording.one(kind="chain")
    assert record["inputs"]["fine"] == 1
    assert "Hostile" in record["inputs"]["hostile"]


def test_a_fault_of_ours_is_counted_logged_once_and_reported(
    recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = recording.handler
    monkeypatch.setattr(open_spans(handler), "start", lambda *_: 1 / 0)
    logger = logging.getLogger("langchain_sagemaker_experiments")
    seen: list[logging.LogRecord] = []
    monkeypatch.setattr(logger, "handle", seen.append)
    for _ in range(5):
        assert RunnableLambda(lambda value: value + 1).invoke(1, recording.config) == 2
    result = handler.flush_tracker()
    assert {what: count for what, count in result.faults.items() if "on_chain_start" in what} == {
        "on_chain_start: ZeroDivisionError: division by zero": 5
    }
    assert len(seen) == 2  # one for the starts, one for the ends
    assert handler.flush_tracker().faults == {}


class _Broken:
    """Fails at whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("broken")


CALLS: dict[str, tuple[Any, ...]] = {
    "on_chain_start": ({}, {"a": 1}),
    "on_chain_end": ({"a": 1},),
    "on_chain_error": (ValueError("no"),),
    "on_llm_start": ({}, ["prompt"]),
    "on_chat_model_start": ({}, [[HumanMessage("hello")]]),
    "on_llm_new_token": ("token",),
    "on_stream_event": ({"event": "content-block-delta"},),
    "on_llm_end": (LLMResult(generations=[]),),
    "on_llm_error": (ValueError("no"),),
    "on_tool_start": ({}, "input"),
    "on_tool_end": ("output",),
    "on_tool_error": (ValueError("no"),),
    "on_retriever_start": ({}, "query"),
    "on_retriever_end": ([],),
    "on_retriever_error": (ValueError("no"),),
    "on_agent_action": (AgentAction("tool", "input", "log"),),
    "on_agent_finish": (AgentFinish({}, "log"),),
    "on_text": ("text",),
    "on_retry": (None,),
    "on_custom_event": ("name", {}),
    "on_interrupt": (None,),
    "on_resume": (None,),
}


@pytest.mark.parametrize(
    "callback", sorted({name for name in dir(SageMakerCallbackHandler) if name.startswith("on_")})
)
def test_a_fault_in_any_callback_is_counted_not_raised(
    callback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = SageMakerCallbackHandler()
    monkeypatch.setattr(
        logging.getLogger("langchain_sagemaker_experiments"),
        "handle",
        lambda record: None,
    )
    for kind in ("_chains", "_models", "_tools", "_lifecycle"):
        monkeypatch.setattr(handler, kind, _Broken())
    getattr(handler, callback)(*CALLS[callback], run_id=uuid.uuid4())
    assert faults(handler) == {f"{callback}: RuntimeError: broken": 1}
    monkeypatch.undo()


def test_events_of_unknown_runs_are_counted_not_raised(recording: Any) -> None:
    handler = recording.handler
    handler.on_text("lost", run_id=uuid.uuid4())
    handler.on_llm_new_token("lost", run_id=uuid.uuid4())
    assert handler.flush_tracker().faults == {"text of an unknown run": 1}


def test_retries_of_classic_models_are_events(recording: Any) -> None:
    from tenacity import Retrying, stop_after_attempt, wait_none

    handler = recording.handler
    handler.on_llm_start({}, ["p"])
    attempts = Retrying(
        stop=stop_after_attempt(3),
        wait=wait_none(),
        before_sleep=lambda state: handler.on_retry(state),
    )
    tries: list[int] = []

    def sometimes() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("busy")
        return "ok"

    attempts(sometimes)
    handler.on_llm_end(RESULT)
    events = recording.one(kind="llm")["events"]
    assert [
        (event["name"], event["attributes"]["attempt"], event["attributes"]["error"]["message"])
        for event in events
    ] == [
        ("retry", 1, "busy"),
        ("retry", 2, "busy"),
    ]


def test_events_on_one_span_are_bounded(recording: Any) -> None:
    handler = recording.handler
    handler.on_chain_start({}, 1)
    for number in range(1_200):
        handler.on_text(str(number))
    handler.on_chain_end(1)
    record = recording.one(kind="chain")
    assert len(record["events"]) == 1_000
    assert record["attributes"]["langchain.dropped_events"] == 200


def test_copies_go_on_recording_here(recording: Any) -> None:
    model = FakeListChatModel(responses=["x"], callbacks=[recording.handler])
    copied = copy.deepcopy(model)
    assert copied.callbacks == [recording.handler]
    assert copy.copy(recording.handler) is recording.handler


def test_repr_says_what_waits(recording: Any) -> None:
    recording.handler.on_chain_start({}, 1)
    assert "open_spans=1" in repr(recording.handler)
    assert "pending_spans=0" in repr(recording.handler)


def test_leaving_the_handlers_block_flushes(recording: Any) -> None:
    with recording.handler as handler:
        handler.on_llm_start({}, ["p"])
        handler.on_llm_end(RESULT)
    assert len(recording.parts) == 1


def test_aflush_does_not_block_the_loop(recording: Any) -> None:
    import asyncio

    recording.handler.on_llm_start({}, ["p"])
    recording.handler.on_llm_end(RESULT)
    assert asyncio.run(recording.handler.aflush_tracker()).spans == 1


def test_the_result_shows_itself(recording: Any) -> None:
    recording.handler.on_llm_start({}, ["p"])
    recording.handler.on_llm_end(RESULT)
    result = recording.handler.flush_tracker()
    assert str(result).startswith("1 span, ")
    assert result.uris[0] in result._repr_html_()
