"""The whole cost of a handler: CPU time of the work and its flush, the garbage collector on.

    python benchmarks/whole_cost.py [--rounds 10] [--alone] [--s3] [--work NAME] [--json]
    [--publish]

Each figure comes from fresh processes, one for each handler and round, in turn. A process warms up,
then does the work and flushes 10 times. What counts is `time.process_time` (all threads) of the
best round, divided by that of a handler that does nothing. The column "no-op again" is the floor
measured a second time: what differs by less than it differs from 1 is no difference. Each handler
    is asked
whether it delivered every span.

With `--s3` this package flushes to a Run on the local SageMaker, a server in another process, in
place of a folder; the peers deliver as `peers.py` says.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

FLUSHES = 10
WARM_UP = 2
FLOOR, AGAIN = "does nothing", "no-op again"
WORK = {
    "prompt | model | parser": ("invoke", 3, 400),
    "the same, 100 KB context": ("invoke_long", 2, 400),
    "200-token stream": ("stream", 3, 40),
    "50 concurrent ainvoke": ("concurrent", 3, 200),
    "create_agent, one tool call": ("agent", 3, None),
    "20 graph steps, 10 messages": ("graph_of_20_steps", 3, 105),
}
"""Title → function of `request_path.py`, its calls before each flush, spans of one call."""
TARGETS = dict(zip(WORK, (1.20, 1.40, 1.05, 0.70, 1.15, 1.30), strict=True))


def to_folder() -> Any:
    """Return this package's handler, which flushes to an `OfflineRun`."""
    from peers import Peer

    from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler

    run = OfflineRun(tempfile.mkdtemp(), experiment_name="cost", run_name="run")
    handler = SageMakerCallbackHandler(run)

    def recorded() -> int:
        parts = (Path(run.path) / "langchain-traces").glob("*.jsonl")
        return sum(part.read_bytes().count(b"\n") for part in parts)

    return Peer("langchain-sagemaker-experiments", handler, handler.flush_tracker, recorded)


def measure_here(name: str, title: str) -> dict[str, Any]:
    """Do the work in this process; return CPU seconds, and how many spans were delivered."""
    import peers
    import request_path

    warnings.simplefilter("ignore")
    function, calls, spans = WORK[title]
    work: Callable[[Any], None] = getattr(request_path, function)
    if name in (FLOOR, AGAIN):
        peer = peers.Peer("langchain-core", peers.DoesNothing(), lambda: None, lambda: None)
    elif name == "this package":
        peer = to_folder()
    else:
        peer = peers.MAKERS[name]()
    for _ in range(WARM_UP):
        work(peer.handler)
        peer.empty()
    before = peer.recorded()
    gc.collect()
    began = time.process_time()
    for _ in range(FLUSHES):
        for _ in range(calls):
            work(peer.handler)
        peer.empty()
    seconds = time.process_time() - began
    now = peer.recorded()
    delivered = None if now is None or before is None else now - before
    expected = spans * calls * FLUSHES if spans else None
    return {"seconds": seconds, "delivered": delivered, "expected": expected}


def in_fresh_process(name: str, title: str) -> dict[str, Any] | None:
    """Return what `measure_here` gives in a process of its own; None where a peer is missing."""
    command = [sys.executable, __file__, "--here", name, "--work", title]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        if "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr:
            return None
        raise SystemExit(f"{name}, {title}: {done.stderr[-2_000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(names: list[str], titles: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return for each work the CPU time of each handler against the floor's."""
    results = {}
    for title in titles:
        print(f"{time.strftime('%H:%M:%S')} {title}", file=sys.stderr, flush=True)
        best: dict[str, float] = {}
        for _ in range(rounds):
            for name in names:
                found = in_fresh_process(name, title)
                if found is None:
                    continue
                delivered, expected = found["delivered"], found["expected"]
                if name == "this package" and expected is not None and delivered != expected:
                    raise SystemExit(f"{title}: {delivered} spans delivered, not {expected}")
                best[name] = min(best.get(name, float("inf")), found["seconds"])
        results[title] = {name: seconds / best[FLOOR] for name, seconds in best.items()}
    return results


def as_table(results: dict[str, dict[str, float]], rounds: int) -> str:
    """Return machine and ratios as Markdown."""
    names = [name for name in next(iter(results.values())) if name != FLOOR]
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    lines = [
        f"{machine}; best of {rounds} fresh processes, {FLUSHES} flushes each.\n",
        "| | " + " | ".join(names) + " | target |",
        "|---|" + "---|" * (len(names) + 1),
    ]
    for title, ratios in results.items():
        cells = [f"{ratios[name]:.2f}×" if name in ratios else "–" for name in names]
        shown = title.replace("|", "\\|")
        lines.append(f"| {shown} | {' | '.join(cells)} | {TARGETS[title]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="processes of each (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--work", action="append", choices=list(WORK), help="only this work")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--publish", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure_here(options.here, options.work[0])))
        return
    names = [FLOOR, AGAIN, "this package"]
    if not options.alone:
        names += ["traceloop", "langfuse", "openinference", "langsmith", "RunCollector"]
    results = measure(names, options.work or list(WORK), options.rounds)
    if options.json:
        print(json.dumps(results))
        return
    table = as_table(results, options.rounds)
    print(table)
    if options.publish:
        from publish import publish

        publish("whole_cost", table)


if __name__ == "__main__":
    main()
