"""Live windows that close after the test, with their indexes in a folder of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import Window, view


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the indexes."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SAGEMAKER_TRACES_CACHE", str(folder))
    return folder


@pytest.fixture
def open_view() -> Iterator[Callable[..., Window]]:
    """Open windows that are closed at the end."""
    opened: list[Window] = []

    def make(*arguments: Any, **options: Any) -> Window:
        window = view(*arguments, open_browser=False, **{"port": 0, **options})
        opened.append(window)
        return window

    yield make
    for window in opened:
        window.close()
