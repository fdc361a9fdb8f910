"""A real `mlflow server` with SQLite on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = Path(sys.executable).with_name("mlflow")


def is_installed() -> bool:
    """The server is part of mlflow, not of mlflow-skinny."""
    return COMMAND.exists() and shutil.which("uvicorn", path=str(COMMAND.parent)) is not None


@contextmanager
def mlflow_server(folder: Path, *, serve_artifacts: bool = True) -> Iterator[str]:
    """Start a server, and yield its address. SageMaker's own serve no artifacts: clients write them
    where the experiment says.
    """
    artifacts = (
        [f"--artifacts-destination={folder}/artifacts"]
        if serve_artifacts
        else ["--no-serve-artifacts", f"--default-artifact-root={folder}/artifacts"]
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "mlflow.log").open("wb")
    process = subprocess.Popen(
        [
            str(COMMAND),
            "server",
            "--host=127.0.0.1",
            f"--port={port}",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{folder}/mlflow.db",
            *artifacts,
        ],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PYTHONPATH": "",
        },
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process, folder)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        log.close()


def _wait(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(1_200):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            assert process.poll() is None, (folder / "mlflow.log").read_text()
            time.sleep(0.1)
    raise AssertionError((folder / "mlflow.log").read_text())
