"""A page of a real browser that remembers what it did wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCREENSHOTS = Path(__file__).parent.parent.parent / "test-output" / "screenshots"

# Nothing of the browser's own may try to reach a network: the tests run where there is none.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Opened:
    """A page, and all it said on the console and asked of the network."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    own: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.on(
            "console", lambda message: self.messages.append(f"{message.type}: {message.text}")
        )
        self.page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.page.on(
            "dialog",
            lambda dialog: (self.messages.append(f"dialog: {dialog.message}"), dialog.dismiss()),
        )
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, fragment: str = "") -> Any:
        """Open a report and wait until it has drawn itself."""
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def open_window(self, window: Any, fragment: str = "") -> Any:
        """Open a live window and wait until it has drawn itself."""
        self.own = (f"http://127.0.0.1:{window.port}/",)
        self.page.goto(window.url)
        self.page.wait_for_selector("html[data-ready]")
        if fragment:
            self.page.evaluate("hash => { location.hash = hash }", fragment)
        return self.page

    def until(self, expression: str) -> None:
        """Wait until an expression is true. Playwright's own wait would have the page evaluate a
        text, which its policy forbids.
        """
        for _ in range(400):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"never true: {expression}")

    def keep(self, name: str) -> None:
        """Keep a screenshot as test output."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def network(self) -> list[str]:
        """What was asked for beyond the file itself."""
        return [
            url
            for url in self.requests
            if not url.startswith(("file:///", "data:,", "about:srcdoc", *self.own))
        ]
