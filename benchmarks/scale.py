"""The same question over many spans in pandas, in Dask and in DuckDB: equal answers, time and peak
memory of each.

    python benchmarks/scale.py [--spans 1000000] [--folder FOLDER] [--publish]

Each engine works in a process of its own, so that its peak memory is its own. Dask runs a local
cluster of two workers with a memory limit below the size of the data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from made_spans import write_run
from publish import publish

LIMIT = 1_000_000_000
"""Bytes of memory that Dask gives each of its two workers."""


def by_pandas(folder: Path) -> Any:
    """All spans as one DataFrame, then the question."""
    from langchain_sagemaker_experiments import load_spans, summarize

    return summarize(load_spans(folder), "model")


def by_dask(folder: Path) -> Any:
    """Lazily, on a local cluster."""
    from distributed import Client, LocalCluster

    from langchain_sagemaker_experiments import scan_spans, summarize

    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=LIMIT, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        answer = summarize(scan_spans(folder), "model")
        WORKERS.extend(client.run(peak_mib).values())
    return answer


WORKERS: list[float] = []


def peak_mib() -> float:
    """The most memory this process has held."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def by_duckdb(folder: Path) -> Any:
    """The Parquet files, in SQL."""
    import duckdb

    return duckdb.sql(
        f"""select model, count(*) spans,
        sum((status = 'error')::int)::bigint errors, avg((status = 'error')::int) error_rate,
        quantile_cont(duration_ms, 0.5) latency_p50_ms,
        quantile_cont(duration_ms, 0.9) latency_p90_ms,
        quantile_cont(duration_ms, 0.99) latency_p99_ms,
        quantile_cont(time_to_first_token_ms, 0.5) time_to_first_token_p50_ms,
        sum(input_tokens)::bigint input_tokens, sum(output_tokens)::bigint output_tokens
        from read_parquet('{folder}/**/*.parquet')
        where kind in ('llm', 'chat_model', 'embedding') group by model order by model"""
    ).df()


ENGINES = {"pandas": by_pandas, "dask": by_dask, "duckdb": by_duckdb}


def ask(engine: str, folder: Path) -> None:
    """Answer with one engine; print time, peak memory and answer."""
    began = time.perf_counter()
    answer = ENGINES[engine](folder)
    took = time.perf_counter() - began
    print(
        json.dumps(
            {
                "seconds": took,
                "mib": [peak_mib(), *WORKERS],
                "answer": answer.to_dict(orient="list"),
            }
        )
    )


def main() -> None:
    """Write the spans, compact them, ask each engine, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument(
        "--publish", action="store_true", help="write the table into the pages that quote it"
    )
    parser.add_argument("--ask", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, options.folder)
        return
    from langchain_sagemaker_experiments import compact

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        runs = 20
        size = sum(
            write_run(folder, options.spans // 10 // runs, run=f"run-{n}", seed=n)
            for n in range(runs)
        )
        began = time.perf_counter()
        done = compact(folder)
        took = time.perf_counter() - began
        parquet = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        said = (
            f"{done.spans:,} spans, {size / 1e6:,.0f} MB of JSON, {parquet / 1e6:,.0f} MB of "
            f"Parquet; compacted in {took:.0f} s"
        )
        print(said)
        table = [
            f"{said}.",
            "",
            '| engine, `summarize(by="model")` | time | peak memory of each process |',
            "|---|---|---|",
        ]
        answers: dict[str, Any] = {}
        for engine in ENGINES:
            words = [sys.executable, __file__, "--ask", engine, "--folder", str(folder)]
            answers[engine] = json.loads(
                subprocess.run(
                    words, capture_output=True, text=True, check=True
                ).stdout.splitlines()[-1]
            )
            found = answers[engine]
            peaks = " + ".join(f"{mib:,.0f}" for mib in found["mib"])
            print(f"{engine}: {found['seconds']:.1f} s, peak memory {peaks} MiB")
            table.append(f"| {engine} | {found['seconds']:.1f} s | {peaks} MiB |")
        for name, values in answers["pandas"]["answer"].items():
            for engine in ENGINES:
                others = answers[engine]["answer"][name]
                same = all(
                    a == b or abs(a - b) <= 1e-9 * abs(a)
                    for a, b in zip(values, others, strict=True)
                )
                if not same:
                    raise SystemExit(f"{engine} answers {others} for {name}, pandas {values}")
        print("equal answers")
        if options.publish:
            publish("scale", "\n".join(table))


if __name__ == "__main__":
    main()
