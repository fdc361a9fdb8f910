"""Run the test suites of LangChain and LangGraph with the handler switched on for every test.

Each suite runs twice, without and with it. No outcome may change, and every span must be as an
independent shadow of the same events saw it, but for the differences that `EXPECTED` explains.

    python scripts/foreign.py [SUITE ...] [--not-inline]

The suites come as sdists of the installed versions, into `.foreign/`. All four take ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".foreign"
PYTHON = HOME / "venv" / "bin" / "python"
SUITES = {
    "langchain-core": "tests/unit_tests",
    "langchain": "tests/unit_tests",
    "langgraph": "tests",
    "langgraph-prebuilt": "tests",
}
"""Package → the folder of its tests."""
PYTEST = ["-q", "--benchmark-disable", "-p", "no:cacheprovider", "-p", "no:codspeed"]
PYTEST += ["-p", "foreign_outcomes"]
COLUMNS = "tests", "changed", "shadow", "ours", "missing", "extra", "parents", "status", "faults"


class Expected(NamedTuple):
    """A difference that is meant."""

    test: str
    """Regular expression of the test's name."""
    kind: str
    """What differs: a column of the table."""
    reason: str


_COUNTS = "it counts the handlers of a call"
_INLINE = "langchain-core skips other handlers of an async completion model: see run_inline"
_AS_DATA = "a tool that returns its error as data has failed: docs/record.md"
EXPECTED = [
    Expected(r"test_merge_config_callbacks", "changed", _COUNTS),
    Expected(r"test_base\.py::test_async_batch_size", "changed", _INLINE),
    Expected(r"test_higher_order_lambda_runnable_async", "changed", _INLINE),
    Expected(r"test_map_astream$", "changed", _INLINE),
    Expected(r"test_stream_log_retriever", "changed", _INLINE),
    Expected(r"test_runnable_events_v[12]\.py::test_with_llm", "changed", _INLINE),
    Expected(r"test_(async_)?exception_handling_callable_\w+", "status", _AS_DATA),
    Expected(r"test_declining_leaves_the_tool_unrun", "status", _AS_DATA),
    Expected(r"test_tool_error_reaches_the_model_as_failed_output", "status", _AS_DATA),
    Expected(r"test_tool_node_individual_tool_error_handling", "status", _AS_DATA),
    Expected(
        r"test_closing_iterator_doesnt_raise_error",
        "status",
        "LangChain says that a stream ended well whose reader has gone; it counts as cancelled",
    ),
]


class Difference(NamedTuple):
    """One test in which something differs."""

    suite: str
    test: str
    kind: str
    what: str

    def reason(self) -> str | None:
        """Return why this difference is meant; None if it is a fault."""
        for expected in EXPECTED:
            if expected.kind == self.kind and re.search(expected.test, self.test):
                return expected.reason
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--not-inline", action="store_true", help="record with run_inline=False")
    arguments = parser.parse_args()
    suites = arguments.suites or list(SUITES)
    if unknown := set(suites) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    folders = {package: fetched(package) for package in SUITES}
    install(folders)
    table, differences = [], []
    for package in suites:
        row, found = compared(package, folders[package], arguments.not_inline)
        table.append([package, *row])
        differences += found
    print_table([["suite", *COLUMNS], *table])
    return report(differences)


def fetched(package: str) -> Path:
    """Return the unpacked sdist of the installed version of a package."""
    name = f"{package}-{version(package)}"
    folder = HOME / name
    if not folder.exists():
        download([f"{package}=={version(package)}"])
        (archive,) = HOME.glob(f"{package.replace('-', '?')}-{version(package)}.tar.gz")
        with tarfile.open(archive) as sdist:
            sdist.extractall(HOME, filter="data")
        (HOME / archive.name.removesuffix(".tar.gz")).rename(folder)
    return folder


def download(wanted: list[str]) -> None:
    """Fetch sdists, with the pip of an environment: one that uv made has none."""
    HOME.mkdir(exist_ok=True)
    venv.create(HOME / "pip", with_pip=True)
    pip = [str(HOME / "pip" / "bin" / "python"), "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-binary", ":all:", "--dest", str(HOME), *wanted], check=True)


