"""Storage: bytes a span as parts and as Parquet, against plain JSON of its own inputs and outputs;
which zstd level pays; requests a day.

    python benchmarks/storage.py [--spans 20000] [--levels 1 3 6 9] [--publish]

Three applications are recorded from LangChain into a folder: a chain (`prompt | model | parser`,
context of 1.5 KB), an agent (`create_agent` with one tool call) and a graph of 20 steps whose
messages grow from 10 to 30. No text comes twice but where the application itself passes it on.
Texts are made of the words of Python's own documentation, each word chosen by the one before it, so
that they compress about as prose does and no passage comes twice.

Levels are compared on the Parquet file that `compact_runs` wrote, written again at each level: its
size, and CPU time of writing it and of reading it, best of three.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import platform
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import request_path
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import END, START, StateGraph
from publish import publish

from langchain_sagemaker_experiments import (
    BotoRun,
    OfflineRun,
    SageMakerCallbackHandler,
    compact_runs,
    load_spans,
)
from langchain_sagemaker_experiments.local import local_sagemaker

GROUP = 20_000
"""Rows of a row group, as `compact_runs` writes them."""
PART = 16 * 1024 * 1024
DAY, INTERVAL = 86_400, 30
SPANS_A_DAY = 10_000_000
PROCESSES = (1, 10, 100)


class Prose:
    """Endless text with the word statistics of Python's documentation.

    Args:
        seed: the same seed gives the same text.
    """

    def __init__(self, seed: int = 1) -> None:
        from pydoc_data.topics import topics

        words = " ".join(topics[name] for name in sorted(topics)).split()
        self._words = words
        self._next: dict[str, list[str]] = defaultdict(list)
        for one, two in itertools.pairwise(words):
            self._next[one].append(two)
        self._chance = random.Random(seed)

    def text(self, characters: int) -> str:
        """Return about so many characters."""
        word = self._chance.choice(self._words)
        found, size = [word], len(word)
        while size < characters:
            word = self._chance.choice(self._next.get(word) or self._words)
            found.append(word)
            size += len(word) + 1
        return " ".join(found)


def chain(prose: Prose) -> Callable[[Any], None]:
    """4 spans: a context of 1.5 KB, an answer of 400 characters."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from the context."), ("human", "{context}\n\n{question}")]
    )

    def run(handler: Any) -> None:
        work = prompt | FakeListChatModel(responses=[prose.text(400)]) | StrOutputParser()
        given = {"context": prose.text(1_500), "question": prose.text(60)}
        work.invoke(given, {"callbacks": [handler]})

    return run


class Agent(request_path.ToolModel):
    """Asks for a tool, then answers, in other words each time."""

    prose: Any = None

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        call = {"name": "search", "args": {"query": self.prose.text(40)}, "id": "1"}
        done = any(message.type == "tool" for message in messages)
        answer = AIMessage(self.prose.text(400) if done else "", tool_calls=[] if done else [call])
        return ChatResult(generations=[ChatGeneration(message=answer)])


def agent(prose: Prose) -> Callable[[Any], None]:
    """An agent whose tool returns 800 characters."""

    def search(query: str) -> str:
        """Search."""
        return prose.text(800)

    work = create_agent(Agent(prose=prose), [search])

    def run(handler: Any) -> None:
        asked = {"messages": [("user", prose.text(120))]}
        work.invoke(asked, {"callbacks": [handler]})

    return run


def graph(prose: Prose) -> Callable[[Any], None]:
    """20 steps over messages that grow from 10 to 30, of 200 characters."""
    builder = StateGraph(request_path.State)
    steps = 20

    def step(state: Any) -> Any:
        return {"messages": [AIMessage(prose.text(200))]}

    for number in range(steps):
        builder.add_node(f"n{number}", step)
        builder.add_edge(f"n{number - 1}" if number else START, f"n{number}")
    work = builder.add_edge(f"n{steps - 1}", END).compile()

    def run(handler: Any) -> None:
        messages = [HumanMessage(prose.text(200)) for _ in range(10)]
        work.invoke({"messages": messages}, {"callbacks": [handler]})

    return run


APPLICATIONS = {
    "chain, 1.5 KB context": chain,
    "agent, one tool call": agent,
    "graph, 20 steps, 10 to 30 messages": graph,
}


def record(folder: Path, application: Callable[[Prose], Callable[[Any], None]], spans: int) -> None:
    """Record at least so many spans into a folder, in parts as a service writes them."""
    work = application(Prose())
    with OfflineRun(str(folder), experiment_name="storage", run_name="run") as run:
        handler = SageMakerCallbackHandler(run, buffer_bytes=1 << 40)
        done = 0
        while done < spans:
            while handler.pending_spans < min(5_000, spans - done):
                work(handler)
            done += handler.flush_tracker().spans


def plain_size(folder: Path) -> int:
    """Return the bytes of plain JSON of the inputs and outputs of each span, and nothing else."""
    frame = load_spans(folder)
    return sum(
        len(orjson.dumps(value))
        for name in ("inputs", "outputs")
        for value in frame[name]
        if value is not None
    )


