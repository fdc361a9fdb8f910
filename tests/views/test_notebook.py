"""In a notebook: the example notebook runs from top to bottom, flushes print a link, objects show
themselves.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, Span
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments._views.notebook import link_of

NOTEBOOK = Path(__file__).parents[2] / "examples" / "sagemaker_tracking.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    examples = str(NOTEBOOK.parent)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (examples, os.environ.get("PYTHONPATH")))),
        "SAGEMAKER_TRACES_STAND_INS": "1",
        "IPYTHONDIR": str(folder / ".ipython"),
    }
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return notebook, folder


def outputs(notebook: Any, containing: str) -> str:
    (cell,) = [
        cell for cell in notebook.cells if cell.cell_type == "code" and containing in cell.source
    ]
    texts = []
    for output in cell.outputs:
        texts.append(
            output.get("text", "")
            + "".join(output.get("data", {}).get(kind, "") for kind in ("text/plain", "text/html"))
        )
    return "\n".join(texts)


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_notebook_shows_runs_spans_traces_and_the_report(sdk: Sdk, executed: Any) -> None:
    notebook, folder = executed
    logs = outputs(notebook, "logs[[")
    assert logs.count("langchain-sagemaker-tracker-run-scenario-") >= 3
    assert "s3://sagemaker-us-east-1-" in logs
    assert "SimpleSequentialChain" in outputs(notebook, "spans[[")
    assert "AgentExecutor" in outputs(notebook, "trace_table(spans)[")
    report = outputs(notebook, "render_report(spans, ")
    assert "<iframe srcdoc=" in report
    assert "3 traces, 14 spans" in report
    assert (folder / "langchain-report.html").is_file()


def test_a_flush_prints_a_link_and_its_result_shows_one(sdk: Sdk, executed: Any) -> None:
    notebook, _ = executed
    printed = outputs(notebook, 'topic": "fish')
    assert re.search(r"2 spans, [\d,]+ bytes written to s3://", printed)
    assert "https://console.aws.amazon.com/s3/object/sagemaker-us-east-1-" in printed
    assert '<a href="https://console.aws.amazon.com/s3/object/' in outputs(notebook, "result")


def test_outside_a_notebook_a_flush_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import IPython  # noqa: F401

    with (
        SageMakerCallbackHandler(
            OfflineRun(tmp_path, experiment_name="e", run_name="r")
        ) as handler,
        handler.span("x"),
    ):
        pass
    assert capsys.readouterr().out == ""


def test_a_span_tree_shows_itself_and_runs_nothing() -> None:
    tree = Span(
        "<img src=x onerror=alert(1)>",
        kind="agent",
        inputs={"q": "<script>"},
        children=[Span("tool", kind="tool", error="no")],
    )
    shown = tree._repr_html_()
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<script" not in shown
    assert "<i>tool</i> <span>error</span>" in shown
    deep = tree
    for _ in range(2_000):
        deep = Span("above", children=[deep])
    assert "<i>…</i>" in deep._repr_html_()


def test_addresses_become_links() -> None:
    console = "https://console.aws.amazon.com/s3/object/bucket?prefix=a%20folder/part.jsonl"
    assert link_of("s3://bucket/a folder/part.jsonl") == console
    assert link_of("/tmp/part.jsonl") == "file:///tmp/part.jsonl"
    assert link_of("langchain-traces-part") == ""
