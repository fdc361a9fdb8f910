"""`sagemaker-traces view`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from .._query.cache import SIZE_VARIABLE, cache_bytes, cache_folder
from .._views.server import view
from .._views.server.addresses import LOOPBACK


def run_view(
    console: Console, errors: Console, where: dict[str, Any], *, show: bool, **options: Any
) -> None:
    """Open the window, say where, and keep it open until Ctrl-C."""
    if options["host"] != LOOPBACK:
        errors.print(
            f"Listening on {options['host']}: everybody who can reach this machine and has the"
            " address below can read all traces. The connection is not encrypted.",
            style="yellow",
            highlight=False,
        )
    with view(**where, open_browser=False, **options) as window, _until_told():
        console.print(
            f"Window on {window.source}\n  {window.url}\nThe address works once."
            f" Index: {cache_folder()}, at most {cache_bytes() / 1024**3:g} GiB"
            f" ({SIZE_VARIABLE}); it may be deleted. Ctrl-C ends the window.",
            soft_wrap=True,
            highlight=False,
        )
        if show:
            window.open_browser()
        window.wait()


@contextlib.contextmanager
def _until_told() -> Iterator[None]:
    """End quietly at Ctrl-C, and at a request to terminate."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
