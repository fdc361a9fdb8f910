"""Span records of a made-up support agent, as many as wanted, the same for the same seed: for
benchmarks and large tests.
"""

from __future__ import annotations

import datetime
import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = (  # noqa: SIM905
    "the of and retrieval prompt answer model agent fish tool search context price bucket "
    "experiment latency"
).split()
NAMES = {
    "agent": "support agent",
    "chat_model": "ChatOpenAI",
    "tool": "search",
    "retriever": "Handbook",
    "chain": "RunnableSequence",
}
KINDS = ("chat_model", "tool", "retriever", "chain")
BEGIN = datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc)


def make_traces(traces: int, spans_each: int = 10, seed: int = 1) -> Iterator[list[dict[str, Any]]]:
    """Yield traces, each a list of span records: an agent, and below it models, tools, retrievers
    and chains.
    """
    chance = random.Random(seed)
    for number in range(traces):
        yield _trace(number, spans_each, chance)


def write_run(
    folder: Path, traces: int, spans_each: int = 10, *, run: str = "run", seed: int = 1
) -> int:
    """Write traces as one part of a run in a folder; return the part's size in bytes."""
    place = folder / "made" / run / "langchain-traces"
    place.mkdir(parents=True, exist_ok=True)
    part = place / "part-20261120T000000.000000Z-000000000000.jsonl"
    with part.open("w") as file:
        for trace in make_traces(traces, spans_each, seed):
            file.writelines(json.dumps(span, separators=(",", ":")) + "\n" for span in trace)
    return part.stat().st_size


def _trace(number: int, size: int, chance: random.Random) -> list[dict[str, Any]]:
    start = BEGIN + datetime.timedelta(seconds=3.7 * number)
    total_ms = chance.lognormvariate(6.5, 0.6)
    question = _text(chance, 12)
    fails = chance.random() < 0.04
    ids = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(size)]
    spans = []
    for place in range(size):
        kind = "agent" if place == 0 else KINDS[place % 4]
        begin = 0.0 if place == 0 else total_ms * (place - 1) / size
        end = total_ms if place == 0 else total_ms * place / size
        inputs, outputs = _values(kind, question, chance)
        failed = fails and place == size - 1
        spans.append(
            {
                "schema_version": 1,
                "trace_id": ids[0],
                "span_id": ids[place],
                "parent_span_id": None if place == 0 else ids[0],
                "kind": kind,
                "name": NAMES[kind],
                "status": "error" if failed else "ok",
                "start_time": _moment(start, begin),
                "end_time": _moment(start, end),
                "duration_ms": round(end - begin, 3),
                "session_id": f"session-{number // 20}",
                "inputs": inputs,
                "outputs": None if failed else outputs,
                "error": {
                    "type": "TimeoutError",
                    "message": "no answer in 30 s",
                    "stacktrace": "Traceback",
                }
                if failed
                else None,
                "attributes": _attributes(chance, end - begin) if kind == "chat_model" else {},
                "events": [],
                "tags": ["prod"],
                "metadata": {"session_id": f"session-{number // 20}"},
                "component": _MODEL if kind == "chat_model" else None,
            }
        )
    return spans


_MODEL = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "chat_models", "openai", "ChatOpenAI"],
    "kwargs": {"temperature": 0.1},
}


def _moment(start: datetime.datetime, milliseconds: float) -> str:
    return (start + datetime.timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


def _values(kind: str, question: str, chance: random.Random) -> tuple[Any, Any]:
    if kind == "agent":
        asked = {"type": "human", "content": question}
        return {"messages": [asked]}, {
            "messages": [asked, {"type": "ai", "content": _text(chance, 30)}]
        }
    if kind == "chat_model":
        answer = {
            "type": "ai",
            "content": _text(chance, 40),
            "tool_calls": [{"name": "search", "args": {"query": _text(chance, 3)}, "id": "1"}],
        }
        messages = [
            {"type": "system", "content": "You help."},
            {"type": "human", "content": f"{question} {_text(chance, 40)}"},
        ]
        return {"messages": [messages]}, {
            "generations": [[{"text": answer["content"], "message": answer}]],
            "llm_output": {},
        }
    if kind == "retriever":
        return {"query": question}, {
            "documents": [
                {"page_content": _text(chance, 30), "metadata": {"source": "s3://handbook/1"}}
            ]
        }
    return {"input": _text(chance, 6)}, {"output": _text(chance, 10)}


def _attributes(chance: random.Random, took_ms: float) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": chance.choice(["gpt-4o-mini", "claude-sonnet"]),
        "gen_ai.request.temperature": 0.1,
        "gen_ai.usage.input_tokens": chance.randint(50, 900),
        "gen_ai.usage.output_tokens": chance.randint(10, 300),
        "gen_ai.response.time_to_first_chunk": round(took_ms / 3e3, 6),
    }
