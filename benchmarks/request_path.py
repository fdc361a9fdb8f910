"""What a handler costs the application: its whole time, divided by its time with a handler that does nothing.

    python benchmarks/request_path.py [--rounds 15] [--json]

Every handler runs the same work in turn, round by round, in one process; the best round of each counts, which is what is left
when the machine disturbs least. After its rounds each handler is asked how many spans it recorded, so that nobody is fast by
recording less. Peers take part where they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_sagemaker_experiments import SageMakerCallbackHandler

PIECES = [f"piece{number} " for number in range(200)]


class Model(BaseChatModel):
    """Answers at once: what is measured is LangChain and the handler."""

    @property
    def _llm_type(self) -> str:
        return "at-once"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("a fine answer"))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for piece in PIECES:
            chunk = ChatGenerationChunk(message=AIMessageChunk(piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk


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


CHAIN = ChatPromptTemplate.from_template("about {topic}") | Model() | StrOutputParser()
LONG = "a long context, " * 6_400


def invoke(handler: Any) -> None:
    """100 calls of prompt, model and parser."""
    for _ in range(100):
        CHAIN.invoke({"topic": "fish"}, {"callbacks": [handler]})


def invoke_long(handler: Any) -> None:
    """The same with a context of 100 KB."""
    for _ in range(100):
        CHAIN.invoke({"topic": LONG}, {"callbacks": [handler]})


def stream(handler: Any) -> None:
    """10 streams of 200 tokens."""
    for _ in range(10):
        for _ in CHAIN.stream({"topic": "fish"}, {"callbacks": [handler]}):
            pass


def concurrent(handler: Any) -> None:
    """50 calls at a time."""

    async def run() -> None:
        await asyncio.gather(*(CHAIN.ainvoke({"topic": "fish"}, {"callbacks": [handler]}) for _ in range(50)))

    asyncio.run(run())


WORK: dict[str, tuple[Callable[[Any], None], int]] = {
    "prompt | model | parser": (invoke, 400),
    "the same, 100 KB context": (invoke_long, 400),
    "200-token stream": (stream, 40),
    "50 concurrent ainvoke": (concurrent, 200),
}


def handlers() -> dict[str, tuple[Any, Callable[[], None], Callable[[], int | None]]]:
    """Each handler with what empties it between rounds and what tells how many spans it has recorded."""
    sink = Sink()
    ours = SageMakerCallbackHandler(sink)
    collector = RunCollectorCallbackHandler()
    collected = [0]

    def empty_collector() -> None:
        waiting = list(collector.traced_runs)
        while waiting:
            run = waiting.pop()
            collected[0] += 1
            waiting.extend(run.child_runs)
        collector.traced_runs.clear()

    return {
        "does nothing": (DoesNothing(), lambda: None, lambda: None),
        "this package": (ours, lambda: ours.flush_tracker() and None, lambda: sink.spans),
        "langchain-core RunCollector": (collector, empty_collector, lambda: collected[0]),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each work (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results: dict[str, dict[str, float]] = {}
    for title, (work, spans) in WORK.items():
        taking_part = handlers()
        best = dict.fromkeys(taking_part, float("inf"))
        for _ in range(options.rounds):
            for name, (handler, empty, _) in taking_part.items():
                gc.collect()
                gc.disable()
                began = time.perf_counter()
                work(handler)
                best[name] = min(best[name], time.perf_counter() - began)
                gc.enable()
                empty()
        for name, (_, _, recorded) in taking_part.items():
            count = recorded()
            if count is not None and count != spans * options.rounds:
                raise SystemExit(f"{name} recorded {count} spans of {title!r}, not {spans * options.rounds}")
        results[title] = {name: seconds / best["does nothing"] for name, seconds in best.items()}
    if options.json:
        print(json.dumps(results))
        return
    names = [name for name in next(iter(results.values())) if name != "does nothing"]
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("langchain-core", "orjson"))
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}, best of {options.rounds} rounds\n")
    print("| whole time against a handler that does nothing | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for title, ratios in results.items():
        print(f"| {title} | " + " | ".join(f"{ratios[name]:.2f}×" for name in names) + " |")


if __name__ == "__main__":
    main()
