"""What a run costs before it does anything: import time and installed size of `BotoRun` and of the
sagemaker SDK's `Run`.

    python benchmarks/boto_run.py [--rounds 9]

Times are the median of fresh processes, less that of a process that imports nothing. Sizes are
those of the files that pip installed for a package and for all that it requires, without extras.
The SDK that is installed here is measured.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from importlib import metadata

from packaging.requirements import Requirement

WAYS = {
    "`BotoRun`": ("from langchain_sagemaker_experiments import BotoRun", ["boto3"]),
    "`BotoRun` and handler": (
        "from langchain_sagemaker_experiments import BotoRun, SageMakerCallbackHandler, "
        "FlushResult",
        ["langchain-sagemaker-experiments"],
    ),
    "`Run` of sagemaker-core (SDK 3)": (
        "from sagemaker.core.experiments.run import Run",
        ["sagemaker-core"],
    ),
    "`Run` of sagemaker 2": ("from sagemaker.experiments.run import Run", ["sagemaker"]),
}


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="processes for each time")
    rounds = parser.parse_args().rounds
    nothing = import_time("pass", rounds)
    print("| | import s | installed MB | packages |\n| --- | --- | --- | --- |")
    for name, (statement, packages) in WAYS.items():
        try:
            seconds = import_time(statement, rounds) - nothing
        except subprocess.CalledProcessError:
            continue
        needed = closure(packages)
        megabytes = sum(size(package) for package in needed) / 1e6
        print(f"| {name} | {seconds:.2f} | {megabytes:.0f} | {len(needed)} |")


def import_time(statement: str, rounds: int) -> float:
    """Return the median of the wall times of fresh processes that run a statement, in seconds.

    Raises:
        CalledProcessError: the statement fails, such as for a package that is not installed.
    """
    command = [sys.executable, "-c", statement]
    subprocess.run(command, check=True, capture_output=True)  # compiles what was not compiled yet
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def closure(packages: list[str]) -> set[str]:
    """Return the packages and all that they require, as far as they are installed."""
    found: set[str] = set()
    waiting = [(name, frozenset({""})) for name in packages]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found.add(distribution.metadata["Name"].lower().replace("_", "-"))
        for text in distribution.requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append((needed.name, frozenset({"", *needed.extras})))
    return found


def size(package: str) -> int:
    """Return the bytes of a package's files, compiled ones left out."""
    files = metadata.distribution(package).files or []
    return sum(
        file.locate().stat().st_size
        for file in files
        if file.suffix != ".pyc" and file.locate().is_file()
    )


if __name__ == "__main__":
    main()
