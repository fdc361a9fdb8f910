"""Cold start: a fresh process imports, records one call and flushes, against the same process
without this package, whose upload is boto3's own first PUT.

    python benchmarks/cold_start.py [--rounds 15] [--json] [--publish]

S3 and SageMaker are the local stand-in, a server in another process on loopback. Each figure is
that of whole fresh processes, one for each way and round, in turn: CPU time of the process and its
children, and wall time, of the best round, less those of a process that does nothing. The floor is
run twice; what differs by less than the two differ is no difference. Both floors import
`langchain_core` and make one call of a model, because every user of the handler does.

Then it lists what the handler imports that the floor had not imported, by package, with the time
of `-X importtime`, which is larger than the time without it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from importlib import metadata

import boto3
from bulk import server
from publish import publish

BUCKET = "cold-start"
PACKAGE = "langchain_sagemaker_experiments"
MARK = "--- the handler begins ---"

APPLICATION = """
import langchain_core.callbacks
from langchain_core.language_models import FakeListChatModel
model = FakeListChatModel(responses=["a fine answer"])
"""
PUT = f"""
import boto3
s3 = boto3.client("s3")
s3.put_object(Bucket="{BUCKET}", Key="one", Body=b"x" * 600)
"""
CALL = 'model.invoke("hello")\n'
RECORDED = """
handler = SageMakerCallbackHandler(run)
model.invoke("hello", {"callbacks": [handler]})
assert handler.flush_tracker().spans == 1
"""
THROUGH_LOG_FILE = f"""
import boto3
from {PACKAGE} import SageMakerCallbackHandler

class Run:
    s3 = boto3.client("s3")

    def log_file(self, path, **options):
        with open(path, "rb") as file:
            self.s3.put_object(Bucket="{BUCKET}", Key="one", Body=file.read())

run = Run()
{RECORDED}"""
BOTO_RUN = f"""
import time
from {PACKAGE} import BotoRun, SageMakerCallbackHandler
run = BotoRun("cold", str(time.time_ns()), artifact_bucket="{BUCKET}")
{RECORDED}"""
ITS_REQUESTS = f"""
import time, boto3
name = f"cold-{{time.time_ns()}}"
sagemaker, metrics, s3 = map(boto3.client, ("sagemaker", "sagemaker-metrics", "s3"))
try:
    sagemaker.create_experiment(ExperimentName="cold")
except sagemaker.exceptions.ClientError:
    pass
try:
    sagemaker.create_trial(TrialName="cold-trial", ExperimentName="cold")
except sagemaker.exceptions.ClientError:
    pass
sagemaker.create_trial_component(TrialComponentName=name)
sagemaker.associate_trial_component(TrialName="cold-trial", TrialComponentName=name)
s3.put_object(Bucket="{BUCKET}", Key=name, Body=b"x" * 600)
place = {{"Value": f"s3://{BUCKET}/{{name}}"}}
sagemaker.update_trial_component(TrialComponentName=name, OutputArtifacts={{"traces": place}})
sagemaker.update_trial_component(
    TrialComponentName=name, Parameters={{"model": {{"StringValue": "FakeListChatModel"}}}}
)
one = {{"MetricName": "spans", "Value": 1.0, "Timestamp": str(int(time.time()))}}
metrics.batch_put_metrics(TrialComponentName=name, MetricData=[one])
"""
NOTHING, ALONE = "nothing", "boto3's first PUT, no LangChain"
FLOOR, AGAIN, SMALL = "LangChain, boto3's first PUT", "the same again", "handler, `log_file`"
REQUESTS, AGAIN_REQUESTS, RUN = "LangChain, a run's requests", "these again", "handler, `BotoRun`"
WAYS = {
    NOTHING: "pass",
    ALONE: PUT,
    FLOOR: APPLICATION + CALL + PUT,
    AGAIN: APPLICATION + CALL + PUT,
    SMALL: APPLICATION + THROUGH_LOG_FILE,
    REQUESTS: APPLICATION + CALL + ITS_REQUESTS,
    AGAIN_REQUESTS: APPLICATION + CALL + ITS_REQUESTS,
    RUN: APPLICATION + BOTO_RUN,
}
FLOORS = {SMALL: FLOOR, AGAIN: FLOOR, RUN: REQUESTS, AGAIN_REQUESTS: REQUESTS}
TARGET = 1.15


def environment() -> dict[str, str]:
    """Return this process's environment, in which modules are compiled once and kept."""
    return {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}


def run_once(code: str) -> tuple[float, float]:
    """Return CPU and wall seconds of a fresh process and its children."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, env=environment()
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"it ended with {process.returncode}:\n{code}")
    return usage.ru_utime + usage.ru_stime, wall


def measure(rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least CPU and wall seconds of each way, less those of a process that does
    nothing.
    """
    best = dict.fromkeys(WAYS, (float("inf"), float("inf")))
    for name, code in WAYS.items():
        run_once(code)  # compiles what was not compiled yet
        assert name in best
    for _ in range(rounds):
        for name, code in WAYS.items():
            best[name] = tuple(map(min, best[name], run_once(code)))  # type: ignore[assignment]
    cpu, wall = best.pop(NOTHING)
    return {name: (found[0] - cpu, found[1] - wall) for name, found in best.items()}


def new_imports(floor: str, ours: str) -> dict[str, tuple[int, float]]:
    """Return what `ours` imports after `floor` ran: package → modules, milliseconds."""
    code = f"{floor}\nimport sys; print({MARK!r}, file=sys.stderr, flush=True)\n{ours}"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    packages: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for line in done.stderr.split(MARK)[1].splitlines():
        if not line.startswith("import time:"):
            continue
        own, _, module = line.removeprefix("import time:").split("|")
        words = module.strip().split(".")
        name = ".".join(words[:2]) if words[0] == PACKAGE else words[0]
        count, took = packages[name]
        packages[name] = count + 1, took + int(own) / 1e3
    return dict(sorted(packages.items(), key=lambda item: -item[1][1]))


def as_table(found: dict[str, tuple[float, float]], rounds: int) -> str:
    """Return machine and figures as Markdown."""
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("boto3", "langchain-core", "orjson")
    )
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; best "
        f"of {rounds} fresh processes; {versions}.\n",
        "| fresh process | CPU ms | wall ms | CPU / its floor | wall / its floor | target |",
        "|---|---|---|---|---|---|",
    ]
    for name, (cpu, wall) in found.items():
        floor = FLOORS.get(name)
        ratios = ["–", "–"]
        if floor is not None:
            ratios = [f"{cpu / found[floor][0]:.2f}×", f"{wall / found[floor][1]:.2f}×"]
        target = f"{TARGET:.2f}" if name in (SMALL, RUN) else "–"
        lines.append(
            f"| {name} | {cpu * 1e3:.0f} | {wall * 1e3:.0f} | {' | '.join(ratios)} | {target} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table, and what is imported."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="processes of each (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--publish", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    with server():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        found = measure(options.rounds)
        small = new_imports(WAYS[FLOOR], WAYS[SMALL])
        run = new_imports(WAYS[REQUESTS], WAYS[RUN])
    if options.json:
        print(json.dumps(found))
        return
    table = as_table(found, options.rounds)
    print(table)
    for title, packages in ((SMALL, small), (RUN, run)):
        total = sum(took for _, took in packages.values())
        print(f"\n{title}: imported besides, {total:.0f} ms with -X importtime")
        for name, (modules, took) in packages.items():
            print(f"{took:8.1f} ms {modules:4d} modules  {name}")
    if options.publish:
        publish("cold_start", table)


if __name__ == "__main__":
    main()
