"""`view`: the live window, one server on this machine for one source."""

from __future__ import annotations

import html
import os
import socket
import threading
from pathlib import Path
from typing import Any, Final

from ..._analysis.example_file import examples_address
from ..._analysis.prices import Prices
from ..._query.listing import Source
from ...exceptions import MissingExtraError
from ..notebook import in_notebook
from .addresses import LOOPBACK, Addresses, addresses_of
from .opener import Opener

SOURCE_VARIABLE: Final = "SAGEMAKER_TRACES_SOURCE"
"""Settings variable: what is shown when no source is named; the folder `./runs` without it."""
DEFAULT_FOLDER: Final = "runs"
DEFAULT_PORT: Final = 8765
_HEIGHT: Final = 720
_WAITING: Final = 256
"""Connections that may wait to be taken."""


class Window:
    """A live window that is open. It closes with `close()`, or at the end of a `with` block.

    Attributes:
        port: where it listens.
        source: what it shows, as text.
    """

    def __init__(
        self,
        where: Source,
        *,
        read_only: bool,
        prices: Prices | None,
        host: str,
        port: int | None,
        base_url: str | None,
        examples: str | Path | None,
    ) -> None:
        from .serving import Serving

        place = None if examples is None else examples_address(examples)

        listening = _listen(host, port)
        self.port: int = listening.getsockname()[1]
        self.source = where.title
        self._addresses: Addresses = addresses_of(host, self.port, base_url)
        try:
            self._serving = Serving(where, read_only, prices, place, listening, self._addresses)
        except BaseException:
            listening.close()
            raise
        self._opener = Opener()
        self._closed = threading.Event()

    @property
    def url(self) -> str:
        """An address that opens the window in one browser. Each time it is asked for it is a new
        one, and each works once.
        """
        return self._addresses.opening(self._serving.access.new_token())

    def open_browser(self) -> bool:
        """Open the window in the user's browser; return False where there is none."""
        return self._opener.open(self.url)

    def wait(self) -> None:
        """Return when the window is closed."""
        while not self._closed.wait(0.5):
            pass

    def close(self) -> None:
        """Stop the server. Nothing is left but the index in the cache folder."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._serving.close()
        self._opener.close()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else f"port {self.port}"
        return f"<Window of {self.source}: {state}>"

    def _repr_html_(self) -> str:
        if self._closed.is_set():
            return "<p>This window is closed.</p>"
        frame = html.escape(self._addresses.framed(self._serving.access.new_token()), quote=True)
        link = html.escape(self.url, quote=True)
        return (
            f'<p><a href="{link}" target="_blank" rel="noopener">Open the window of'
            f" {html.escape(self.source)} in a tab</a></p>"
            f'<iframe src="{frame}" title="Live window" style="width:100%;height:{_HEIGHT}px;'
            'border:1px solid #ccc;border-radius:8px"></iframe>'
        )


def view(
    source: str | Path | Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    port: int | None = None,
    open_browser: bool = True,
    read_only: bool = False,
    host: str = LOOPBACK,
    base_url: str | None = None,
    prices: Prices | None = None,
    examples: str | Path | None = None,
) -> Window:
    """Open a live window: a page in the browser that shows each trace as it is written.

    It listens on this machine alone and shows itself only to the browser that opens its address;
    in a notebook the window that is returned shows itself as a frame.

    Args:
        source: a `Run`, an `OfflineRun`, an `s3://` address, or a folder, which need not exist yet.
            Without it and without an experiment: what `SAGEMAKER_TRACES_SOURCE` names, else the
            folder `runs`.
        experiment_name: in place of a source, all runs of an experiment.
        run_name: with `experiment_name`, one run of it.
        sagemaker_session: whose credentials and region to use; boto3's default ones otherwise.
        port: where to listen; 8765, or a free one if that is taken, by default.
        open_browser: open the page in the user's browser; in a notebook it is not opened.
        read_only: take no scores and no examples.
        host: the address to listen on. Another one than the loopback address lets everybody who
            can reach this machine and has the window's address read the traces.
        base_url: where a browser reaches this server through a proxy, as jupyter-server-proxy:
            `https://host/user/me/proxy/8765/`, or the path alone.
        prices: model to dollars for 1,000,000 tokens of input and of output; goes before the prices
            of `genai-prices`.
        examples: the `.jsonl` file, folder or `s3://` address that "Add to examples" adds a trace
            to; `examples.jsonl` in the source by default, where that is a folder or an address.

    Returns:
        The window, with `url`, `close()` and, in a notebook, a frame.

    Raises:
        MissingExtraError: the extra `view` is not installed.
        OSError: the port is taken, or the cache folder can't be written.
        ValueError: `examples` is a file of another kind.
    """
    _check_installed()
    if source is None and experiment_name is None:
        source = os.environ.get(SOURCE_VARIABLE) or DEFAULT_FOLDER
    where = Source(source, experiment_name, run_name, sagemaker_session)
    window = Window(
        where,
        read_only=read_only,
        prices=prices,
        host=host,
        port=port,
        base_url=base_url,
        examples=examples,
    )
    if open_browser and not in_notebook():
        window.open_browser()
    return window


def _check_installed() -> None:
    for name in ("starlette", "uvicorn", "duckdb", "jinja2"):
        try:
            __import__(name)
        except ImportError as error:
            raise MissingExtraError(name, "view", "The live window") from error


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a bound socket.

    Raises:
        OSError: the port is taken, or the host is none of this machine's.
    """
    wanted = DEFAULT_PORT if port is None else port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, wanted))
        except OSError:
            if port is not None:
                raise
            listening.bind((host, 0))
        # From now on a browser may come; it waits until the server is there.
        listening.listen(_WAITING)
    except BaseException:
        listening.close()
        raise
    return listening
