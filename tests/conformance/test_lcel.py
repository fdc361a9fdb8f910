"""LangChain expressions: what is recorded is what the application says it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.outputs import GenerationChunk
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.vectorstores import InMemoryVectorStore

PROMPT = ("prompt", "ChatPromptTemplate", "ok", [])
MODEL = ("chat_model", "FakeListChatModel", "ok", [])
PARSER = ("parser", "StrOutputParser", "ok", [])


def chain(*responses: str) -> Any:
    return (
        ChatPromptTemplate.from_template("about {topic}")
        | FakeListChatModel(responses=list(responses))
        | StrOutputParser()
    )


def test_invoke(recording: Any) -> None:
    assert chain("fine").invoke({"topic": "fish"}, recording.config) == "fine"
    assert recording.tree() == [("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])]
    root, prompt, model, parser = recording.records()
    human = {"type": "human", "content": "about fish"}
    assert (root["inputs"], root["outputs"]) == ({"topic": "fish"}, "fine")
    assert (prompt["inputs"], prompt["outputs"]) == ({"topic": "fish"}, {"messages": [human]})
    assert model["inputs"] == {"messages": [[human]]}
    assert model["outputs"]["generations"][0][0]["text"] == "fine"
    assert parser["inputs"]["content"] == parser["outputs"] == "fine"
    assert model["attributes"]["gen_ai.operation.name"] == "chat"
    assert prompt["component"]["id"][-1] == "ChatPromptTemplate"


def test_ainvoke(recording: Any) -> None:
    asyncio.run(chain("fine").ainvoke({"topic": "fish"}, recording.config))
    assert recording.tree() == [("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])]


def test_stream_records_the_true_inputs_and_the_whole_output(recording: Any) -> None:
    pieces = list(chain("four").stream({"topic": "fish"}, recording.config))
    assert pieces == ["f", "o", "u", "r"]
    assert recording.tree("inputs", "outputs")[0][3:5] == ({"topic": "fish"}, "four")
    model = recording.one(kind="chat_model")
    assert model["outputs"]["generations"][0][0]["message"]["type"] == "ai"
    assert model["attributes"]["langchain.stream.chunks"] == len(
        model["outputs"]["generations"][0][0]["text"]
    )
    assert (
        0 < model["attributes"]["gen_ai.response.time_to_first_chunk"] < model["duration_ms"] / 1e3
    )
    assert [event["name"] for event in model["events"]] == ["first_token"]
    assert model["start_time"] < model["events"][0]["time"] < model["end_time"]


def test_astream(recording: Any) -> None:
    async def run() -> list[str]:
        return [piece async for piece in chain("four").astream({"topic": "fish"}, recording.config)]

    assert asyncio.run(run()) == ["f", "o", "u", "r"]
    assert recording.tree("inputs", "outputs")[0][3:5] == ({"topic": "fish"}, "four")


def test_single_tokens_only_on_request(make_recording: Any) -> None:
    recording = make_recording(record_tokens=True)
    list(chain("abc").stream({"topic": "fish"}, recording.config))
    events = recording.one(kind="chat_model")["events"]
    assert [event["name"] for event in events] == ["first_token", "token", "token", "token"]
    assert "".join(event["attributes"]["token"] for event in events[1:]) == "abc"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_astream_events(recording: Any, version: Any) -> None:
    async def run() -> int:
        events = [
            e
            async for e in chain("four").astream_events(
                {"topic": "fish"}, recording.config, version=version
            )
        ]
        return len(events)

    assert asyncio.run(run()) > 8
    assert recording.tree() == [("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])]


def test_batch_makes_one_trace_for_each_input(recording: Any) -> None:
    chain("a", "b", "c").batch([{"topic": str(n)} for n in range(3)], recording.config)
    assert recording.tree() == [("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])] * 3
    roots = [record for record in recording.records() if record["parent_span_id"] is None]
    assert sorted(root["inputs"]["topic"] for root in roots) == ["0", "1", "2"]
    assert len({root["trace_id"] for root in roots}) == 3


def test_abatch(recording: Any) -> None:
    asyncio.run(chain("a").abatch([{"topic": str(n)} for n in range(5)], recording.config))
    assert recording.tree() == [("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])] * 5


def test_parallel_steps_are_siblings(recording: Any) -> None:
    RunnableParallel(one=chain("1"), two=chain("2")).invoke({"topic": "fish"}, recording.config)
    step = ("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])
    assert recording.tree() == [("chain", "RunnableParallel<one,two>", "ok", [step, step])]
    assert recording.one(name="RunnableParallel<one,two>")["outputs"] == {"one": "1", "two": "2"}


def test_branch_records_the_condition_and_the_branch_taken(recording: Any) -> None:
    branch = RunnableBranch(
        (lambda x: x > 0, RunnableLambda(lambda x: "positive")), RunnableLambda(lambda x: "other")
    )
    assert branch.with_config(run_name="sign").invoke(3, recording.config) == "positive"
    (root,) = recording.tree("inputs", "outputs")
    assert root[:5] == ("chain", "sign", "ok", 3, "positive")
    assert [child[4] for child in root[5]] == [True, "positive"]


def test_lambda_with_a_nested_call(recording: Any) -> None:
    def outer(value: str) -> str:
        return str(chain("nested").invoke({"topic": value}))

    RunnableLambda(outer).invoke("x", recording.config)
    assert recording.tree() == [
        ("chain", "outer", "ok", [("chain", "RunnableSequence", "ok", [PROMPT, MODEL, PARSER])])
    ]


def test_generator_and_passthrough(recording: Any) -> None:
    def shout(pieces: Iterator[str]) -> Iterator[str]:
        for piece in pieces:
            yield piece.upper()

    combined = RunnablePassthrough() | chain("ab") | RunnableGenerator(shout)
    assert "".join(combined.stream({"topic": "t"}, recording.config)) == "AB"
    (root,) = recording.tree("outputs")
    assert root[3] == "AB"
    assert [child[1] for child in root[4]] == [
        "RunnablePassthrough",
        "ChatPromptTemplate",
        "FakeListChatModel",
        "StrOutputParser",
        "shout",
    ]


def test_fallback_records_the_failure_and_what_came_instead(recording: Any) -> None:
    def broken(value: str) -> str:
        raise ValueError("no good")

    RunnableLambda(broken).with_fallbacks([RunnableLambda(lambda value: "saved")]).invoke(
        "x", recording.config
    )
    (root,) = recording.tree("outputs")
    assert root[:4] == ("chain", "RunnableWithFallbacks", "ok", "saved")
    assert [(child[1], child[2]) for child in root[4]] == [
        ("broken", "error"),
        ("RunnableLambda", "ok"),
    ]
    failed = recording.one(name="broken")
    assert (failed["error"]["type"], failed["error"]["message"]) == ("ValueError", "no good")
    assert 'raise ValueError("no good")' in failed["error"]["stacktrace"]
    assert failed["attributes"]["error.type"] == "ValueError"


def test_retry_records_every_attempt(recording: Any) -> None:
    attempts: list[int] = []

    def sometimes(value: int) -> int:
        attempts.append(value)
        if len(attempts) < 3:
            raise ConnectionError("again")
        return value

    retried = RunnableLambda(sometimes).with_retry(
        retry_if_exception_type=(ConnectionError,), wait_exponential_jitter=False
    )
    assert retried.invoke(7, recording.config) == 7
    statuses = [
        (record["name"], record["status"])
        for record in recording.records()
        if record["parent_span_id"]
    ]
    tries = [status for name, status in statuses if name == "sometimes"]
    assert tries == ["error", "error", "ok"]


def test_an_error_is_on_the_step_and_on_its_parents(recording: Any) -> None:
    broken = (
        ChatPromptTemplate.from_template("{a}")
        | FakeListChatModel(responses=["no json"])
        | JsonOutputParser()
    )
    with pytest.raises(Exception, match="Invalid json"):
        broken.invoke({"a": 1}, recording.config)
    assert [(r["kind"], r["status"]) for r in recording.records()] == [
        ("chain", "error"),
        ("prompt", "ok"),
        ("chat_model", "ok"),
        ("parser", "error"),
    ]
    assert recording.metrics["errors"] == 1  # the parser's; the chain only passed it on
    chain, *_, parser = recording.records()
    assert chain["attributes"]["langchain.error_origin"] == parser["span_id"]
    assert "langchain.error_origin" not in parser["attributes"]


def test_completion_models_batch_with_one_span_a_prompt(recording: Any) -> None:
    FakeListLLM(responses=["one", "two"]).generate(["p1", "p2"], callbacks=[recording.handler])
    records = recording.records()
    assert [
        (r["kind"], r["inputs"]["prompts"], r["outputs"]["generations"][0][0]["text"])
        for r in records
    ] == [
        ("llm", ["p1"], "one"),
        ("llm", ["p2"], "two"),
    ]


class SpellingLLM(LLM):
    """Streams the letters of its prompt, as a model of one's own would."""

    @property
    def _llm_type(self) -> str:
        return "spelling"

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return prompt

    def _stream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for letter in prompt:
            if run_manager:
                run_manager.on_llm_new_token(letter)
            yield GenerationChunk(text=letter)


