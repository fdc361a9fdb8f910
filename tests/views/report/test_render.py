"""The report as a file: what is in it, its policy, its upload, its words when something is missing.
No browser needed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import boto3
import pandas as pd
import pytest
from made_spans import make_traces

from langchain_sagemaker_experiments import (
    DestinationError,
    MissingExtraError,
    OfflineRun,
    Report,
    SageMakerCallbackHandler,
    compare_runs,
    load_spans,
    render_report,
    trace_table,
)
from langchain_sagemaker_experiments._reading import to_frame

VENDOR = (
    Path(sys.modules["langchain_sagemaker_experiments"].__file__ or "").parent
    / "_views"
    / "report"
    / "vendor"
)


def unpack(page: str) -> dict[str, Any]:
    """All data of a page, by the id of its block."""
    found = re.findall(r'<script type="application/gzip" id="([\w-]+)">([\w+/=]*)</script>', page)
    return {name: json.loads(gzip.decompress(base64.b64decode(data))) for name, data in found}


@pytest.fixture
def frame() -> pd.DataFrame:
    return to_frame([span for trace in make_traces(12) for span in trace])


def test_the_page_holds_every_span_once(frame: pd.DataFrame, tmp_path: Path) -> None:
    report = render_report(frame, tmp_path / "deep" / "report.html")
    assert isinstance(report, Report)
    assert (report.traces, report.spans, report.bytes) == (12, 120, report.path.stat().st_size)
    data = unpack(report.path.read_text())
    spans = [span for name, block in data.items() if name.startswith("block-") for span in block]
    assert sorted(span["span_id"] for span in spans) == sorted(frame["span_id"])
    by_id = {span["span_id"]: span for span in spans}
    for row in frame.itertuples():
        for name in ("inputs", "outputs", "attributes", "error", "component"):
            assert by_id[row.span_id][name] == getattr(row, name)
        assert by_id[row.span_id]["start"] == pytest.approx(row.start_time.timestamp() * 1e3)
    table = trace_table(frame)
    index = data["index"]["traces"]
    assert index["trace_id"] == table["trace_id"].tolist()
    assert index["input_tokens"] == table["input_tokens"].tolist()


def test_nothing_may_run_but_the_scripts_of_the_page_itself(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    page = render_report(frame, tmp_path / "report.html").path.read_text()
    policy = html.unescape(
        re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    )  # type: ignore[index]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        allowed = re.search(rf"{rule} ([^;]*)", policy)[1].split()  # type: ignore[index]
        texts = re.findall(rf"^<{tag}>(.*?)</{tag}>$", page, re.DOTALL | re.MULTILINE)
        assert [
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in texts
        ] == allowed
    assert (
        re.findall(
            r'(?:src|href)="(?!#|data:)[^"]*"',
            re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL),
        )
        == []
    )


def test_the_libraries_within_are_those_their_list_names() -> None:
    for library in json.loads((VENDOR / "versions.json").read_text()):
        assert library["license"] in ("MIT", "BSD-3-Clause")
        assert library["name"] in (VENDOR / "LICENSES.txt").read_text()
        for file in library["files"]:
            assert (
                hashlib.sha256((VENDOR / file["file"]).read_bytes()).hexdigest() == file["sha256"]
            )
            assert "</script" not in (VENDOR / file["file"]).read_text().lower()


def test_numbers_and_texts_json_has_no_place_for_are_kept(tmp_path: Path) -> None:
    record = {
        "trace_id": "t",
        "span_id": "t",
        "parent_span_id": None,
        "kind": "custom",
        "name": "\ud800 lone",
        "status": "ok",
        "start_time": "2026-11-21T10:00:00.000001Z",
        "end_time": None,
        "duration_ms": float("nan"),
        "inputs": {
            "text": "größe",
            "big": 2**63,
            "exact": 2**53 + 1,
            "inf": float("inf"),
            3: {"set": {1}},
        },
        "outputs": float("nan"),
        "attributes": None,
        "tags": None,
    }
    page = render_report(to_frame([record]), tmp_path / "r.html").path.read_text()
    (span,) = unpack(page)["block-0"]
    (packed,) = re.findall(r'id="block-0">([^<]*)<', page)
    assert (
        "größe" in gzip.decompress(base64.b64decode(packed)).decode()
    )  # as it is: the page's search looks at this text
    assert span["name"] == "\ud800 lone"
    assert span["inputs"] == {
        "text": "größe",
        "big": str(2**63),
        "exact": str(2**53 + 1),
        "inf": "inf",
        "3": {"set": "{1}"},
    }
    assert span["outputs"] is None
    assert span["start"] % 1 == pytest.approx(0.001, abs=1e-4)


def test_no_spans_make_a_report_that_says_so(tmp_path: Path) -> None:
    report = render_report(to_frame([]), tmp_path / "r.html")
    assert (report.traces, report.spans) == (0, 0)
    assert unpack(report.path.read_text())["index"]["blocks"] == 0


def test_runs_are_compared_as_pandas_would(tmp_path: Path) -> None:
    for run in ("one", "two"):
        with (
            OfflineRun(tmp_path, experiment_name="e", run_name=run) as offline,
            SageMakerCallbackHandler(offline) as handler,
        ):
            for number in range(20):
                handler.on_llm_start(
                    {"name": "M"},
                    ["p"],
                    invocation_params={
                        "model": "m",
                        "temperature": 0.1 if run == "one" else number,
                    },
                )
                if number % 4 or run == "one":
                    from langchain_core.outputs import Generation, LLMResult

                    usage = {"token_usage": {"prompt_tokens": 3, "completion_tokens": 2}}
                    handler.on_llm_end(
                        LLMResult(generations=[[Generation(text="x")]], llm_output=usage)
                    )
                else:
                    handler.on_llm_error(ValueError("no"))
    spans = load_spans(tmp_path)
    compared = compare_runs(spans).set_index("run_name")
    for name, group in trace_table(spans).groupby("run_name"):
        row = compared.loc[name]
        assert row["traces"] == len(group) == 20
        assert (
            row["error_rate"]
            == (group["status"] == "error").mean()
            == (0 if name == "one" else 0.25)
        )
        for share in (50, 90, 99):
            assert row[f"latency_p{share}_ms"] == pytest.approx(
                group["duration_ms"].quantile(share / 100)
            )
        assert row["input_tokens"] == group["input_tokens"].sum()
    assert compared.loc["one", "gen_ai.request.temperature"] == 0.1
    assert compared.loc["two", "gen_ai.request.temperature"] == "20 different values"
    assert compared["experiment_name"].tolist() == ["e", "e"]


def test_no_spans_compare_to_an_empty_frame() -> None:
    assert len(compare_runs(to_frame([]))) == 0


# --- upload ---------------------------------------------------------------------------------------
def test_a_report_goes_to_the_run_as_one_artifact(
    open_run: Callable[..., Any], frame: pd.DataFrame, tmp_path: Path
) -> None:
    with open_run() as run:
        for _ in range(2):
            report = render_report(frame, tmp_path / "r.html", run=run)
    assert report.uri is not None
    bucket, _, key = report.uri.removeprefix("s3://").partition("/")
    client = run._artifact_uploader._s3_client
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == report.path.read_bytes()
    component = boto3.client("sagemaker").describe_trial_component(
        TrialComponentName=run._trial_component.trial_component_name
    )
    assert component["OutputArtifacts"]["langchain-report"] == {
        "MediaType": "text/html",
        "Value": report.uri,
    }
    assert len(component["OutputArtifacts"]) == 1


def test_a_run_full_of_artifacts_names_the_report_in_a_parameter(
    open_run: Callable[..., Any], frame: pd.DataFrame, tmp_path: Path
) -> None:
    with open_run() as run:
        for number in range(30):
            run.log_artifact(f"mine-{number}", "s3://bucket/key")
        report = render_report(frame, tmp_path / "r.html", run=run)
    component = boto3.client("sagemaker").describe_trial_component(
        TrialComponentName=run._trial_component.trial_component_name
    )
    assert component["Parameters"]["langchain-report"]["StringValue"] == report.uri
    assert len(component["OutputArtifacts"]) == 30


def test_an_offline_run_takes_a_report_too(frame: pd.DataFrame, tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    report = render_report(frame, tmp_path / "r.html", run=run)
    assert Path(report.uri or "").read_bytes() == report.path.read_bytes()
    assert [entry["name"] for entry in run.entries() if entry["entry"] == "file"] == [
        "langchain-report"
    ]


def test_a_run_that_is_closed_takes_none_and_the_file_stays(
    open_run: Callable[..., Any], frame: pd.DataFrame, tmp_path: Path
) -> None:
    with open_run() as run:
        pass
    with pytest.raises(
        DestinationError,
        match=r"was written to .*r\.html, but could not be uploaded\. The Run is not open",
    ):
        render_report(frame, tmp_path / "r.html", run=run)
    assert (tmp_path / "r.html").is_file()


# --- faults ---------------------------------------------------------------------------------------
def test_a_missing_package_is_named_with_its_extra(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(
        MissingExtraError, match=r'pip install "langchain-sagemaker-experiments\[report\]"'
    ):
        render_report(frame, tmp_path / "r.html")


def test_a_folder_that_can_not_be_written_names_the_file(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"can't be written.*r\.html"):
        render_report(frame, tmp_path / "file" / "r.html")


def test_a_report_is_a_path_and_shows_itself(frame: pd.DataFrame, tmp_path: Path) -> None:
    report = render_report(frame, tmp_path / "r.html", title="<b>title</b>")
    assert os.fspath(report) == str(tmp_path / "r.html")
    assert str(report).startswith(f"{tmp_path}/r.html: 12 traces, 120 spans")
    shown = report._repr_html_()
    assert shown.startswith("<p><a href=")
    assert "<iframe srcdoc=" in shown
    assert "<b>title</b>" not in report.path.read_text()


def test_the_executed_path_of_a_graph_is_counted_by_its_steps(tmp_path: Path) -> None:
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        count: int

    def step(state: State) -> State:
        return {"count": state["count"] + 1}

    inner = StateGraph(State).add_node("draft", step).add_node("check", step)
    inner.add_edge(START, "draft").add_edge("draft", "check").add_edge("check", END)
    outer = StateGraph(State).add_node("plan", step).add_node("write", inner.compile())
    outer.add_edge(START, "plan").add_edge("write", END)
    outer.add_conditional_edges(
        "plan", lambda state: "write" if state["count"] > 2 else "plan", ["write", "plan", END]
    )
    graph = outer.compile(name="writer")
    with OfflineRun(tmp_path, experiment_name="e", run_name="r") as run:
        with SageMakerCallbackHandler(run) as handler:
            handler.log_architecture(graph)
            for _ in range(2):
                graph.invoke({"count": 0}, config={"callbacks": [handler]})
    page = render_report(load_spans(tmp_path), tmp_path / "r.html").path.read_text()
    drawing = unpack(page)["index"]["architectures"][0]
    taken = {(edge["source"], edge["target"]): edge["taken"] for edge in drawing["edges"]}
    assert taken == {
        ("__start__", "plan"): 2,
        ("plan", "plan"): 4,
        ("plan", "write:draft"): 2,
        ("plan", "__end__"): 0,
        ("write:draft", "write:check"): 2,
        ("write:check", "__end__"): 2,
    }
    calls = {node["id"]: node["calls"] for node in drawing["nodes"]}
    assert (calls["plan"], calls["write:draft"], calls["write:check"]) == (6, 2, 2)
    assert "executed by 2 traces" in drawing["about"]


def test_a_folder_in_the_place_of_spans_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"not str 'runs': render_report\(load_spans\("):
        render_report("runs", tmp_path / "report.html")  # type: ignore[arg-type]
