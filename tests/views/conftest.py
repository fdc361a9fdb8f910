"""A real browser for the pages: Debian's Chromium driven by Playwright; without it the tests are
skipped and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from support.browser import FLAGS, Opened


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium, started once for a file: Playwright runs an event loop in this thread, which other
    tests want for themselves.
    """
    binary = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if binary is None:
        pytest.skip(
            "no Chromium here: install Debian's package chromium, or set CHROMIUM to the path of "
            "one"
        )
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Opened]:
    """A fresh page; at the end it must have said nothing on the console and asked for nothing but
    its own file.
    """
    opened = Opened(chromium.new_page(viewport={"width": 1360, "height": 800}))
    yield opened
    opened.page.close()
    assert opened.messages == []
    assert opened.network() == []
