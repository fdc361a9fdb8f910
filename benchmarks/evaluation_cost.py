"""CPU time of evaluating 1,000 examples against the same loop with the handler and no evaluation.

Both run in this process, in turns, with a model that answers at once, one call at a time. Both are
durable: each span is on disk when it ends. The evaluation also claims its examples, calls an
evaluator, puts the scores on disk before the next call, and reads the results back.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, evaluate

EXAMPLES = [
    {"inputs": {"topic": f"fish number {number}"}, "reference_outputs": "They swim."}
    for number in range(1_000)
]


def make_chain() -> Any:
    """A prompt, a model that answers at once, and a parser."""
    prompt = ChatPromptTemplate.from_messages([("system", "Be short."), ("human", "{topic}")])
    return prompt | FakeListChatModel(responses=["They swim."]) | StrOutputParser()


def right(outputs: str, reference_outputs: str) -> bool:
    """Judge an answer."""
    return outputs == reference_outputs


def loop(run: OfflineRun, *, durable: bool) -> None:
    """Call the chain on every example, with the handler alone."""
    chain = make_chain()
    with SageMakerCallbackHandler(run, durable=durable) as handler:
        config = {"callbacks": [handler]}
        assert all(
            right(chain.invoke(example["inputs"], config=config), example["reference_outputs"])
            for example in EXAMPLES
        )


def evaluation(run: OfflineRun) -> None:
    """Evaluate the chain on every example."""
    results = evaluate(make_chain(), EXAMPLES, [right], run=run, max_concurrency=1, progress=False)
    assert results.mean("right") == 1.0


def cpu_seconds(work: Callable[[OfflineRun], None]) -> float:
    """Return the CPU time of some work, children included, in a run of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = OfflineRun(Path(folder), experiment_name="cost", run_name="run")
        gc.collect()
        before = time.process_time()
        work(run)
        return time.process_time() - before


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    works: dict[str, Callable[[OfflineRun], None]] = {
        "handler, in memory": lambda run: loop(run, durable=False),
        "handler, durable": lambda run: loop(run, durable=True),
        "evaluate": evaluation,
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        cpu_seconds(work)  # imports and caches
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(cpu_seconds(work))
    for name, found in times.items():
        print(
            f"{name:20} {statistics.median(found) * 1e3:8.0f} ms CPU for {len(EXAMPLES)} examples"
        )
    for base in ("handler, in memory", "handler, durable"):
        ratios = [a / b for a, b in zip(times["evaluate"], times[base], strict=True)]
        print(f"evaluate / {base}: {statistics.median(ratios):.2f} (of {rounds} pairs)")


if __name__ == "__main__":
    main()
