"""Opens the browser through a file that only this user can read: an address on a command line can
be read by everybody on the machine.
"""

from __future__ import annotations

import contextlib
import html
import os
import secrets
import webbrowser
from pathlib import Path

from ..._query.cache import cache_folder


class Opener:
    """Files that lead a browser to the window; removed when it closes."""

    def __init__(self) -> None:
        self._files: list[Path] = []

    def open(self, url: str) -> bool:
        """Open an address in the user's browser; return False where there is none."""
        try:
            browser = webbrowser.get()
        except webbrowser.Error:
            return False
        return browser.open(self.file(url).as_uri())

    def file(self, url: str) -> Path:
        """Return a file of mode 0600 that leads to an address."""
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"open-{secrets.token_hex(8)}.html"
        target = html.escape(url, quote=True)
        page = (
            '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0; url={target}"><title>Opening</title>'
            f'<p><a href="{target}">Open the window</a></p>'
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(page)
        self._files.append(path)
        return path

    def close(self) -> None:
        """Remove the files."""
        while self._files:
            with contextlib.suppress(OSError):
                self._files.pop().unlink()