def test_completion_models_stream(recording: Any) -> None:
    prompt = PromptTemplate.from_template("{a}") | SpellingLLM()
    assert "".join(prompt.stream({"a": "xyz"}, recording.config)) == "xyz"
    model = recording.one(kind="llm")
    assert model["inputs"] == {"prompts": ["xyz"]}
    assert model["attributes"]["langchain.stream.chunks"] == 3


def test_retriever_with_a_vector_store(recording: Any) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents([Document(f"document {n}", metadata={"n": n}, id=str(n)) for n in range(3)])
    rag = {
        "context": store.as_retriever(search_kwargs={"k": 2}),
        "topic": RunnablePassthrough(),
    } | chain("answer")
    rag.invoke("document 1", recording.config)
    retriever = recording.one(kind="retriever")
    assert retriever["inputs"] == {"query": "document 1"}
    assert retriever["outputs"]["documents"][0] == {
        "page_content": "document 1",
        "metadata": {"n": 1},
        "id": "1",
    }
    assert len(retriever["outputs"]["documents"]) == 2
    assert retriever["attributes"]["gen_ai.operation.name"] == "retrieval"


def test_custom_events_lie_on_the_span_they_were_dispatched_in(recording: Any) -> None:
    def work(value: int) -> int:
        dispatch_custom_event("progress", {"done": 0.5})
        return value

    async def awork(value: int, config: Any) -> int:
        await adispatch_custom_event("progress", {"done": 0.75}, config=config)
        return value

    RunnableLambda(work).invoke(1, recording.config)
    asyncio.run(RunnableLambda(awork).ainvoke(1, recording.config))
    events = [event["attributes"] for record in recording.records() for event in record["events"]]
    assert events == [
        {"name": "progress", "data": {"done": 0.5}},
        {"name": "progress", "data": {"done": 0.75}},
    ]


