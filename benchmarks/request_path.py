"""What a handler costs the application: its whole time, divided by its time with a handler that
does nothing.

    python benchmarks/request_path.py [--rounds 25] [--alone] [--json] [--publish]

Every handler runs the same work in turn, round by round, in one process; the best round of each
counts, which is what is left when the machine disturbs least. After its rounds each handler is
asked how many spans it recorded, so that nobody is fast by recording less. Peers take part where
they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from peers import Peer, taking_part
from publish import publish

IMPORT_ROUNDS = 12
ENOUGH, FAR = 3, 10
"""A handler that after so many rounds is still so many times slower than the floor runs no further
ones of that work.
"""
PIECES = [f"piece{number} " for number in range(200)]


class Model(BaseChatModel):
    """Answers at once: what is measured is LangChain and the handler."""

    @property
    def _llm_type(self) -> str:
        return "at-once"

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("a fine answer"))])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for piece in PIECES:
            chunk = ChatGenerationChunk(message=AIMessageChunk(piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk


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
        await asyncio.gather(
            *(CHAIN.ainvoke({"topic": "fish"}, {"callbacks": [handler]}) for _ in range(50))
        )

    asyncio.run(run())


def history(count: int) -> list[Any]:
    """An agent's messages: questions and answers of 160 characters."""
    messages: list[Any] = []
    for number in range(count // 2):
        messages.append(HumanMessage(f"question {number} " + "word " * 30, id=f"h{number}"))
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        messages.append(
            AIMessage(f"answer {number} " + "word " * 30, id=f"a{number}", usage_metadata=usage)
        )  # type: ignore[arg-type]
    return messages


class State(TypedDict):
    """The state of the graph."""

    messages: Annotated[list[Any], add_messages]


def _graph(steps: int) -> Any:
    graph = StateGraph(State)
    for number in range(steps):
        graph.add_node(
            f"n{number}",
            lambda state: {"messages": [AIMessage("a step", id=f"s{len(state['messages'])}")]},
        )
        graph.add_edge(f"n{number - 1}" if number else START, f"n{number}")
    return graph.add_edge(f"n{steps - 1}", END).compile()


GRAPH = _graph(20)
SHORT_STATE, LONG_STATE = history(10), history(1_000)


def graph_of_20_steps(handler: Any) -> None:
    """A graph of 20 steps over a state of 10 messages, five times."""
    for _ in range(5):
        GRAPH.invoke({"messages": list(SHORT_STATE)}, {"callbacks": [handler]})


def graph_with_long_state(handler: Any) -> None:
    """The same graph over a state of 1,000 messages."""
    for _ in range(5):
        GRAPH.invoke({"messages": list(LONG_STATE)}, {"callbacks": [handler]})


class ToolModel(Model):
    """Asks for a tool, then answers."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        done = any(message.type == "tool" for message in messages)
        call = (
            []
            if done
            else [{"name": "search", "args": {"query": "fish"}, "id": "1", "type": "tool_call"}]
        )
        return ChatResult(
            generations=[
                ChatGeneration(message=AIMessage("an answer" if done else "", tool_calls=call))
            ]
        )


def search(query: str) -> str:
    """Search."""
    return "found"


AGENT = create_agent(ToolModel(), [search])


def agent(handler: Any) -> None:
    """An agent that calls one tool, ten times."""
    for _ in range(10):
        AGENT.invoke({"messages": [("user", "what?")]}, {"callbacks": [handler]})


WORK: dict[str, tuple[Callable[[Any], None], int | None]] = {
    "prompt | model | parser": (invoke, 400),
    "the same, 100 KB context": (invoke_long, 400),
    "200-token stream": (stream, 40),
    "50 concurrent ainvoke": (concurrent, 200),
    "create_agent, one tool call": (agent, None),
    "20 graph steps, 10 messages": (graph_of_20_steps, 105),
    "20 graph steps, 1,000 messages": (graph_with_long_state, 105),
}


def imports() -> dict[str, float]:
    """Import time of `langchain_core.callbacks` and then a package, against the former alone:
    medians of fresh interpreters.
    """
    modules = {
        "this package": "langchain_sagemaker_experiments",
        "community": "langchain_community.callbacks.sagemaker_callback",
        "openinference": "openinference.instrumentation.langchain",
        "langfuse": "langfuse.langchain",
        "langsmith": "langsmith",
        "traceloop": "opentelemetry.instrumentation.langchain",
        "opik": "opik.integrations.langchain",
        "mlflow": "mlflow.langchain.langchain_tracer",
    }
    clock = "time.perf_counter()"
    found: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as compiled
    ):  # as on a user's machine, whatever this one's settings are
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(IMPORT_ROUNDS):
            for name, module in modules.items():
                code = (
                    f"import time; a = {clock}; import langchain_core.callbacks; b = {clock}; "
                    f"import {module}; "
                    f"print(({clock} - a) / (b - a))"
                )
                done = subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, env=environment
                )
                if done.returncode == 0:
                    found.setdefault(name, []).append(float(done.stdout.split()[-1]))
    return {name: statistics.median(ratios[1:]) for name, ratios in found.items()}


def seconds(work: Callable[[Any], None], peer: Peer) -> float:
    """Seconds of one round of a work."""
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    try:
        work(peer.handler)
        return time.perf_counter() - began
    finally:
        gc.enable()


def measure(
    rounds: int, alone: bool = False
) -> tuple[dict[str, dict[str, float]], dict[str, Peer]]:
    """Return, for each work, the time of each handler against the floor, best of so many
    interleaved rounds.
    """
    results: dict[str, dict[str, float]] = {}
    peers = taking_part("this package") if alone else taking_part()
    for title, (work, spans) in WORK.items():
        print(f"{time.strftime('%H:%M:%S')} {title}", file=sys.stderr, flush=True)
        best = dict.fromkeys(peers, float("inf"))
        before = {name: peer.recorded() for name, peer in peers.items()}
        for number in range(rounds):
            for name, peer in peers.items():
                if number >= peer.rounds or (
                    number >= ENOUGH and best[name] > FAR * best["does nothing"]
                ):
                    continue
                best[name] = min(best[name], seconds(work, peer))
                peer.empty()
        for name, peer in peers.items():
            _check(name, title, peer.recorded(), before[name], spans * rounds if spans else None)
        results[title] = {name: seconds / best["does nothing"] for name, seconds in best.items()}
    return results, peers


def _check(
    name: str, title: str, now: int | None, before: int | None, expected: int | None
) -> None:
    """Stop where a handler recorded nothing, or ours not all: nobody is to be fast by recording
    less.
    """
    if now is None or before is None:
        return
    count = now - before
    if count == 0 or (name == "this package" and expected is not None and count != expected):
        raise SystemExit(f"{name} recorded {count} spans of {title!r}, not {expected}")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--rounds", type=int, default=25, help="rounds of each work (default: %(default)s)"
    )
    parser.add_argument(
        "--alone", action="store_true", help="measure this package and the floor only"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--publish", action="store_true", help="write the table into the pages that quote it"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results, peers = measure(options.rounds, options.alone)
    results["import, after langchain_core.callbacks"] = imports()
    if options.json:
        print(json.dumps(results))
        return
    table = as_table(results, peers, options.rounds)
    print(table)
    if options.publish:
        publish("request_path", table)


def as_table(results: dict[str, dict[str, float]], peers: dict[str, Peer], rounds: int) -> str:
    """Machine, versions and ratios as Markdown."""
    names = [name for name in peers if name != "does nothing"]
    versions = sorted(
        {f"{peer.package} {metadata.version(peer.package)}" for peer in peers.values()}
    )
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    fewer = "".join(
        f", of {name} {peer.rounds}" for name, peer in peers.items() if peer.rounds < rounds
    )
    lines = [
        f"{machine}; best of {rounds} rounds{fewer}, of what is beyond {FAR}× {ENOUGH}; "
        f"{', '.join(versions)}.\n",
        "| | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for title, ratios in results.items():
        title = title.replace("|", "\\|")
        lines.append(
            f"| {title} | "
            + " | ".join(f"{ratios[name]:.2f}×" if name in ratios else "–" for name in names)
            + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
