"""Reading takes what is whole, names what is not, and gives each span once."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.outputs import Generation, LLMResult
from typer.testing import CliRunner

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    SpanReadWarning,
    compact,
    compare_runs,
    export_spans,
    load_spans,
    render_report,
    summarize,
    trace_table,
)
from langchain_sagemaker_experiments._cli.app import app
from langchain_sagemaker_experiments._reading import COLUMNS
from langchain_sagemaker_experiments._record.merge import merge_records
from langchain_sagemaker_experiments._record.times import moment_of


def record(span_id: str = "a", **fields: Any) -> dict[str, Any]:
    base = {
        "schema_version": 1,
        "trace_id": "t",
        "span_id": span_id,
        "parent_span_id": None,
        "kind": "chain",
        "name": "n",
        "status": "ok",
        "start_time": "2026-01-01T00:00:00.000001Z",
        "end_time": "2026-01-01T00:00:01.000001Z",
        "duration_ms": 1000.0,
        "session_id": None,
        "inputs": {"a": 1},
        "outputs": "x",
        "error": None,
        "attributes": {},
        "events": [],
        "tags": [],
        "metadata": {},
        "component": None,
    }
    return {**base, **fields}


def write(path: Path, *records: dict[str, Any] | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_text(
        "\n".join(lines) + ("\n" if not (records and isinstance(records[-1], str)) else "")
    )


def test_columns_and_their_types(tmp_path: Path) -> None:
    write(
        tmp_path / "part-1.jsonl",
        record(),
        record("b", end_time=None, duration_ms=None, status="running"),
    )
    frame = load_spans(tmp_path)
    assert tuple(frame.columns) == COLUMNS
    assert frame["start_time"].iloc[0] == pd.Timestamp("2026-01-01T00:00:00.000001Z")
    assert str(frame["start_time"].dt.tz) == "UTC"
    assert frame["duration_ms"].dtype == "float64"
    assert frame["end_time"].isna().tolist() == [False, True]
    assert frame["inputs"].iloc[0] == {"a": 1}
    assert frame.attrs["problems"] == []


def test_a_torn_last_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "part-1.jsonl", record("a"), record("b"), json.dumps(record("c"))[:50])
    with pytest.warns(SpanReadWarning, match=r"part-1\.jsonl, line 3: torn last line"):
        frame = load_spans(tmp_path)
    assert frame["span_id"].tolist() == ["a", "b"]
    assert len(frame.attrs["problems"]) == 1


def test_garbage_in_the_middle_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "part-1.jsonl", record("a"), "\x00\x01 not json", record("b"))
    (tmp_path / "part-2.jsonl").write_bytes(b"\x1f\x8bnot gzip")
    write(tmp_path / "part-3.jsonl", record("c"), {"some": "other thing"}, "[1, 2]", "")
    with pytest.warns(SpanReadWarning) as warned:
        frame = load_spans(tmp_path)
    assert frame["span_id"].tolist() == ["a", "b", "c"]
    text = str(warned[0].message)
    assert "part-1.jsonl, line 2: no JSON" in text
    assert "part-2.jsonl: not a whole gzip file" in text
    assert "part-3.jsonl: 2 lines are no span records" in text


def test_newer_versions_and_unknown_fields_are_read_as_far_as_known(tmp_path: Path) -> None:
    write(tmp_path / "part-1.jsonl", record(schema_version=7, shiny="new"))
    with pytest.warns(SpanReadWarning, match="schema_version 7 is newer"):
        frame = load_spans(tmp_path)
    assert frame["shiny"].tolist() == ["new"]


def test_older_records_without_later_fields_are_read(tmp_path: Path) -> None:
    write(
        tmp_path / "part-1.jsonl", {"span_id": "a", "trace_id": "t", "kind": "llm", "status": "ok"}
    )
    frame = load_spans(tmp_path)
    assert frame.shape == (1, len(COLUMNS))
    assert trace_table(frame)["status"].tolist() == ["ok"]


def test_compressed_parts_are_read(tmp_path: Path) -> None:
    (tmp_path / "part-1.jsonl.gz").write_bytes(gzip.compress(json.dumps(record()).encode()))
    assert load_spans(tmp_path)["span_id"].tolist() == ["a"]
    assert load_spans(tmp_path / "part-1.jsonl.gz")["span_id"].tolist() == ["a"]


def test_the_same_part_twice_doubles_nothing(tmp_path: Path) -> None:
    for name in ("part-1", "part-1-again"):
        write(tmp_path / f"{name}.jsonl", record("a"), record("b"))
    assert load_spans(tmp_path)["span_id"].tolist() == ["a", "b"]


RUNNING = record(status="running", end_time=None, duration_ms=None, outputs=None)
ABANDONED = record(
    status="cancelled", outputs=None, attributes={"langchain.closed_because": "never ended"}
)
LATE = record(
    inputs=None,
    outputs="late",
    start_time="2026-01-01T00:00:09.000001Z",
    end_time="2026-01-01T00:00:09.000001Z",
    duration_ms=0.0,
    attributes={"langchain.start_seen": False, "langchain.late_end": True},
)


@given(st.permutations([record(), RUNNING]))
def test_a_finished_record_wins_over_a_running_one_in_any_order(
    records: list[dict[str, Any]],
) -> None:
    assert merge_records(records) == [record()]


@given(st.permutations([ABANDONED, LATE, RUNNING]))
def test_a_late_end_completes_a_span_that_was_given_up_in_any_order(
    records: list[dict[str, Any]],
) -> None:
    (merged,) = merge_records(records)
    assert (merged["status"], merged["inputs"], merged["outputs"], merged["duration_ms"]) == (
        "ok",
        {"a": 1},
        "late",
        9000.0,
    )
    assert merged["attributes"] == {}


@pytest.mark.parametrize("time", ["yesterday", "", None])
def test_a_time_that_is_none_costs_no_other_span(tmp_path: Path, time: Any) -> None:
    bad = {"start_time": time, "end_time": time}
    late, given_up = LATE | {"span_id": "late"} | bad, ABANDONED | {"span_id": "late"} | bad
    write(
        tmp_path / "part-1.jsonl",
        record("a"),
        record("bad") | bad,
        record("bad") | bad,
        given_up,
        late,
    )
    frame = load_spans(tmp_path).set_index("span_id")
    assert sorted(frame.index) == ["a", "bad", "late"]
    assert frame.loc["a", "start_time"] == pd.Timestamp("2026-01-01T00:00:00.000001Z")
    assert frame.loc[["bad", "late"], ["start_time", "end_time"]].isna().all(axis=None)
    assert (frame.loc["late", "outputs"], frame.loc["a", "duration_ms"]) == ("late", 1000.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000001+00:00"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01", "2026-01-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
        (5, None),
    ],
)
def test_a_time_is_utc(text: Any, expected: str | None) -> None:
    moment = moment_of(text)
    assert (moment.isoformat() if moment is not None else None) == expected


def test_times_with_and_without_a_zone_meet() -> None:
    late = LATE | {"end_time": "2026-01-01T00:00:09.000001"}
    assert merge_records([ABANDONED, late])[0]["duration_ms"] == 9_000.0


TIMES = st.sampled_from(
    ["2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"]
)
NOT_OURS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats()
    | st.text(max_size=3)
    | st.just([1])
    | st.just({"a": 1})
    | TIMES
)


ASKED_ATTRIBUTES = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.request.model",
    "gen_ai.request.temperature",
    "gen_ai.provider.name",
    "gen_ai.response.time_to_first_chunk",
    "langchain.architecture",
    "langchain.start_seen",
    "langchain.closed_because",
)
FOREIGN = st.dictionaries(
    st.sampled_from([name for name in COLUMNS if name not in ("inputs", "outputs")]), NOT_OURS
)
ATTRIBUTES = st.dictionaries(st.sampled_from(ASKED_ATTRIBUTES), NOT_OURS)


@given(
    FOREIGN,
    ATTRIBUTES,
    st.lists(NOT_OURS, max_size=2),
    st.lists(st.sampled_from(COLUMNS), max_size=3),
)
def test_whatever_fields_a_foreign_record_has_it_is_read_shown_exported_and_compacted(
    fields: dict[str, Any], attributes: dict[str, Any], events: list[Any], missing: list[str]
) -> None:
    foreign = (
        record("foreign")
        | {"kind": "chat_model", "attributes": attributes, "events": events}
        | fields
    )
    for name in missing:
        foreign.pop(name, None)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", SpanReadWarning)
        folder = Path(name)
        traces = folder / "e" / "r" / "langchain-traces"
        traces.mkdir(parents=True)
        write(traces / "part-1.jsonl", record("mine"), foreign)
        frame = load_spans(folder)
        assert "mine" in frame["span_id"].tolist()
        traces_found = trace_table(frame)
        assert traces_found["spans"].sum() == len(frame) - sum(
            (attributes or {}).get("langchain.architecture") is True
            for attributes in frame["attributes"]
        )
        assert compare_runs(frame)["spans"].sum() == traces_found["spans"].sum()
        summarize(frame)
        render_report(frame, folder / "report.html")
        shown = CliRunner().invoke(app, ["show", "last", str(folder)])
        assert shown.exit_code == 0, shown.output
        for ending in ("jsonl", "csv", "parquet", "trace.json", "otlp.json"):
            export_spans(frame, folder / f"export.{ending}")
        for ending in ("jsonl", "parquet"):
            assert len(load_spans(folder / f"export.{ending}")) == len(frame)
            (folder / f"export.{ending}").unlink()
        compact(folder)
        assert len(load_spans(folder)) == len(frame)


@given(st.permutations([record(), LATE]))
def test_a_second_end_changes_nothing_of_a_whole_span(records: list[dict[str, Any]]) -> None:
    (merged,) = merge_records(records)
    assert (merged["status"], merged["outputs"], merged["duration_ms"]) == ("ok", "x", 1000.0)


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=30), st.randoms())
def test_each_span_comes_once(ids: list[str], rng: random.Random) -> None:
    merged = merge_records(record(span_id) for span_id in ids)
    assert sorted(one["span_id"] for one in merged) == sorted(set(ids))


def test_reading_from_s3_by_part_prefix_run_and_experiment(open_run: Any, session: Any) -> None:
    result = LLMResult(generations=[[Generation(text="x")]])
    uris: list[str] = []
    for name in ("one", "two"):
        with open_run(name) as run:
            handler = SageMakerCallbackHandler(run)
            for number in range(3):
                handler.on_llm_start({}, [f"{name} {number}"])
                handler.on_llm_end(result)
                uris += handler.flush_tracker().uris
            # The Run is open still: its artifact is not told to SageMaker yet, but the spans are
            # found.
            assert len(load_spans(experiment_name="experiment", run_name=name)) == 3
    assert len(load_spans(uris[0])) == 1
    assert len(load_spans(uris[0].rsplit("/", 1)[0])) == 3
    assert len(load_spans(uris[0].split("/experiment-")[0])) == 6
    assert len(load_spans(experiment_name="Experiment", sagemaker_session=session)) == 6
    assert (
        len(load_spans(experiment_name="experiment", run_name="two", sagemaker_session=session))
        == 3
    )


def test_a_run_with_a_bucket_and_prefix_of_its_own(open_run: Any) -> None:
    boto3.client("s3").create_bucket(Bucket="my-own-bucket")
    with open_run(artifact_bucket="my-own-bucket", artifact_prefix="some/where") as run:
        handler = SageMakerCallbackHandler(run)
        handler.on_llm_start({}, ["p"])
        handler.on_llm_end(LLMResult(generations=[[Generation(text="x")]]))
        (uri,) = handler.flush_tracker().uris
    assert uri.startswith("s3://my-own-bucket/some/where/experiment-run-1/langchain-traces/part-")
    assert len(load_spans(experiment_name="experiment", run_name="run-1")) == 1


def test_a_trace_table_row_tells_of_models_tokens_errors_and_interrupts(tmp_path: Path) -> None:
    usage = {
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
    }
    failed = {"type": "ValueError", "message": "bad", "stacktrace": ""}
    write(
        tmp_path / "part-1.jsonl",
        record("root", session_id="s", tags=["x"]),
        record("llm", parent_span_id="root", kind="llm", attributes=usage),
        record(
            "llm2",
            parent_span_id="root",
            kind="chat_model",
            attributes=usage | {"gen_ai.request.model": "n"},
        ),
        record("bad", parent_span_id="root", kind="tool", status="error", error=failed),
        record("wait", trace_id="u", start_time="2026-01-01T00:00:02.000000Z"),
        record(
            "pause",
            trace_id="u",
            parent_span_id="wait",
            status="interrupted",
            start_time="2026-01-01T00:00:03.000000Z",
        ),
        record(
            "left",
            trace_id="v",
            parent_span_id="unseen",
            start_time="2026-01-01T00:00:04.000000Z",
            end_time="2026-01-01T00:00:05.000000Z",
        ),
        record(
            "right",
            trace_id="v",
            parent_span_id="unseen",
            start_time="2026-01-01T00:00:05.000000Z",
            end_time="2026-01-01T00:00:07.000000Z",
        ),
    )
    table = trace_table(load_spans(tmp_path))
    first, second, third = table.to_dict(orient="records")
    assert (first["model"], first["input_tokens"], first["output_tokens"]) == ("m, n", 6, 8)
    assert (first["spans"], first["model_calls"], first["errors"], first["error"]) == (
        4,
        2,
        1,
        "ValueError: bad",
    )
    assert (first["session_id"], first["tags"], first["status"]) == ("s", ["x"], "ok")
    assert second["status"] == "interrupted"
    assert third["duration_ms"] == 3000.0
    assert trace_table(load_spans(tmp_path).iloc[:0]).empty


def test_an_offline_run_holds_all_that_was_logged(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    with (
        pytest.raises(KeyError),
        OfflineRun(tmp_path / "runs", experiment_name="Exp", run_name="R1") as run,
    ):
        run.log_parameter("a", 1)
        run.log_parameters({"b": "x" * 3_000, "nan": float("nan")})
        run.log_metric("loss", 0.5, step=1)
        run.log_artifact("made", "s3://b/k", media_type="text/plain")
        run.log_file(str(file), name="notes")
        with pytest.raises(ValueError, match="does not exist"):
            run.log_file(str(tmp_path / "missing"))
        raise KeyError("stop")
    entries = list(run.entries())
    assert [entry["entry"] for entry in entries] == [
        "status",
        "parameter",
        "parameter",
        "metric",
        "artifact",
        "file",
        "status",
    ]
    assert run.parameters()["a"] == 1
    assert len(str(run.parameters()["b"])) == 2_500
    assert str(run.parameters()["b"]).endswith("[3000 characters, whole in the JSON]")
    assert "nan" not in run.parameters()
    assert entries[-1]["status"] == "Failed"
    assert (run.path / "artifacts" / "notes.txt").read_text() == "notes"
    assert (run.experiment_name, run.run_name) == ("exp", "r1")
    assert "OfflineRun(experiment_name='exp'" in repr(run)