def test_tags_metadata_names_and_sessions(recording: Any) -> None:
    config = {
        **recording.config,
        "tags": ["a"],
        "metadata": {"user": "u", "session_id": "s-1"},
        "run_name": "named",
    }
    chain("x").invoke({"topic": "t"}, config)
    root = recording.one(parent_span_id=None)
    assert (root["name"], root["tags"], root["session_id"]) == ("named", ["a"], "s-1")
    assert root["metadata"] == {"user": "u", "session_id": "s-1"}
    assert all(record["session_id"] == "s-1" for record in recording.records())
    assert root["attributes"]["gen_ai.conversation.id"] == "s-1"


def test_an_abandoned_stream_leaves_nothing_open(recording: Any) -> None:
    stream = chain("a long answer").stream({"topic": "fish"}, recording.config)
    next(stream)
    stream.close()
    assert recording.handler.open_spans == 0
    # The chain is closed before its steps: the model is heard to the end, but nobody reads what it
    # says.
    model = ("chat_model", "FakeListChatModel", "ok", [])
    parser = ("parser", "StrOutputParser", "cancelled", [])
    assert recording.tree() == [("chain", "RunnableSequence", "cancelled", [PROMPT, model, parser])]
    root = recording.one(parent_span_id=None)
    assert (root["inputs"], root["outputs"], root["error"]) == ({"topic": "fish"}, None, None)
    assert root["end_time"] < recording.one(kind="chat_model")["end_time"]


def test_an_abandoned_model_keeps_what_it_had_said(recording: Any) -> None:
    stream = GenericFakeChatModel(messages=iter([AIMessage("one two three four")])).stream(
        "q", recording.config
    )
    next(stream)
    stream.close()
    model = recording.one(kind="chat_model")
    assert model["status"] == "cancelled"
    assert model["error"] is None
    assert model["outputs"]["generations"][0][0]["text"].startswith("one")
    assert model["attributes"]["langchain.cancelled_by"] == "GeneratorExit"


def test_a_cancelled_task_is_cancelled_not_failed(recording: Any) -> None:
    async def forever(value: Any) -> Any:
        await asyncio.sleep(60)

    async def run() -> None:
        task = asyncio.create_task(RunnableLambda(forever).ainvoke(1, recording.config))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    record = recording.one(name="forever")
    assert (record["status"], record["error"]) == ("cancelled", None)
    assert recording.handler.open_spans == 0


def test_keyboard_interrupt_is_cancelled(recording: Any) -> None:
    def interrupted(value: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(interrupted).invoke(1, recording.config)
    assert recording.one(name="interrupted")["status"] == "cancelled"


def test_an_abandoned_async_stream(recording: Any) -> None:
    async def run() -> None:
        stream: AsyncIterator[str] = chain("a long answer").astream(
            {"topic": "fish"}, recording.config
        )
        await stream.__anext__()
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    asyncio.run(run())
    assert recording.handler.open_spans == 0
    assert "error" not in {record["status"] for record in recording.records()}


def test_stream_events_v3_counts_its_deltas(recording: Any) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("one two")]))
    if not hasattr(model, "stream_events"):
        pytest.skip("this langchain-core has no stream_events")
    stream = model.stream_events("q", recording.config, version="v3")
    for _ in stream:
        pass
    record = recording.one(kind="chat_model")
    assert record["outputs"]["generations"][0][0]["text"] == "one two"
    assert record["attributes"]["langchain.stream.chunks"] > 0
