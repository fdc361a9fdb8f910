"""Tail latency while flushes go on: 50 calls at a time, a model that answers after 20 ms.

    python benchmarks/tail.py [--rounds 12] [--kilobytes 2 40 400] [--switch-interval S]
    [--publish]

All handlers take turns in one process: one that does nothing, the same again, this package with
`flush_interval=0.5`, and this package without it, whose full buffer (64 MiB) goes to disk while
calls go on. A turn keeps 50 calls at work (`prompt | model | parser`, `ainvoke`) until its calls
are done; each has a context of its own. What is left over is flushed between the turns. Parts go to
a folder on this machine. Each call's time is taken from its start to its answer.

The event loop has nothing to do but these calls and is always busy, so that a call waits for 49
others: a handler that takes a tenth of the CPU time shows as a tenth in every percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from made_spans import WORDS
from peers import DoesNothing
from publish import publish

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler

AT_A_TIME = 50
ANSWERS_AFTER = 0.02
CALLS = {2: 1_500, 40: 1_000, 400: 300}
"""Kilobytes of context → calls of a turn."""
SPANS = 4
FLOOR, AGAIN = "does nothing", "no-op again"
INTERVAL, NO_INTERVAL = "flush_interval=0.5", "buffer only"
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
TARGETS = {"p50": None, "p99": 1.15, "p99.9": 1.25}


class Slow(BaseChatModel):
    """Answers after 20 ms."""

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, *given: Any, **options: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *given: Any, **options: Any) -> ChatResult:
        await asyncio.sleep(ANSWERS_AFTER)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("a fine answer"))])


CHAIN = ChatPromptTemplate.from_template("about {topic}") | Slow() | StrOutputParser()


def contexts(kilobytes: int) -> Iterator[str]:
    """Yield texts of that size, all different."""
    chance = random.Random(1)
    base = " ".join(chance.choices(WORDS, k=kilobytes * 170))[: kilobytes * 1_000]
    number = 0
    while True:
        number += 1
        yield f"context {number}: {base}"


async def turn(handler: Any, texts: Iterator[str], calls: int) -> list[float]:
    """Return the seconds that each call took."""
    taken: list[float] = []
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            topic = next(texts)
            began = time.perf_counter()
            await CHAIN.ainvoke({"topic": topic}, {"callbacks": [handler]})
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
    return taken


def measure(kilobytes: int, rounds: int, folder: Path) -> dict[str, list[list[float]]]:
    """Return the times of all calls of each handler, by turn.

    Raises:
        SystemExit: a span was lost.
    """
    calls = CALLS.get(kilobytes, 1_000)
    runs = {
        name: OfflineRun(str(folder), experiment_name="tail", run_name=f"{kilobytes}-{place}")
        for place, name in enumerate((INTERVAL, NO_INTERVAL))
    }
    handlers: dict[str, Any] = {
        FLOOR: DoesNothing(),
        AGAIN: DoesNothing(),
        INTERVAL: SageMakerCallbackHandler(runs[INTERVAL], flush_interval=0.5),
        NO_INTERVAL: SageMakerCallbackHandler(runs[NO_INTERVAL], spool_dir=folder / "spool"),
    }
    times: dict[str, list[list[float]]] = {name: [] for name in handlers}
    for number in range(rounds + 1):
        order = list(handlers)
        random.Random(number).shuffle(order)
        for name in order:
            gc.collect()
            texts = contexts(kilobytes)
            taken = asyncio.run(turn(handlers[name], texts, calls))
            if number:  # the first round warms up
                times[name].append(taken)
            if isinstance(handlers[name], SageMakerCallbackHandler):
                handlers[name].flush_tracker()
    for name, run in runs.items():
        handlers[name].__exit__(None, None, None)
        arrived = ended_spans(Path(run.path) / "langchain-traces")
        if arrived != SPANS * calls * (rounds + 1):
            made = SPANS * calls * (rounds + 1)
            raise SystemExit(f"{name}: {arrived} spans are there, not {made}")
    return times


def ended_spans(folder: Path) -> int:
    """Return how many spans that have ended lie in a folder of parts; a flush writes those that are
    open, too.
    """
    found = set()
    for part in folder.glob("*.jsonl"):
        for line in part.read_bytes().splitlines():
            record = orjson.loads(line)
            if record["status"] != "running":
                found.add(record["span_id"])
    return len(found)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(times: dict[str, list[list[float]]]) -> dict[str, dict[str, float]]:
    """Return for each handler its percentiles over all calls, in seconds."""
    together = {name: [one for turn in turns for one in turn] for name, turns in times.items()}
    return {
        name: {title: percentile(values, share) for title, share in PERCENTILES.items()}
        for name, values in together.items()
    }


def as_table(found: dict[int, dict[str, dict[str, float]]], rounds: int) -> str:
    """Return machine and ratios as Markdown."""
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; "
        f"{AT_A_TIME} calls at a time, {rounds} turns of each handler, of "
        + ", ".join(f"{CALLS.get(size, 1_000):,} calls at {size} KB" for size in found)
        + ".\n",
        f"| context | | does nothing | {AGAIN} | `{INTERVAL}` | {NO_INTERVAL} | target |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, by_handler in found.items():
        for title in PERCENTILES:
            floor = by_handler[FLOOR][title]
            ratios = [
                f"{by_handler[name][title] / floor:.2f}×" for name in (AGAIN, INTERVAL, NO_INTERVAL)
            ]
            target = TARGETS[title]
            shown = f"{target:.2f}" if target else "–"
            lines.append(
                f"| {size} KB | {title} | {floor * 1e3:.0f} ms | {' | '.join(ratios)} | {shown} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=12, help="turns of each (%(default)s)")
    parser.add_argument("--kilobytes", type=int, nargs="+", default=list(CALLS))
    parser.add_argument(
        "--switch-interval", type=float, help="seconds, to understand; Python's is 0.005"
    )
    parser.add_argument("--publish", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.switch_interval:
        sys.setswitchinterval(options.switch_interval)
    found = {}
    for size in options.kilobytes:
        with tempfile.TemporaryDirectory() as folder:
            times = measure(size, options.rounds, Path(folder))
        found[size] = figures(times)
        rates = {
            name: statistics.mean(len(turn) * 1.0 for turn in turns)
            / statistics.mean(sum(turn) / AT_A_TIME for turn in turns)
            for name, turns in times.items()
        }
        shown = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
        print(f"{size} KB, calls a second: {shown}", file=sys.stderr, flush=True)
    table = as_table(found, options.rounds)
    print(table)
    if options.publish:
        publish("tail", table)


if __name__ == "__main__":
    main()
