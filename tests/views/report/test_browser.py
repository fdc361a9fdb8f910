"""The report in a real browser: what people see, by mouse and by keyboard."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypedDict

import pytest
from made_spans import write_run

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    load_spans,
    render_report,
)
from support.browser import Opened
from support.prompted import check_prompts_compared, record_with_prompt

HOSTILE = (
    "<script>alert('script')</script><img src=x onerror=alert('img')><svg onload=alert('svg')>"
    "</script></style></textarea><iframe src='javascript:alert(1)'></iframe>"
    "{{ 7*7 }} ${alert('template')} \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202egnirts\u202c שלום "
    "مرحبا 🐟👩‍👩‍👧‍👦 \x00"
    '"><a href="https://example.com/">link</a> &amp; &lt;b&gt;'
)


def names(page: Any) -> list[str]:
    return [
        text.strip()
        for text in page.locator(
            "#trace-table .tabulator-row .tabulator-cell[tabulator-field=name]"
        ).all_inner_texts()
    ]


def until_names(browser: Opened, *wanted: str) -> None:
    """Wait until the table shows these traces."""
    for _ in range(200):
        if names(browser.page) == list(wanted):
            return
        browser.page.wait_for_timeout(25)
    assert names(browser.page) == list(wanted)


def chosen(page: Any) -> str:
    return str(page.locator(".span-row.chosen .name").inner_text())


def test_the_table_shows_a_row_for_each_scenario(scenarios: Path, browser: Opened) -> None:
    page = browser.open(scenarios)
    assert names(page) == ["AgentExecutor", "SimpleSequentialChain", "LLMChain"]  # the newest first
    row = page.locator(".tabulator-row", has_text="LLMChain").first.inner_text()
    assert "fish" in row
    assert "gpt-3.5-turbo-instruct" in row
    assert "6 + 11" in row
    browser.keep("table")


def test_the_table_sorts_filters_and_searches(scenarios: Path, browser: Opened) -> None:
    page = browser.open(scenarios)
    page.click(".tabulator-col[tabulator-field=name]")
    until_names(browser, "AgentExecutor", "LLMChain", "SimpleSequentialChain")
    page.fill("#search", "oldest PERSON")
    until_names(browser, "AgentExecutor")
    assert page.inner_text("#count") == "1 of 3 traces"
    assert "q=oldest+PERSON" in page.evaluate("location.hash")
    page.fill("#search", "")
    until_names(browser, "AgentExecutor", "LLMChain", "SimpleSequentialChain")
    page.select_option("#filter-run", "run-scenario-2")
    until_names(browser, "SimpleSequentialChain")


def test_a_search_looks_into_every_span(scenarios: Path, browser: Opened) -> None:
    page = browser.open(scenarios)
    page.fill("#search", "numexpr.evaluate")  # only a step of the agent's calculator says so
    browser.until("document.getElementById('count').textContent.startsWith('0 of')")
    page.press("#search", "Enter")
    browser.until(
        "document.getElementById('count').textContent.includes('1 of 3 traces (searched')"
    )
    until_names(browser, "AgentExecutor")


def test_the_timeline_draws_the_tree_with_a_bar_for_each_span(
    scenarios: Path, browser: Opened
) -> None:
    page = browser.open(scenarios)
    page.locator(".tabulator-row", has_text="AgentExecutor").first.click()
    page.wait_for_selector(".span-row")
    rows = [
        re.sub(r"\s+", " ", text) for text in page.locator(".span-row .label").all_inner_texts()
    ]
    assert [row.replace("▾ ", "") for row in rows] == [
        "agent AgentExecutor",
        "llm OpenAI",
        "tool Search",
        "llm OpenAI",
        "tool Calculator",
        "llm OpenAI",
        "llm OpenAI",
    ]
    assert page.locator(".bar").count() == 7
    root, *below = (bar.bounding_box() for bar in page.locator(".bar").all())
    assert all(
        root["x"] - 1 <= bar["x"] and bar["x"] + bar["width"] <= root["x"] + root["width"] + 3
        for bar in below
    )
    page.locator(".span-row", has_text="Calculator").click()
    assert "116 ** 1.51" in page.inner_text("#section-inputs")
    browser.keep("timeline")


def test_details_tell_all_of_a_model_call(scenarios: Path, browser: Opened) -> None:
    page = browser.open(scenarios)
    page.locator(".tabulator-row", has_text="LLMChain").first.click()
    page.locator(".span-row", has_text="OpenAI").click()
    details = page.inner_text("#details")
    assert "tell me a joke about fish" in page.inner_text("#section-conversation")
    assert "Why did the fish blush?" in page.inner_text("#section-conversation")
    assert "6 in, 11 out" in details
    page.locator("#section-attributes > summary").click()
    assert "gen_ai.request.temperature" in page.inner_text("#section-attributes")
    page.locator("#section-component > summary").click()
    assert "temperature" in page.inner_text("#section-component")
    assert "OPENAI_API_KEY" in page.inner_text(
        "#section-component"
    )  # its name; the key itself is nowhere


def test_everything_can_be_reached_by_keyboard(scenarios: Path, browser: Opened) -> None:
    page = browser.open(scenarios)
    press = page.keyboard.press
    press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    press("ArrowDown")  # from the search into the table, on its first row
    press("ArrowDown")
    press("Enter")
    page.wait_for_selector(".span-row.chosen")
    assert page.inner_text("#trace-name") == "SimpleSequentialChain"
    assert chosen(page) == "SimpleSequentialChain"
    press("ArrowDown")
    assert chosen(page) == "LLMChain"
    assert page.locator(".span-row").count() == 5
    press("ArrowLeft")
    assert page.locator(".span-row").count() == 4
    press("ArrowRight")
    press("ArrowRight")
    assert chosen(page) == "OpenAI"
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "details"
    press("j")
    browser.until("document.getElementById('trace-name').textContent === 'LLMChain'")
    press("Escape")
    page.wait_for_selector("#trace-table", state="visible")
    press("2")
    page.wait_for_selector("#overview canvas")
    press("3")
    page.wait_for_selector("#view-sessions", state="visible")
    press("4")
    page.wait_for_selector("#compare-plots canvas")
    press("5")
    page.wait_for_selector("#drawing .node")
    press("?")
    assert page.locator("#keys").is_visible()


def test_an_address_names_a_span(scenarios: Path, scenario_spans: Any, browser: Opened) -> None:
    span = scenario_spans[scenario_spans["name"] == "Search"].iloc[0]
    page = browser.open(scenarios, f"#trace={span.trace_id}&span={span.span_id}")
    page.wait_for_selector(".span-row.chosen")
    assert chosen(page) == "Search"
    page.click("#back")
    page.wait_for_selector("#trace-table", state="visible")


def test_runs_are_compared_in_figures_and_plots(scenarios: Path, browser: Opened) -> None:
    page = browser.open(scenarios, "#view=compare")
    page.wait_for_selector("#compare-plots canvas")
    table = page.inner_text("#compare-table")
    assert "run-scenario-1" in table
    assert "Input tokens" in table
    page.evaluate("document.querySelector('#compare-table .tabulator-tableholder').scrollTop = 1e6")
    browser.until(
        "document.getElementById('compare-table').innerText.includes('gen_ai.request.temperature')"
    )
    assert page.locator("#compare-plots canvas").count() == 4
    # Something is drawn: the canvas is not of one colour.
    assert page.evaluate(
        "(() => { const c = document.querySelector('#compare-plots canvas');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(new Uint32Array(d.buffer)).size > 5; })()"
    )
    browser.keep("compare")


def test_the_prompts_that_differ_between_runs_are_shown(tmp_path: Path, browser: Opened) -> None:
    for name, manner in (("one", "terse"), ("two", "kind")):
        record_with_prompt(tmp_path / "runs", name, f"Be {manner}. <img src=x>")
    report = render_report(load_spans(tmp_path / "runs"), tmp_path / "report.html")
    browser.open(report.path, "#view=compare")
    check_prompts_compared(browser)
    browser.keep("compare-prompts")


def test_the_architecture_draws_components_and_what_they_were_built_with(
    scenarios: Path, browser: Opened
) -> None:
    page = browser.open(scenarios, "#view=architecture")
    page.wait_for_selector("#drawing .node")
    page.select_option("#architecture-choice", label="AgentExecutor")
    drawn = page.locator("#drawing .node-name").all_text_contents()
    assert sorted(drawn) == ["AgentExecutor", "Calculator", "OpenAI", "OpenAI", "Search"]
    page.locator("#drawing .node", has_text="OpenAI").first.click()
    assert "temperature" in page.inner_text("#node-details")
    assert "gpt-3.5-turbo-instruct" in page.inner_text("#node-details")
    browser.keep("architecture")


def test_a_logged_graph_is_drawn_with_its_subgraphs(browser: Opened, tmp_path: Path) -> None:
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        count: int

    def step(state: State) -> State:
        return state

    inner = (
        StateGraph(State).add_node("draft", step).add_edge(START, "draft").add_edge("draft", END)
    )
    outer = StateGraph(State).add_node("plan", step).add_node("write", inner.compile())
    outer.add_edge(START, "plan").add_conditional_edges(
        "plan", lambda state: "write", ["write", END]
    ).add_edge("write", END)
    with (
        OfflineRun(tmp_path, experiment_name="e", run_name="r") as run,
        SageMakerCallbackHandler(run) as handler,
    ):
        handler.log_architecture(outer.compile(name="writer"))
    page = browser.open(
        render_report(load_spans(tmp_path), tmp_path / "r.html").path, "#view=architecture"
    )
    page.wait_for_selector("#drawing .node")
    assert {"plan", "draft", "__start__", "__end__"} <= set(
        page.locator("#drawing .node-name").all_text_contents()
    )
    assert page.locator("#drawing .group-name").all_text_contents() == ["write"]
    assert page.locator("#drawing .edge.conditional").count() == 2
    browser.keep("graph")


def test_what_prompts_hold_is_shown_as_text_and_runs_nothing(
    browser: Opened, tmp_path: Path
) -> None:
    long = f"{HOSTILE} {'long ' * 200_000}END"
    with OfflineRun(tmp_path, experiment_name="e", run_name="r") as run:
        with SageMakerCallbackHandler(run, max_field_bytes=None) as handler:
            with handler.span(
                HOSTILE,
                kind="agent",
                inputs={HOSTILE: HOSTILE},
                tags=[HOSTILE],
                metadata={"session_id": HOSTILE},
            ) as span:
                span.set_attribute("langchain.note", HOSTILE)
                span.add_event(HOSTILE, {HOSTILE: HOSTILE})
                handler.on_llm_start(
                    {"name": HOSTILE, "id": [HOSTILE], "kwargs": {HOSTILE: HOSTILE}}, [long]
                )
                handler.on_llm_error(ValueError(HOSTILE))
    page = browser.open(
        render_report(load_spans(tmp_path), tmp_path / "r.html", title=HOSTILE).path
    )
    assert page.inner_text("#title").startswith("<script>alert('script')</script><img")
    assert "\x1b" not in page.title()
    browser.keep("hostile-table")
    page.locator("#trace-table .tabulator-row").first.click()
    page.wait_for_selector(".span-row.chosen")
    page.locator(".span-row").nth(1).click()
    prompt = page.locator("#section-conversation .text").first
    assert prompt.inner_text().startswith("<script>alert('script')</script>")
    assert "␛[31mred␛[0m" in prompt.inner_text()
    assert "⟨202E⟩gnirts⟨202C⟩ שלום مرحبا 🐟👩‍👩‍👧‍👦 ␀" in prompt.inner_text()
    assert "Show all 1,000," in page.inner_text("#section-conversation")
    page.locator("#section-conversation .more").first.click()
    assert prompt.inner_text().endswith("END")
    assert HOSTILE[:60] in page.inner_text("#section-error")
    browser.keep("hostile-timeline")
    page.locator(".span-row").first.click()
    for view in ("compare", "architecture"):
        page.click(f"#tab-{view}")
    page.wait_for_selector("#drawing .node")
    # What the texts hold made no element of its own anywhere.
    assert page.locator("body img, body iframe, body a[href^=http], svg[onload]").count() == 0
    assert page.evaluate("document.scripts.length") == len(
        re.findall(r"^<script", (tmp_path / "r.html").read_text(), re.MULTILINE)
    )
    assert [message for message in browser.messages if message.startswith("dialog")] == []


def test_the_policy_stops_a_script_that_is_not_the_reports_own(
    scenarios: Path, chromium: Any
) -> None:
    opened = Opened(chromium.new_page())
    page = opened.open(scenarios)
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: "
        "'window.ran = true'}))"
    )
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('img'), {src: "
        "'https://example.com/x.png'}))"
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in message for message in opened.messages)
    # Chromium announces the request before the policy ends it; nothing is answered.
    assert all(url == "https://example.com/x.png" for url in opened.network())
    page.close()


def test_light_dark_and_a_phone(scenarios: Path, browser: Opened) -> None:
    browser.page.emulate_media(color_scheme="dark")
    page = browser.open(scenarios)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 23, 29)"
    browser.keep("dark")
    page.keyboard.press("t")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 390, "height": 780})
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert len(names(page)) == 3
    browser.keep("phone-table")
    page.locator("#trace-table .tabulator-row").first.click()
    page.wait_for_selector(".span-row.chosen")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    browser.keep("phone-timeline")


def test_errors_interruptions_running_spans_and_first_tokens_show_at_a_glance(
    browser: Opened, tmp_path: Path
) -> None:
    records = [
        _record(
            "root",
            None,
            "agent",
            "error",
            0,
            1000,
            error={"type": "ValueError", "message": "no", "stacktrace": "line 1"},
        ),
        _record(
            "model",
            "root",
            "chat_model",
            "ok",
            0,
            600,
            attributes={"gen_ai.response.time_to_first_chunk": 0.15},
        ),
        _record("human", "root", "chain", "interrupted", 200, 700),
        _record("stopped", "root", "tool", "cancelled", 200, 800),
        _record("open", "root", "tool", "running", 900, None),
    ]
    page = browser.open(render_report(_frame(records), tmp_path / "r.html").path)
    page.locator("#trace-table .tabulator-row").first.click()
    page.wait_for_selector(".span-row.chosen")
    for status in ("error", "interrupted", "cancelled", "running"):
        assert page.locator(f".bar-{status}").count() == 1
        assert page.locator(f".status-sign.status-{status}").count() == 1
    model = page.locator(".span-row", has_text="model")
    bar, mark = model.locator(".bar").bounding_box(), model.locator(".first-token").bounding_box()
    assert (mark["x"] - bar["x"]) / bar["width"] == pytest.approx(0.25, abs=0.02)
    assert "line 1" in page.inner_text("#section-error")
    browser.keep("statuses")


def test_a_trace_deeper_than_any_and_damaged_parents_are_drawn(
    browser: Opened, tmp_path: Path
) -> None:
    deep = [
        _record(f"s{n}", f"s{n - 1}" if n else None, "chain", "ok", n, 9_000 - n)
        for n in range(3_000)
    ]
    circle = [
        _record("a", "b", "chain", "ok", 0, 1, trace="t2"),
        _record("b", "a", "chain", "ok", 0, 1, trace="t2"),
    ]
    lost = [_record("c", "gone", "chain", "ok", 0, 1, trace="t3")]
    page = browser.open(
        render_report(_frame(deep + lost + circle), tmp_path / "r.html").path, "#trace=t"
    )
    page.wait_for_selector(".span-row.chosen")
    page.keyboard.press("End")
    assert chosen(page) == "s2999"
    assert page.locator(".span-row").count() < 100


def test_records_of_other_programs_are_drawn(browser: Opened, tmp_path: Path) -> None:
    essential = {"trace_id": "t", "kind": "chat_model", "status": "ok"}
    odd = {
        "inputs": {"messages": [[{"type": "ai", "content": 5, "tool_calls": {"a": 1}}]]},
        "attributes": {"gen_ai.usage.input_tokens": "many"},
    }
    lines = [
        essential | {"span_id": "root"},
        essential | {"span_id": "odd", "parent_span_id": "root", "events": [{}]} | odd,
    ]
    (tmp_path / "part-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = browser.open(render_report(load_spans(tmp_path), tmp_path / "report.html").path)
    page.locator(".tabulator-row").first.click()
    page.wait_for_selector(".span-row")
    for row in page.locator(".span-row").all():
        row.click()
        assert "chat model" in page.inner_text("#details")
    page.locator("#section-attributes > summary").click()
    assert "many" in page.inner_text("#section-attributes")
    page.keyboard.press("5")
    page.wait_for_selector(".node")


@pytest.mark.slow
def test_ten_thousand_traces_open_and_scroll(browser: Opened, tmp_path: Path) -> None:
    write_run(tmp_path, 10_000, 10)
    report = render_report(load_spans(tmp_path), tmp_path / "r.html")
    assert (report.traces, report.spans) == (10_000, 100_000)
    page = browser.open(report.path)
    opened = page.evaluate("performance.now()")
    print(f"100,000 spans: {report.bytes:,} bytes, open after {opened:.0f} ms")
    assert page.inner_text("#count") == "10,000 traces"
    assert (
        page.locator("#trace-table .tabulator-row").count() < 200
    )  # only what is in sight is drawn
    page.locator("#trace-table").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_selector(".span-row.chosen")
    assert page.locator(".span-row").count() == 10
    browser.keep("large")


def _record(
    span: str,
    parent: str | None,
    kind: str,
    status: str,
    begin: int,
    end: int | None,
    *,
    trace: str = "t",
    **more: Any,
) -> Any:
    from langchain_sagemaker_experiments._record.times import rfc3339_of_ns as rfc3339

    start = 1_795_000_000_000_000_000
    return {
        "trace_id": trace,
        "span_id": span,
        "parent_span_id": parent,
        "kind": kind,
        "name": span,
        "status": status,
        "start_time": rfc3339(start + begin * 1_000_000),
        "end_time": rfc3339(start + end * 1_000_000) if end is not None else None,
        "duration_ms": end - begin if end is not None else None,
        **more,
    }


def _frame(records: list[Any]) -> Any:
    from langchain_sagemaker_experiments._reading import to_frame

    return to_frame(records)
