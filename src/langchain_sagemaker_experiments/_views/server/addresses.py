"""Under which addresses a window is reached: directly, through a tunnel, through a proxy."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

LOOPBACK: Final = "127.0.0.1"
_STUDIO: Final = Path("/opt/ml/metadata/resource-metadata.json")
"""What SageMaker Studio writes into each of its applications."""
_STUDIO_HOSTS: Final = "*.sagemaker.aws"
_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class Addresses:
    """What a browser is told, and what its requests may name.

    Attributes:
        base: the page's address, ends in `/`; the path alone where the host is not known.
        path: the path of it.
        hosts: what a `Host` header may be.
        frame: the page's address for a frame in a notebook.
    """

    base: str
    path: str
    hosts: tuple[str, ...]
    frame: str

    def opening(self, token: str) -> str:
        """Return the address that exchanges a token for a session."""
        return f"{self.base}open?token={token}"

    def framed(self, token: str) -> str:
        """Return the same for a frame: a notebook is usually opened as `localhost`, and a cookie
        that is SameSite=Strict is sent in a frame of the same name only.
        """
        return f"{self.frame}open?token={token}"


def addresses_of(host: str, port: int, base_url: str | None) -> Addresses:
    """Return the addresses of a server, from where it listens and what stands before it."""
    told = base_url if base_url is not None else studio_path(port)
    name = LOOPBACK if host in _ANYWHERE else host
    own = [f"{LOOPBACK}:{port}", f"localhost:{port}", f"[::1]:{port}"]
    if host not in (LOOPBACK, *_ANYWHERE):
        own.append(f"{_bracketed(host)}:{port}".lower())
    if host in _ANYWHERE:
        own += [f"{name}:{port}".lower() for name in _names_of_this_machine()]
    if told is None:
        base = f"http://{_bracketed(name)}:{port}/"
        frame = f"http://localhost:{port}/" if name == LOOPBACK else base
        return Addresses(base, "/", tuple(own), frame)
    parts = urlsplit(told if told.endswith("/") else f"{told}/")
    if parts.netloc:
        return Addresses(parts.geturl(), parts.path, (*own, parts.netloc.lower()), parts.geturl())
    path = f"/{parts.path.lstrip('/')}"
    # Only a path: the proxy is on this machine, under any port, or Studio's.
    hosts = (*own, "localhost:*", f"{LOOPBACK}:*", _STUDIO_HOSTS)
    return Addresses(path, path, hosts, path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _names_of_this_machine() -> set[str]:
    name = socket.gethostname()
    found = {name, socket.getfqdn()}
    with contextlib.suppress(OSError):
        found.update(str(entry[4][0]) for entry in socket.getaddrinfo(name, None))
    return found


def studio_path(port: int) -> str | None:
    """Return where SageMaker Studio's proxy shows a port; None outside of Studio."""
    try:
        told = orjson.loads(_STUDIO.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    if not isinstance(told, dict) or "AppType" not in told:
        return None
    app = {"JupyterServer": "jupyter", "KernelGateway": "jupyter", "CodeEditor": "codeeditor"}
    default = f"/{app.get(told['AppType'], 'jupyterlab')}/default/proxy/{port}/"
    return os.environ.get("SAGEMAKER_TRACES_BASE_URL", "").replace("{port}", str(port)) or default
