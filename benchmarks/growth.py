"""How time and memory grow with the number of spans: flush, load, trace_table, report, compact, and
a reader that streams.

    python benchmarks/growth.py [--spans 10000 100000] [--publish]

Each piece of work and size has a process of its own; what counts is the work alone, its CPU time,
and the memory that the process grew by while it worked. The exponent is fitted to the logarithms:
1 is linear, 0 does not grow. Spans are those of `made_spans.py`; the flush records its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from made_spans import write_run
from publish import publish

from scale import peak_mib

RUN_SPANS = 10_000
"""Spans of one part of made spans."""


def flush(spans: int, folder: Path) -> Any:
    """Return what flushes recorded spans of a tool."""
    from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler

    run = OfflineRun(str(folder / "flushed"), experiment_name="growth", run_name="run")
    handler = SageMakerCallbackHandler(run, buffer_bytes=1 << 40)
    for number in range(spans):
        with handler.span(
            f"tool {number % 10}", kind="tool", inputs={"question": f"{number} " * 20}
        ):
            pass

    def work() -> None:
        assert handler.flush_tracker().spans == spans

    return work


def load(spans: int, folder: Path) -> Any:
    """Return what loads all spans."""
    from langchain_sagemaker_experiments import load_spans

    return lambda: load_spans(folder)


def traces(spans: int, folder: Path) -> Any:
    """Return what makes the table of traces of spans that are loaded."""
    from langchain_sagemaker_experiments import load_spans, trace_table

    frame = load_spans(folder)
    return lambda: trace_table(frame)


def report(spans: int, folder: Path) -> Any:
    """Return what renders the report of spans that are loaded."""
    from langchain_sagemaker_experiments import load_spans, render_report

    frame = load_spans(folder)
    return lambda: render_report(frame, folder / "report.html")


def compact(spans: int, folder: Path) -> Any:
    """Return what compacts the folder."""
    from langchain_sagemaker_experiments import compact_runs

    return lambda: compact_runs(folder)


def summarize(spans: int, folder: Path) -> Any:
    """Return what answers a question over the folder without loading it."""
    from langchain_sagemaker_experiments import summarize as ask

    return lambda: ask(folder, "model")


WORK = {
    "`flush_tracker`": flush,
    "`load_spans`": load,
    "`trace_table(spans)`": traces,
    "`render_report(spans)`": report,
    "`compact_runs`": compact,
    "`summarize(folder)`, which streams": summarize,
}


def measure_here(name: str, spans: int, folder: Path) -> dict[str, float]:
    """Do one piece of work in this process; return CPU seconds and MiB."""
    with tempfile.TemporaryDirectory() as scratch:  # imports are no growth
        write_run(Path(scratch), 10)
        WORK[name](100, Path(scratch))()
    work = WORK[name](spans, folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins at what is held now
    before = peak_mib()
    began = time.process_time()
    work()
    return {"seconds": time.process_time() - began, "mib": peak_mib() - before}


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of a line through the logarithms."""
    xs = [math.log(size) for size in sizes]
    ys = [math.log(max(value, 1e-9)) for value in values]
    middle, height = sum(xs) / len(xs), sum(ys) / len(ys)
    rise = sum((x - middle) * (y - height) for x, y in zip(xs, ys, strict=True))
    return rise / sum((x - middle) ** 2 for x in xs)


def measure(name: str, spans: int) -> dict[str, float]:
    """Measure in a fresh process, over a folder of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(max(spans // RUN_SPANS, 1)):
            write_run(Path(scratch), min(spans, RUN_SPANS) // 10, run=f"run-{number}", seed=number)
        words = [sys.executable, __file__, "--here", name, "--spans", str(spans)]
        done = subprocess.run([*words, "--folder", scratch], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2_000:]}")
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spans", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--publish", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure_here(options.here, options.spans[0], options.folder)))
        return
    sizes = options.spans
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores.\n",
        "| | "
        + " | ".join(f"{size:,} spans" for size in sizes)
        + " | exponent of time | of memory |",
        "|---|" + "---|" * (len(sizes) + 2),
    ]
    for name in WORK:
        found = [measure(name, size) for size in sizes]
        cells = [f"{one['seconds']:.1f} s, {one['mib']:,.0f} MiB" for one in found]
        fitted = [exponent(sizes, [one[kind] for one in found]) for kind in ("seconds", "mib")]
        lines.append(
            f"| {name} | {' | '.join(cells)} | " + " | ".join(f"{one:.2f}" for one in fitted) + " |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    table = "\n".join(lines)
    print(table)
    if options.publish:
        publish("growth", table)


if __name__ == "__main__":
    main()