def cpu(work: Callable[[], Any]) -> float:
    """Return CPU seconds, best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def at_level(table: pa.Table, level: int | None) -> tuple[int, float, float]:
    """Return bytes, and CPU seconds of writing and of reading, of a table at a zstd level."""
    sink = pa.BufferOutputStream()

    def write() -> None:
        nonlocal sink
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="zstd", compression_level=level, row_group_size=GROUP
        )

    writing = cpu(write)
    data = sink.getvalue()
    return data.size, writing, cpu(lambda: pq.read_table(pa.BufferReader(data)))


def measure(
    application: Callable[[Prose], Callable[[Any], None]], spans: int, levels: list[int]
) -> dict[str, Any]:
    """Record, compact, and return what each form takes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record(folder, application, spans)
        parts = b"".join(path.read_bytes() for path in sorted(folder.rglob("part-*.jsonl")))
        plain = plain_size(folder)
        began = time.process_time()
        done = compact_runs(folder)
        compacting = time.process_time() - began
        files = list(folder.rglob("*.parquet"))
        table = pa.concat_tables([pq.ParquetFile(path).read() for path in files])
        # Warm up, so that the first level does not pay for what all use.
        at_level(table, 1)
        return {
            "spans": done.spans,
            "plain": plain / done.spans,
            "parts": len(parts) / done.spans,
            "gzip": len(gzip.compress(parts, 6)) / done.spans,
            "parquet": sum(path.stat().st_size for path in files) / done.spans,
            "compacting": compacting,
            "levels": {level: at_level(table, level) for level in levels},
        }


def requests_of_a_flush() -> dict[str, int]:
    """Return how many requests a later flush of a `BotoRun` makes, by operation."""
    counts: dict[str, int] = defaultdict(int)
    with local_sagemaker():
        session = boto3.Session()

        def count(model: Any, **details: Any) -> None:
            counts[model.name] += 1

        session.events.register("before-call", count)
        with BotoRun("storage", "requests", boto_session=session) as run:
            handler = SageMakerCallbackHandler(run)
            work = chain(Prose())
            for _ in range(3):
                counts.clear()
                work(handler)
                handler.flush_tracker()
            return dict(counts)


def rows_of_sizes(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the table of bytes a span."""
    yield "| bytes a span | plain JSON | parts | parts, if gzip'd | Parquet | of plain JSON |"
    yield "|---|---|---|---|---|---|"
    for name, sizes in found.items():
        yield (
            f"| {name} | {sizes['plain']:,.0f} | {sizes['parts']:,.0f} | {sizes['gzip']:,.0f} | "
            f"{sizes['parquet']:,.0f} | {sizes['parquet'] / sizes['plain']:.3f} |"
        )


def rows_of_levels(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the table of levels: bytes, CPU of writing, CPU of reading, each against level 1."""
    levels = list(next(iter(found.values()))["levels"])
    yield "| zstd level: bytes, CPU of writing, of reading | " + " | ".join(map(str, levels)) + " |"
    yield "|---|" + "---|" * len(levels)
    for name, sizes in found.items():
        floor = sizes["levels"][levels[0]]
        cells = []
        for level in levels:
            size, writing, reading = (
                one / base for one, base in zip(sizes["levels"][level], floor, strict=True)
            )
            cells.append(f"{size:.2f}, {writing:.1f}×, {reading:.1f}×")
        yield f"| {name} | {' | '.join(cells)} |"


def rows_of_requests(found: dict[str, dict[str, Any]], requests: dict[str, int]) -> Iterator[str]:
    """Yield the arithmetic of a day."""
    others = sum(count for name, count in requests.items() if name != "PutObject")
    yield (
        "| 10 million spans a day | GB a day | "
        + " | ".join(f"PUTs of {count} process{'es' if count > 1 else ''}" for count in PROCESSES)
        + " | GB a day as Parquet |"
    )
    yield "|---|---|" + "---|" * len(PROCESSES) + "---|"
    for name, sizes in found.items():
        size = sizes["parts"] * SPANS_A_DAY
        # A flush with nothing beyond one part makes one PUT; each 16 MiB more make one more.
        puts = [max(count * DAY // INTERVAL, round(size / PART)) for count in PROCESSES]
        yield (
            f"| {name} | {size / 1e9:.1f} | "
            + " | ".join(f"{put:,}" for put in puts)
            + f" | {sizes['parquet'] * SPANS_A_DAY / 1e9:.1f} |"
        )
    made = ", ".join(f"{count} {name}" for name, count in sorted(requests.items()))
    yield ""
    yield (
        f"Arithmetic from the measured sizes: `flush_interval={INTERVAL}` gives each process "
        f"{DAY // INTERVAL:,} flushes a day, and a part holds at most 16 MiB. Counted: a later "
        f"flush of a `BotoRun` with one part makes {made}, so {others} beside the PUT."
    )


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spans", type=int, default=20_000, help="of each (%(default)s)")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 3, 6, 9])
    parser.add_argument("--publish", action="store_true", help="write the tables into the docs")
    options = parser.parse_args()
    found = {
        name: measure(application, options.spans, options.levels)
        for name, application in APPLICATIONS.items()
    }
    machine = (
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; "
        f"pyarrow {pa.__version__}; {options.spans:,} spans of each application."
    )
    lines = [machine, "", *rows_of_sizes(found), "", *rows_of_levels(found), ""]
    lines += rows_of_requests(found, requests_of_a_flush())
    text = "\n".join(lines)
    print(text)
    for name, sizes in found.items():
        bases = ", ".join(
            f"{level}: {size:,} B {writing:.2f} s {reading:.2f} s"
            for level, (size, writing, reading) in sizes["levels"].items()
        )
        print(f"{name}: compacted in {sizes['compacting']:.1f} s of CPU; {bases}")
    if options.publish:
        publish("storage", text)


if __name__ == "__main__":
    main()