def install(folders: dict[str, Path]) -> None:
    """Make an environment with this package, those versions, and what their tests need."""
    wanted = [f"{package}=={version(package)}" for package in folders]
    done, what = HOME / "venv" / "installed.txt", "\n".join([sys.version, *wanted])
    if done.exists() and done.read_text() == what:
        return
    shutil.rmtree(HOME / "venv", ignore_errors=True)
    groups = [f"--group={folder / 'pyproject.toml'}:test" for folder in folders.values()]
    command = [*installer(), *wanted, *groups, "-e", f"{ROOT}[analysis]"]
    subprocess.run(command, check=True)
    done.write_text(what)


def installer() -> list[str]:
    """Make the environment and return the command that installs into it: uv, else pip."""
    if uv := shutil.which("uv"):
        make = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable]
        subprocess.run([*make, str(HOME / "venv")], check=True)
        return [uv, "pip", "install", "--quiet", "--no-sources", "--python", str(PYTHON)]
    subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)  # reads dependency groups
    return pip


def compared(package: str, folder: Path, not_inline: bool) -> tuple[list[int], list[Difference]]:
    """Run a suite without and with the handler; return its row of the table and what differs."""
    print(f"{package}: without the handler, then with it", flush=True)
    target = [SUITES[package]]
    without = outcomes(run_tests(folder, "without", target))
    rows = run_tests(folder, "with", target, record=True, not_inline=not_inline)
    with_it = outcomes(rows)
    changed = {test for test in without | with_it if without.get(test) != with_it.get(test)}
    if changed:  # what depends on the time, or on the order, differs by itself
        again = sorted(changed)
        without = outcomes(run_tests(folder, "without-again", again))
        with_it = outcomes(
            run_tests(folder, "with-again", again, record=True, not_inline=not_inline)
        )
        changed = {test for test in again if without.get(test) != with_it.get(test)}
    found = [
        Difference(package, test, "changed", f"{without.get(test)} → {with_it.get(test)}")
        for test in sorted(changed)
    ]
    compared_tests = [row for row in rows if "spans" in row]
    sums: Counter[str] = Counter(tests=len(compared_tests), changed=len(changed))
    for row in compared_tests:
        for kind, value in row["spans"].items():
            sums[kind] += value if isinstance(value, int) else len(value)
            if value and kind not in ("shadow", "ours"):
                found.append(Difference(package, row["test"], kind, str(value)))
    return [sums[column] for column in COLUMNS], found


def run_tests(
    folder: Path,
    name: str,
    tests: list[str],
    *,
    record: bool = False,
    not_inline: bool = False,
) -> list[dict[str, Any]]:
    """Run tests of a suite; return the lines that the plugin wrote."""
    log = folder / f"{name}.jsonl"
    log.unlink(missing_ok=True)
    recording = ["-p", "foreign_spans"] if record else []
    environment = os.environ | {
        "FOREIGN_LOG": str(log),
        "FOREIGN_NOT_INLINE": "1" if not_inline else "",
        "LANGSMITH_TRACING": "false",
        "NO_DOCKER": "true",  # langgraph's: in place of Postgres and Redis, memory and SQLite
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "scripts")]),
        "XDG_STATE_HOME": str(HOME / "state"),
    }
    with open(folder / f"{name}.txt", "w") as output:
        subprocess.run(
            [str(PYTHON), "-m", "pytest", *PYTEST, *recording, *tests],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not log.exists():
        raise SystemExit(f"No test ran; see {output.name}.")
    return [json.loads(line) for line in log.read_text().splitlines()]


def outcomes(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return what became of each test. The last word of a test that failed twice is enough."""
    return {row["test"]: row["outcome"] for row in rows if "outcome" in row}


def print_table(table: list[list[Any]]) -> None:
    widths = [max(len(str(row[place])) for row in table) for place in range(len(table[0]))]
    for row in table:
        print("  ".join(str(cell).rjust(width) for cell, width in zip(row, widths, strict=True)))


def report(differences: list[Difference]) -> int:
    """Print each difference; return 1 if one of them is not meant."""
    unexpected = [one for one in differences if one.reason() is None]
    for reason, count in Counter(one.reason() for one in differences if one.reason()).items():
        print(f"{count} as expected: {reason}")
    for one in unexpected:
        print(f"NOT EXPECTED  {one.suite}  {one.test}\n    {one.kind}: {one.what}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
