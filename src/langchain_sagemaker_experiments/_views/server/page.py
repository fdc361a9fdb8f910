"""The page and its files: those of the report, served one by one. Nothing else of a disk is."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from ..report.page import LIVE_SCRIPTS, STYLES, VENDORED, asset, live_page

_TYPES: Final = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@lru_cache(maxsize=1)
def files() -> dict[str, tuple[bytes, str]]:
    """Return name → content and media type of everything the page loads."""
    found = {}
    for folder, names in (("vendor", VENDORED), ("assets", LIVE_SCRIPTS), *STYLES):
        for name in names:
            kind = _TYPES[name.rsplit(".", 1)[-1]]
            found[name] = (asset(folder, name).encode(), kind)
    return found


@lru_cache(maxsize=1)
def _stamp() -> str:
    digest = hashlib.sha256()
    for content, _ in files().values():
        digest.update(content)
    return digest.hexdigest()[:12]


def page(title: str) -> str:
    """Return the page. Its files are named with a stamp, so that a newer version is not taken for
    this one.
    """
    return live_page(title, [f"files/{name}?{_stamp()}" for name in files()])
