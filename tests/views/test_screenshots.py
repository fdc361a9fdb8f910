"""The pictures of README and docs, drawn by a real browser from a real trace, so that they never
lie. `UPDATE_SCREENSHOTS=1` writes them anew into `docs/images`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    load_spans,
    render_report,
)
from langchain_sagemaker_experiments.demo import Reply, scripted_openai
from support.browser import Opened

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MAX_BYTES = 150_000
"""A picture must not slow down the page that shows it."""

QUESTIONS = ("How old is Google?", "How old is Amazon?", "How old is a company nobody knows?")
FOUNDED = {"Google": 1998, "Amazon": 1994}


def company(text: str) -> str:
    return next((name for name in FOUNDED if name in text), "unknown")


def answer(text: str, request: dict[str, Any]) -> Reply | str:
    """A model that searches, subtracts, and answers."""
    messages = request["messages"]
    results = [message["content"] for message in messages if message["role"] == "tool"]
    name = company(messages[-1 - 2 * len(results)]["content"])
    if not results:
        asked = {"query": f"{name} founded in year"}
        return Reply(tool_calls=({"name": "search", "arguments": asked},), delay=0)
    if len(results) == 1:
        numbers = {"year": 2026, "founded": FOUNDED.get(name, 0)}
        return Reply(tool_calls=({"name": "subtract", "arguments": numbers},))
    return f"{name} was founded in {FOUNDED.get(name, 0)}, so it is {results[-1]} years old."


def record_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record three traces of an agent with two tools; the last one fails."""
    from langchain.agents import create_agent
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    @tool
    def search(query: str) -> str:
        """Search the web."""
        if "unknown" in query:
            raise LookupError(f"nothing was found for {query!r}")
        return str(FOUNDED[company(query)])

    @tool
    def subtract(year: int, founded: int) -> int:
        """Subtract one year from another."""
        return year - founded

    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "scripted")
    with scripted_openai(answer) as server:
        model = ChatOpenAI(model="gpt-4o-mini", temperature=0.1, base_url=server.base_url)
        agent = create_agent(model, [search, subtract], name="historian")
        with OfflineRun(folder, experiment_name="founded", run_name="first-try") as run:
            with SageMakerCallbackHandler(run) as handler:
                for question in QUESTIONS:
                    messages: Any = {"messages": [("user", question)]}
                    config: Any = {"callbacks": [handler], "metadata": {"session_id": "ages"}}
                    try:
                        agent.invoke(messages, config=config)
                    except LookupError:
                        continue


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screenshots")
    with pytest.MonkeyPatch.context() as monkeypatch:
        record_agent(folder / "runs", monkeypatch)
    return render_report(load_spans(folder / "runs"), folder / "report.html", title="founded").path


def save(page: Any, name: str) -> None:
    picture = page.screenshot(animations="disabled")
    assert len(picture) < MAX_BYTES, f"{name}: {len(picture):,} bytes"
    if os.environ.get("UPDATE_SCREENSHOTS") == "1":
        IMAGES.mkdir(exist_ok=True)
        (IMAGES / f"{name}.png").write_bytes(picture)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_pictures_of_the_docs_can_be_drawn(report: Path, browser: Opened, colours: Any) -> None:
    page = browser.page
    page.emulate_media(color_scheme=colours)
    page.set_viewport_size({"width": 1280, "height": 620})
    browser.open(report)
    page.wait_for_selector("#trace-table .tabulator-row")
    assert page.locator("#trace-table .tabulator-row").count() == len(QUESTIONS)
    save(page, f"traces-{colours}")

    page.locator("#trace-table .tabulator-row", has_text="How old is Google?").click()
    page.locator(".span-row", has_text="ChatOpenAI").last.click()
    page.wait_for_selector("#section-inputs")
    assert page.locator(".span-row").count() > 5
    save(page, f"trace-{colours}")


@pytest.mark.parametrize("name", ["trace-light", "trace-dark", "traces-light", "traces-dark"])
def test_each_picture_is_there_and_small(name: str) -> None:
    assert 5_000 < (IMAGES / f"{name}.png").stat().st_size < MAX_BYTES
