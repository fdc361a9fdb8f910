"""The first token has content, pieces that come twice count once, and usage is read where models
put it.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, LLMResult


def answer(**fields: Any) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=AIMessage("x", **fields))]])


def test_a_chunk_without_content_is_no_first_token(recording: Any) -> None:
    handler, run_id = recording.handler, uuid.uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    role = ChatGenerationChunk(message=AIMessageChunk(""))
    usage = ChatGenerationChunk(
        message=AIMessageChunk(
            "", usage_metadata={"input_tokens": 1, "output_tokens": 0, "total_tokens": 1}
        )
    )
    for chunk in (role, usage):
        handler.on_llm_new_token("", chunk=chunk, run_id=run_id)
    time.sleep(0.05)
    handler.on_llm_new_token(
        "text", chunk=ChatGenerationChunk(message=AIMessageChunk("text")), run_id=run_id
    )
    handler.on_llm_end(answer(), run_id=run_id)
    (record,) = recording.records()
    assert record["attributes"]["gen_ai.response.time_to_first_chunk"] >= 0.05
    assert record["attributes"]["langchain.stream.chunks"] == 3
    assert [event["name"] for event in record["events"]] == ["first_token"]


@pytest.mark.parametrize(
    "chunk",
    [
        AIMessageChunk("", tool_call_chunks=[{"name": "t", "args": "", "id": "1", "index": 0}]),
        AIMessageChunk("", additional_kwargs={"reasoning_content": "hm"}),
        AIMessageChunk([{"type": "text", "text": "hm", "index": 0}]),
    ],
)
def test_a_tool_call_or_reasoning_is_content(recording: Any, chunk: AIMessageChunk) -> None:
    handler, run_id = recording.handler, uuid.uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    handler.on_llm_new_token("", chunk=ChatGenerationChunk(message=chunk), run_id=run_id)
    handler.on_llm_end(answer(), run_id=run_id)
    assert [event["name"] for event in recording.records()[0]["events"]] == ["first_token"]


@pytest.mark.parametrize("event_first", [True, False])
def test_a_piece_that_comes_as_event_and_as_token_counts_once(
    make_recording: Any, event_first: bool
) -> None:
    recording = make_recording(record_tokens=True)
    handler, run_id = recording.handler, uuid.uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    for number in range(3):
        event = {"event": "content-block-delta", "delta": {"text": f"{number}"}}
        if event_first:
            handler.on_stream_event(event, run_id=run_id)
        handler.on_llm_new_token(f"{number}", run_id=run_id)
        if not event_first:
            handler.on_stream_event(event, run_id=run_id)
    handler.on_llm_end(answer(), run_id=run_id)
    (record,) = recording.records()
    assert record["attributes"]["langchain.stream.chunks"] == 3
    assert [event["name"] for event in record["events"]].count("token") == 3


def test_a_streamed_call_is_one_whatever_its_settings_say(recording: Any) -> None:
    handler = recording.handler
    handler.on_chat_model_start({}, [[]], invocation_params={"model": "m", "stream": False})
    handler.on_llm_new_token("x")
    handler.on_llm_end(answer())
    assert recording.records()[0]["attributes"]["gen_ai.request.stream"] is True


def usage_of(recording: Any, response: LLMResult) -> dict[str, Any]:
    recording.handler.on_chat_model_start({}, [[]])
    recording.handler.on_llm_end(response)
    attributes: dict[str, Any] = recording.records()[-1]["attributes"]
    return attributes


def test_cache_creation_is_counted_by_lifetime(recording: Any) -> None:
    details = {
        "cache_read": 5,
        "cache_creation": 0,
        "ephemeral_5m_input_tokens": 70,
        "ephemeral_1h_input_tokens": 30,
    }
    usage = {
        "input_tokens": 110,
        "output_tokens": 2,
        "total_tokens": 112,
        "input_token_details": details,
    }
    attributes = usage_of(recording, answer(usage_metadata=usage))
    assert attributes["gen_ai.usage.cache_creation.input_tokens"] == 100
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 5


def test_counts_of_ollama_are_read(recording: Any) -> None:
    info = {"prompt_eval_count": 12, "eval_count": 7, "done": True}
    response = LLMResult(generations=[[Generation(text="x", generation_info=info)]])
    recording.handler.on_llm_start({}, ["p"])
    recording.handler.on_llm_end(response)
    attributes = recording.records()[0]["attributes"]
    assert attributes["gen_ai.usage.input_tokens"] == 12
    assert attributes["gen_ai.usage.output_tokens"] == 7


def test_a_hit_of_the_cache_is_not_paid_again(recording: Any) -> None:
    from langchain_core.caches import InMemoryCache
    from langchain_core.language_models import GenericFakeChatModel

    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    model = GenericFakeChatModel(
        messages=iter([AIMessage("x", usage_metadata=usage)]), cache=InMemoryCache()
    )
    model.invoke("same", recording.config)
    model.invoke("same", recording.config)
    first, second = recording.records()
    assert first["attributes"]["gen_ai.usage.input_tokens"] == 10
    assert "gen_ai.usage.input_tokens" not in second["attributes"]
    assert second["attributes"]["langchain.cache_hit"] is True
    assert recording.metrics["input_tokens"] == 10
