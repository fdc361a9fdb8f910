"""Programs in processes of their own, at a fraction of the cost of starting Python for each.

A zygote has imported everything and forks a child for each program. The child is a process like any
other: it ends as the program ends it, with the interpreter's own shutdown.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
SECONDS = 120
PRELUDE = """
import os, signal, sys, threading, time
from langchain_core.outputs import Generation, LLMResult
from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler
from support.spans import record
if hasattr(signal, "SIGHUP"):  # ignored where the tests run under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


@dataclass
class Done:
    """How a program ended."""

    returncode: int
    stdout: str
    stderr: str


class Program:
    """A program that runs.

    Attributes:
        pid: its process.
    """

    def __init__(self, zygote: Zygote, pid: int, folder: Path) -> None:
        self._zygote = zygote
        self.pid = pid
        self._folder = folder

    def output(self) -> str:
        """Return what it has printed so far."""
        return (self._folder / "stdout").read_text()

    def await_output(self, text: str) -> None:
        """Wait until it has printed a text."""
        await_true(lambda: text in self.output())

    def kill(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> Done:
        """Wait for its end."""
        status = self._zygote.status(self.pid)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return Done(code, self.output(), (self._folder / "stderr").read_text())


class Zygote:
    """Forks programs."""

    def __init__(self) -> None:
        paths = [str(TESTS), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from support.programs import serve; exec(serve())"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._folder = tempfile.TemporaryDirectory(prefix="programs-")
        self._count = 0

    def start(self, code: str, **environment: str) -> Program:
        """Start a program; `record(handler, prompt)` and the usual names are there."""
        self._count += 1
        folder = Path(self._folder.name) / str(self._count)
        folder.mkdir()
        (folder / "stdout").touch()
        request = {
            "code": PRELUDE + textwrap.dedent(code),
            "folder": str(folder),
            "environment": environment,
        }
        return Program(self, self._ask(request), folder)

    def run(self, code: str, **environment: str) -> Done:
        """Run a program to its end."""
        return self.start(code, **environment).wait()

    def status(self, pid: int) -> int:
        """Return the status of a program once it has ended; one that hangs is killed."""
        return self._ask({"wait": pid})

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the zygote."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()


def serve() -> str:
    """Fork a child for each request; return the program in the child, and an empty one at the
    end.
    """
    import boto3  # noqa: F401
    import langchain_core.outputs  # noqa: F401

    import langchain_sagemaker_experiments as package
    from langchain_sagemaker_experiments import handler  # noqa: F401

    for name in ("load_spans", "BotoRun", "OfflineRun"):
        getattr(package, name)
    from langchain_sagemaker_experiments import _delivery  # noqa: F401
    from langchain_sagemaker_experiments._delivery import assembly  # noqa: F401

    gc.freeze()  # a child need not look at, and so copy, what all of them have
    answers = os.fdopen(os.dup(1), "w")
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if "wait" in request:
            print(_await_end(request["wait"]), file=answers, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            return _become(request)
        print(pid, file=answers, flush=True)
    return ""


def _become(request: dict[str, Any]) -> str:
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(Path(request["folder"]) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.environ.update(request["environment"])
    return str(request["code"])


def _await_end(pid: int) -> int:
    end = time.monotonic() + SECONDS
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def await_true(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
