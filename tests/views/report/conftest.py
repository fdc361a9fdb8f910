"""A real browser for the report: Debian's Chromium driven by Playwright; without it the tests are
skipped and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments.demo import stand_ins
from langchain_sagemaker_experiments.demo._scenarios import SCENARIOS
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
            "no Chromium here: install Debian's package chromium, or set CHROMIUM to the path of one"
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


@pytest.fixture(scope="session")
def scenario_spans(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Spans of the three scenarios, each in a run of its own."""
    folder = tmp_path_factory.mktemp("scenarios")
    with stand_ins(force=True):
        for run_name, _, scenario in SCENARIOS:
            with (
                OfflineRun(folder, experiment_name="scenarios", run_name=run_name) as run,
                SageMakerCallbackHandler(run) as handler,
            ):
                scenario(handler)
    return load_spans(folder)


@pytest.fixture(scope="session")
def scenarios(scenario_spans: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the three scenarios."""
    from langchain_sagemaker_experiments import render_report

    return render_report(scenario_spans, tmp_path_factory.mktemp("report") / "report.html").path
