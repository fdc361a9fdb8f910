"""The live window on one million spans: how long until it is ready, the first time and with its
index, how quickly it answers, what memory it takes. Point 2 of what the window must show.

python benchmarks/window.py [--traces 100000] [--publish]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import publish
from made_spans import write_run

REPEATS = 20
PARTS = 64
"""Parts the spans lie in: some 16 MB each, as a flush writes them."""
QUESTIONS: dict[str, dict[str, Any]] = {
    "filter: status": {"status": "ok"},
    "filter: model and latency": {"model": "gpt-4o-mini", "min_ms": "1500"},
    "filter: tool and cost": {"tool": "search", "min_cost": "0.0004"},
    "sort: latency": {"sort": "duration"},
    "sort: cost": {"sort": "cost"},
    "sort: inputs": {"sort": "inputs", "down": "0"},
    "search: frequent word": {"q": "handbook"},
    "search: phrase": {"q": "fish of prompt"},
    "search: nothing": {"q": "no such words"},
}


class Server:
    """`sagemaker-traces view` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        begin = time.perf_counter()
        main = "from langchain_sagemaker_experiments._cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", main, "view", str(folder), "--no-open", "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "300", "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        url = [self.process.stdout.readline() for _ in range(3)][1].strip()
        self.base = url.partition("/open")[0]
        self.client = httpx.Client(base_url=self.base, follow_redirects=True, timeout=120)
        self.client.get(url).raise_for_status()
        self.first_rows: float | None = None
        self.workers = 0
        state: dict[str, Any] = {}
        while True:  # as the page does: each request waits until there is something new
            state = self.ask("state", **({"since": state["version"]} if state else {}))
            self.workers = max(self.workers, sum(map(peak_bytes, self.children())))
            if self.first_rows is None and state["traces"]:
                self.first_rows = time.perf_counter() - begin
            if state["ready"]:
                break
        self.ready = time.perf_counter() - begin
        self.spans = state["spans"]

    def ask(self, path: str, **parameters: Any) -> Any:
        return self.client.get(f"/api/{path}", params=parameters).raise_for_status().json()

    def children(self) -> list[int]:
        """Return the processes that prepare parts."""
        listed = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for path in listed for pid in path.read_text().split()]

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(60)


def peak_bytes(pid: int) -> int:
    """Return the highest memory of a process so far; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def median_ms(work: Callable[[], Any]) -> float:
    took = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        took.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(took)


def whole_texts(server: Server, text: str) -> dict[str, float]:
    """Return the seconds to the first progress, to the first hit and to the end of a search."""
    begin = time.perf_counter()
    found: dict[str, float] = {}
    with server.client.stream("GET", "/api/search", params={"text": text}) as answer:
        for line in answer.iter_lines():
            told, now = json.loads(line), time.perf_counter() - begin
            if told["done"] >= 1:
                found.setdefault("progress", now)
            if told["hits"]:
                found.setdefault("first hit", now)
            found["end"] = now
    return found


def measure(traces: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SAGEMAKER_TRACES_CACHE"] = str(Path(scratch) / "cache")
        folder = Path(scratch) / "runs"
        size = sum(
            write_run(folder, traces // PARTS, 10, run=f"run-{part}", seed=part)
            for part in range(PARTS)
        )
        first = Server(folder)
        figures: dict[str, Any] = {
            "spans": first.spans,
            "bytes of parts": size,
            "first rows s": first.first_rows,
            "ready s": first.ready,
        }
        answers = {
            name: median_ms(lambda asked=asked: first.ask("traces", **asked))
            for name, asked in QUESTIONS.items()
        }
        trace = first.ask("traces")["rows"][0]["trace_id"]
        answers["a trace"] = median_ms(lambda: first.ask(f"trace/{trace}"))
        span = first.ask(f"trace/{trace}")["spans"][-1]["span_id"]
        answers["a whole record"] = median_ms(lambda: first.ask(f"span/{span}"))
        answers["overview"] = median_ms(lambda: first.ask("overview"))
        answers["sessions"] = median_ms(lambda: first.ask("sessions"))
        figures["answers ms"] = answers
        figures["whole texts s"] = whole_texts(first, "bucket bucket bucket bucket")
        figures["peak bytes"] = peak_bytes(first.process.pid)
        figures["workers' bytes"] = first.workers
        figures["index bytes"] = first.ask("state")["cache_bytes"]
        first.close()
        again = Server(folder)
        figures["ready with index s"] = again.ready
        again.close()
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    whole = figures["whole texts s"]
    workers = "workers' bytes"
    rows = [
        ("first rows on the screen", f"{figures['first rows s']:.1f} s"),
        ("ready, the first time", f"{figures['ready s']:.1f} s"),
        ("ready, with the index", f"{figures['ready with index s']:.1f} s"),
        *((name, f"{ms:.0f} ms") for name, ms in figures["answers ms"].items()),
        ("search in whole texts: first hit", f"{whole.get('first hit', float('nan')):.2f} s"),
        ("search in whole texts: end", f"{whole['end']:.1f} s"),
        ("peak memory of the server", f"{figures['peak bytes'] / 1024**3:.2f} GiB"),
        (
            "peak memory of the processes that read, at the first look",
            f"{figures[workers] / 1024**3:.2f} GiB",
        ),
        ("size of the index", f"{figures['index bytes'] / 1024**2:.0f} MiB"),
    ]
    head = f"{figures['spans']:,} spans, {figures['bytes of parts'] / 1e9:.2f} GB of parts"
    lines = [f"| {head} | median of {REPEATS} |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    lines.append(f"\nPython {platform.python_version()}, {os.cpu_count()} cores.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--publish", action="store_true")
    told = parser.parse_args()
    text = table(measure(told.traces))
    print(text)
    if told.publish:
        publish.publish("window", text)


if __name__ == "__main__":
    main()
