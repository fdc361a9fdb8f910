"""The live window in a real browser: a trace appears as it is recorded, and is opened, filtered,
followed and scored.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_sagemaker_experiments import (
    OfflineRun,
    Window,
    load_examples,
    load_scores,
    load_spans,
)
from support.browser import Opened
from support.prompted import check_prompts_compared, record_with_prompt

RECORD = """
import sys
from support.window import record
print(record(sys.argv[1], sys.argv[2], session=sys.argv[3]))
"""


def record_elsewhere(folder: Path, question: str, session: str = "s-1") -> str:
    """Record a trace in another process; return its id."""
    tests = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", RECORD, str(folder), question, session],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_from_an_empty_folder_to_a_score(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    window = open_view(folder)
    page = browser.open_window(window)
    page.wait_for_selector("#empty", state="visible")
    assert "OfflineRun" in page.inner_text("#empty")
    assert str(folder) in page.inner_text("#empty")
    browser.keep("window-empty")

    trace_id = record_elsewhere(folder, "fish")
    page.wait_for_selector("#trace-table .tabulator-row", state="visible")
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1  # no reload
    assert "About fish" in page.inner_text("#trace-table")
    record_elsewhere(folder, "ships", session="s-2")
    page.wait_for_selector("#trace-table .tabulator-row.new:has-text('About ships')")
    browser.keep("window-traces")

    page.fill("#search", "FISH")
    browser.until("document.querySelectorAll('#trace-table .tabulator-row').length === 1")
    assert page.inner_text("#count") == "1 of 2 traces"
    assert "q=FISH" in page.evaluate("location.hash")

    page.locator("#trace-table .tabulator-row").first.click()
    page.wait_for_selector(".span-row.chosen")
    page.wait_for_selector("#section-inputs")
    assert page.inner_text("#trace-name") == "answerer"
    assert page.locator(".span-row").count() == 4
    browser.keep("window-trace")

    page.fill(".score-form .comment", "well said")
    page.get_by_role("button", name="Score: good").click()
    page.wait_for_selector("#section-scores .scores")
    assert "well said" in page.inner_text("#section-scores")
    scores = load_scores(folder)
    assert scores[["trace_id", "key", "score", "comment", "source"]].to_dict("records") == [
        {
            "trace_id": trace_id,
            "key": "helpful",
            "score": True,
            "comment": "well said",
            "source": "human",
        }
    ]

    page.click("#tab-sessions")
    page.wait_for_selector(".turn")
    assert page.locator(".session").count() == 1  # the filter is still in force
    assert "About fish" in page.inner_text("#chat")
    assert page.locator("#chat strong").inner_text() == "yes"  # Markdown, as elements
    browser.keep("window-session")
    page.locator(".turn-head").click()
    page.wait_for_selector("#view-trace", state="visible")


def test_an_address_with_a_filter_and_a_session_opens_there(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    for question, session in (("fish", "s-1"), ("ships", "s-1"), ("ropes", "s-2")):
        record_elsewhere(tmp_path / "runs", question, session)
    window = open_view(tmp_path / "runs")
    page = browser.open_window(window, "view=traces&session=s-1&min_ms=0")
    browser.until("document.querySelectorAll('#trace-table .tabulator-row').length === 2")
    assert "session s-1" in " ".join(page.inner_text("#chips").split())
    page.goto(f"http://127.0.0.1:{window.port}/#view=sessions&chat=s-1&by=session")
    page.reload()
    page.wait_for_selector(".turn")
    assert page.locator(".turn").count() == 2
    assert page.locator(".session").count() == 2
    page.goto(f"http://127.0.0.1:{window.port}/#view=overview")
    page.wait_for_selector("#overview canvas")
    page.locator(".bar-row", has_text="answerer").first.click()
    page.wait_for_selector("#trace-table", state="visible")
    assert "name answerer" in " ".join(page.inner_text("#chips").split())


def test_a_trace_that_goes_on_is_shown_as_it_does(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    from langchain_sagemaker_experiments import SageMakerCallbackHandler

    window = open_view(tmp_path / "runs")
    page = browser.open_window(window)
    with OfflineRun(tmp_path / "runs", experiment_name="e", run_name="r") as run:
        handler = SageMakerCallbackHandler(run)
        with handler.span("long", kind="agent", inputs={"a": 1}):
            with handler.span("first", kind="tool"):
                pass
            handler.flush_tracker()
            page.wait_for_selector("#trace-table .tabulator-row", state="visible")
            page.locator("#trace-table .tabulator-row").first.click()
            page.wait_for_selector("#trace-facts .status-running")
            with handler.span("second", kind="tool", inputs={"note": "find me"}):
                pass
        handler.flush_tracker()
        page.wait_for_selector("#trace-facts .status-ok")
        assert page.locator(".span-row").count() == 3
        page.fill("#trace-search", "FIND me")
        page.wait_for_selector(".span-row.hit")
        assert page.inner_text("#trace-found") == "1 span"
        page.press("#trace-search", "Enter")
        assert page.inner_text(".span-row.chosen .name") == "second"
        handler.close()


def test_two_traces_side_by_side_show_the_words_that_differ(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    one = record_elsewhere(tmp_path / "runs", "fish")
    other = record_elsewhere(tmp_path / "runs", "ships")
    window = open_view(tmp_path / "runs")
    page = browser.open_window(window, f"diff={one}&with={other}")
    page.wait_for_selector("#diff ins")
    assert "fish" in page.locator("#diff del").all_inner_texts()
    assert "ships" in page.locator("#diff ins").all_inner_texts()
    browser.keep("window-difference")


def test_the_window_tells_what_a_component_was_built_with(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    record_elsewhere(tmp_path / "runs", "fish")
    page = browser.open_window(open_view(tmp_path / "runs"), "view=architecture")
    page.locator("#drawing .node", has_text="ChatPromptTemplate").click()
    page.wait_for_selector("#node-details .tree")
    assert "input_variables" in page.inner_text("#node-details")


def test_two_runs_are_compared_example_by_example(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    from langchain_sagemaker_experiments import evaluate, load_spans, render_report

    examples = [{"inputs": {"n": n}, "reference_outputs": n * 2} for n in range(12)]

    def correct(outputs: Any, reference_outputs: Any) -> bool:
        return bool(outputs == reference_outputs)

    def good(inputs: dict[str, int]) -> int:
        return inputs["n"] * 2

    def worse(inputs: dict[str, int]) -> int:
        return inputs["n"] * 2 if inputs["n"] != 7 else -1

    for name, target in (("good", good), ("worse", worse)):
        with OfflineRun(tmp_path / "runs", experiment_name="e", run_name=name) as run:
            evaluate(target, examples, [correct], run=run)
    report = render_report(load_spans(tmp_path / "runs"), tmp_path / "r.html")
    for show in (
        lambda: browser.open_window(open_view(tmp_path / "runs"), "view=compare"),
        lambda: browser.open(report.path, "#view=compare"),
    ):
        page = show()
        page.wait_for_selector("#compare-plots canvas")
        page.select_option("#baseline", label="good")
        page.wait_for_selector(".example")
        assert "good" in page.inner_text("#pair-text")
        assert "became worse on correct" in page.inner_text("#pair-text")
        page.wait_for_selector("#pair-plots canvas")
        assert "1 → 0 (-1)" in page.locator(".example").first.inner_text()
        browser.keep("window-examples")
        page.locator(".example").first.click()
        page.wait_for_selector("#diff ins")
        assert page.locator("#diff del").all_inner_texts()[0] == "14"
        browser.keep("window-worst-example")


def test_the_prompts_that_differ_between_runs_are_shown(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    for name, manner in (("one", "terse"), ("two", "kind")):
        record_with_prompt(tmp_path / "runs", name, f"Be {manner}. <img src=x>")
    page = browser.open_window(open_view(tmp_path / "runs"))
    page.wait_for_selector("#trace-table .tabulator-row", state="visible")
    page.click("#tab-compare")
    check_prompts_compared(browser)
    browser.keep("window-compare-prompts")


def test_a_trace_is_added_to_the_examples(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    for question in ("fish", "ships"):
        record_elsewhere(folder, question)
    page = browser.open_window(open_view(folder))
    for question in ("fish", "ships", "fish"):  # the second time in its own place
        page.locator(f"#trace-table .tabulator-row:has-text('About {question}')").click()
        page.wait_for_selector(f"#details:has-text('About {question}')")
        page.click("#details button:has-text('Add to examples')")
        page.wait_for_selector("#details output:has-text('Added to')")
        browser.keep("window-add-example")
        page.click("#back")
    examples = load_examples(folder)
    assert [one["inputs"] for one in examples] == [{"question": "ships"}, {"question": "fish"}]
    assert [one["reference_outputs"] for one in examples] == [
        "About ships: **yes**, it is.",
        "About fish: **yes**, it is.",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_spans(folder)["trace_id"].nunique() == 2  # the file is no part
    page.locator("#trace-table .tabulator-row").first.click()
    page.locator(".span-row").nth(1).click()
    page.wait_for_selector("#details h3:has-text('ChatPromptTemplate')")
    page.click("#details button:has-text('Add to examples')")
    page.wait_for_selector("#details output:has-text('3 examples')")


def test_a_read_only_window_offers_no_examples(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    record_elsewhere(tmp_path / "runs", "fish")
    page = browser.open_window(open_view(tmp_path / "runs", read_only=True))
    page.locator("#trace-table .tabulator-row").first.click()
    page.wait_for_selector("#details button:has-text('Copy JSON')")
    assert page.locator("#details button:has-text('Add to examples')").count() == 0
