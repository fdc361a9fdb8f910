"""How each view looks, light and dark, on a desk and on a phone; and whether everybody can use it:
axe-core finds no serious fault.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Window,
    load_spans,
    log_score,
    render_report,
)
from support.browser import Opened
from support.window import record

VIEWS = {
    "traces": "#trace-table .tabulator-row",
    "overview": "#overview canvas",
    "sessions": ".turn",
    "compare": "#compare-plots canvas",
    "architecture": "#drawing .node",
    "trace": "#section-scores, #section-inputs",
    "diff": "#diff ins",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Conversations, a graph with a tool that fails, a logged graph, scores; and two traces."""
    folder = tmp_path_factory.mktemp("looks") / "runs"
    first = record(folder, "fish", session="s-1")
    second = record(folder, "a long voyage over the sea", session="s-1", run="run-2")
    log_score(folder / "window" / "run-1", first, key="helpful", score=True, comment="well said")
    log_score(folder / "window" / "run-2", second, key="quality", score=0.4)
    record_graph(folder)
    return folder, first, second


def record_graph(folder: Path) -> None:
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        count: int

    def plan(state: State) -> State:
        return {"count": state["count"] + 1}

    def write(state: State) -> State:
        raise ValueError("there is no bread")

    graph = StateGraph(State).add_node("plan", plan).add_node("write", write)
    graph.add_edge(START, "plan").add_conditional_edges(
        "plan", lambda state: "write" if state["count"] > 2 else "plan", ["write", "plan"]
    ).add_edge("write", END)
    compiled = graph.compile(name="writer")
    with OfflineRun(folder, experiment_name="window", run_name="run-1") as run:
        with SageMakerCallbackHandler(run) as handler:
            handler.log_architecture(compiled)
            with pytest.raises(ValueError, match="no bread"):
                compiled.invoke({"count": 0}, config={"callbacks": [handler]})


def address_of(view: str, runs: tuple[Path, str, str]) -> str:
    _, first, second = runs
    special = {"trace": f"trace={first}", "diff": f"diff={first}&with={second}"}
    return special.get(view, f"view={view}")


def faults(page: Any) -> list[str]:
    """Serious and critical faults that axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][-160:]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
def test_each_view_of_the_window(
    open_view: Callable[..., Window],
    browser: Opened,
    runs: tuple[Path, str, str],
    colours: Any,
    width: int,
) -> None:
    page = browser.page
    page.emulate_media(color_scheme=colours)
    page.set_viewport_size({"width": width, "height": 800})
    browser.open_window(open_view(runs[0]))
    wrong = {}
    for view, shown in VIEWS.items():
        page.evaluate("hash => { location.hash = hash }", address_of(view, runs))
        page.locator(shown).first.wait_for(state="visible")
        page.wait_for_timeout(150)
        browser.keep(f"window-{view}-{colours}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        if found := faults(page):
            wrong[view] = found
    assert wrong == {}, "\n".join(f"{view}: {one}" for view in wrong for one in wrong[view])


def test_each_view_of_a_report(
    browser: Opened, runs: tuple[Path, str, str], tmp_path: Path
) -> None:
    report = render_report(load_spans(runs[0]), tmp_path / "report.html")
    page = browser.open(report.path)
    wrong = {}
    for view, shown in VIEWS.items():
        page.evaluate("hash => { location.hash = hash }", address_of(view, runs))
        page.locator(shown).first.wait_for(state="visible")
        browser.keep(f"report-{view}")
        if found := faults(page):
            wrong[view] = found
    assert wrong == {}, "\n".join(f"{view}: {one}" for view in wrong for one in wrong[view])
