"""Runs of a chain with a prompt, made by a handler that records with what they were made; and what
pages show of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler

from .browser import Opened


def record_with_prompt(folder: Path, run_name: str, system: str, **settings: Any) -> None:
    """Record two calls of a chain with this system message, each with a flush of its own."""
    prompt = ChatPromptTemplate.from_messages([("system", system), ("human", "Say {x}")])
    chain = prompt | FakeListChatModel(responses=["Blub."])
    with OfflineRun(folder, experiment_name="prompts", run_name=run_name) as run:
        handler = SageMakerCallbackHandler(run, record_provenance=True, **settings)
        for word in ("fish", "ship"):
            chain.invoke({"x": word}, config={"callbacks": [handler]})
            handler.flush_tracker()


def check_prompts_compared(browser: Opened) -> None:
    """The page shows which prompt differs between two runs, with the words, and what else does."""
    page = browser.page
    page.wait_for_selector("#prompts del")
    said = page.inner_text("#prompts")
    assert "ChatPromptTemplate 2 versions" in said
    assert "<img src=x>" in said
    assert page.inner_text("#prompts del").strip() == "terse"
    assert page.inner_text("#prompts ins").strip() == "kind"
    # The baseline stands to the left.
    page.select_option("#baseline", label="two")
    page.wait_for_selector("#prompts del:has-text('kind')")
    page.check("#only-changed")
    browser.until("document.querySelectorAll('#compare-table .parameter').length === 1")
    names = page.locator("#compare-table .parameter")
    assert names.all_inner_texts() == ["prompt.ChatPromptTemplate"]
    assert "changed" in (names.first.get_attribute("class") or "").split()
