"""Exports, read back by those they are for: OpenTelemetry's protobuf classes, DuckDB, pandas;
Chrome's checked rule by rule.
"""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from google.protobuf import json_format
from made_spans import make_traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    export_spans,
    load_spans,
)
from langchain_sagemaker_experiments._reading import to_frame

US = 1_000


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Spans as an application leaves them: tools, models, errors, events, an open span, values of
    every kind.
    """
    folder = tmp_path_factory.mktemp("spans")
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, LLMResult

    with OfflineRun(folder, experiment_name="exports", run_name="one") as run:
        handler = SageMakerCallbackHandler(run)
        with handler.span(
            "agent",
            kind="agent",
            inputs={"question": "=1+1"},
            tags=["a,b"],
            metadata={"session_id": "s", "n": 1},
        ) as agent:
            agent.add_event("retry", {"attempt": 1})
            run_id = uuid.uuid4()
            call = {"name": "search", "args": {"query": "x"}, "id": "call-1", "type": "tool_call"}
            messages = [
                SystemMessage("help"),
                HumanMessage("who?"),
                AIMessage("", tool_calls=[call]),
                ToolMessage("1998", tool_call_id="call-1"),
            ]
            handler.on_chat_model_start(
                {"name": "Chat"},
                [messages],
                run_id=run_id,
                invocation_params={"model": "m", "temperature": 0.5},
            )
            handler.on_llm_new_token("I", run_id=run_id)
            answer = AIMessage(
                [{"type": "text", "text": "In 1998."}],
                tool_calls=[call],
                usage_metadata={"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
                response_metadata={"finish_reason": "tool_calls"},
            )
            handler.on_llm_end(
                LLMResult(generations=[[ChatGeneration(message=answer)]]), run_id=run_id
            )
            tool = uuid.uuid4()
            handler.on_tool_start({"name": "search"}, "x", run_id=tool, inputs={"query": "x"})
            handler.on_tool_error(TimeoutError("slow"), run_id=tool)
            handler.on_retriever_start({"name": "Docs"}, "never ends", run_id=uuid.uuid4())
            agent.set_outputs(
                {"big": 2**70, "small": -1.5, "text": 'שלום\x1b[0m\n"quoted", and more'}
            )
            handler.flush_tracker()
        handler.log_trace(
            Span(
                "by hand",
                kind="chain",
                start_time=100.0,
                end_time=110.0,
                children=[
                    Span(
                        "left",
                        start_time=100.0,
                        end_time=105.0,
                        children=[Span("leaf", kind="tool", start_time=101.0, end_time=102.0)],
                    ),
                    Span("right", start_time=102.0, end_time=108.0),
                    Span("late", start_time=104.0, end_time=112.0),
                    Span("after", start_time=108.0, end_time=109.0),
                ],
            )
        )
        handler.flush_tracker()
    return load_spans(folder)


# --- OTLP -----------------------------------------------------------------------------------------
def parse_otlp(path: Path) -> ExportTraceServiceRequest:
    """OTLP JSON differs from protobuf's JSON in one thing: ids are hex text, not base64."""
    request = json.loads(path.read_text())
    for resource in request["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.Parse(
        json.dumps(request), ExportTraceServiceRequest(), ignore_unknown_fields=False
    )


def value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: value_of(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def attributes_of(holder: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in holder.attributes}


def test_otlp_is_read_by_opentelemetrys_own_classes(spans: pd.DataFrame, tmp_path: Path) -> None:
    request = parse_otlp(export_spans(spans, tmp_path / "spans.otlp.json"))
    (resource,) = request.resource_spans
    assert attributes_of(resource.resource) == {
        "service.name": "exports",
        "sagemaker.experiment_name": "exports",
        "sagemaker.run_name": "one",
    }
    (scope,) = resource.scope_spans
    assert scope.scope.name == "langchain-sagemaker-experiments"
    read = {attributes_of(span)["langchain.span_id"]: span for span in scope.spans}
    assert len(read) == len(spans) == len({span.span_id for span in scope.spans})
    for row in spans.itertuples():
        span = read[row.span_id]
        assert span.trace_id == uuid.UUID(row.trace_id).bytes
        assert len(span.span_id) == 8
        parent = read.get(row.parent_span_id)
        assert span.parent_span_id == (parent.span_id if parent is not None else b"")
        assert span.start_time_unix_nano == row.start_time.value // US * US
        if row.end_time == row.end_time:
            assert span.end_time_unix_nano == row.end_time.value // US * US
        assert span.status.code == (2 if row.status == "error" else 0)


def test_otlp_speaks_the_genai_conventions(spans: pd.DataFrame, tmp_path: Path) -> None:
    request = parse_otlp(export_spans(spans, tmp_path / "spans.otlp.json"))
    found = {
        attributes_of(span)["langchain.name"]: span
        for span in request.resource_spans[0].scope_spans[0].spans
    }
    model = found["Chat"]
    said = attributes_of(model)
    assert model.name == "chat m"
    assert model.kind == 3
    assert said["gen_ai.request.temperature"] == 0.5
    assert said["gen_ai.usage.input_tokens"] == 5
    assert json.loads(said["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "help"}]},
        {"role": "user", "parts": [{"type": "text", "content": "who?"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "tool_call", "id": "call-1", "name": "search", "arguments": {"query": "x"}}
            ],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "call-1", "response": "1998"}],
        },
    ]
    (answer,) = json.loads(said["gen_ai.output.messages"])
    assert answer["role"] == "assistant"
    assert answer["finish_reason"] == "tool_call"
    assert [part["type"] for part in answer["parts"]] == ["text", "tool_call"]
    tool = found["search"]
    assert json.loads(attributes_of(tool)["gen_ai.tool.call.arguments"]) == {"query": "x"}
    (exception,) = [event for event in tool.events if event.name == "exception"]
    assert attributes_of(exception)["exception.type"] == "TimeoutError"
    assert tool.status.message == "slow"
    agent = attributes_of(found["agent"])
    assert agent["gen_ai.conversation.id"] == "s"
    assert agent["langchain.tags"] == ["a,b"]
    assert agent["langchain.metadata.n"] == 1
    assert [(event.name, attributes_of(event)) for event in found["agent"].events] == [
        ("retry", {"attempt": 1})
    ]
    assert (
        found["Docs"].end_time_unix_nano == found["Docs"].start_time_unix_nano
    )  # open: nobody knows its end


# --- Chrome's Trace Event Format ------------------------------------------------------------------
def check_chrome(path: Path) -> list[dict[str, Any]]:
    """Check every event against the format's document; return the complete ones."""
    trace = json.loads(path.read_text())
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    named: set[tuple[int, int]] = set()
    tracks: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in trace["traceEvents"]:
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        assert isinstance(event["name"], str)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "process_sort_index", "thread_name")
            if event["name"] == "thread_name":
                named.add((event["pid"], event["tid"]))
        elif event["ph"] == "X":
            assert type(event["ts"]) is int
            assert type(event["dur"]) is int
            assert event["dur"] >= 0
            tracks.setdefault((event["pid"], event["tid"]), []).append(event)
        else:
            assert event["ph"] == "i"
            assert event["s"] == "t"
            assert type(event["ts"]) is int
    assert set(tracks) <= named
    for events in tracks.values():
        for one, other in itertools.combinations(events, 2):
            first, second = sorted((one, other), key=lambda event: (event["ts"], -event["dur"]))
            end = first["ts"] + first["dur"]
            assert second["ts"] >= end or second["ts"] + second["dur"] <= end, (
                "events of a track overlap without nesting"
            )
    return [event for events in tracks.values() for event in events]


def test_the_chrome_trace_nests_and_never_overlaps_on_a_track(
    spans: pd.DataFrame, tmp_path: Path
) -> None:
    events = check_chrome(export_spans(spans, tmp_path / "spans.trace.json"))
    assert len(events) == len(spans)
    by_span = {event["args"]["span_id"]: event for event in events}
    for row in spans.itertuples():
        event = by_span[row.span_id]
        assert event["ts"] * US == row.start_time.value // US * US
        if row.end_time == row.end_time:
            assert event["dur"] == pytest.approx(
                (row.end_time - row.start_time).total_seconds() * 1e6, abs=1_000
            )
        assert event["cat"] == row.kind
    hand = {
        event["name"]: event
        for event in events
        if event["pid"] == by_span[spans[spans.name == "by hand"].span_id.iloc[0]]["pid"]
    }
    assert (
        hand["by hand"]["tid"] == hand["left"]["tid"] == hand["leaf"]["tid"] == hand["after"]["tid"]
    )
    assert (
        len({hand[name]["tid"] for name in ("left", "right", "late")}) == 3
    )  # concurrent: side by side


def test_the_chrome_trace_holds_for_any_shape_of_trace(tmp_path: Path) -> None:
    import random

    chance = random.Random(7)
    records = []
    for trace in range(60):
        ids: list[str] = []
        for number in range(chance.randint(1, 40)):
            begin, length = chance.randint(0, 50), chance.choice((0, 0, 1, chance.randint(0, 60)))
            stamp = "2026-11-21T10:00:00.{:06d}Z"
            ids.append(f"{trace}-{number}")
            parent = chance.choice([None, "gone", *ids])  # itself, too: damaged data
            ended = chance.random() > 0.1
            records.append(
                {
                    "trace_id": str(trace),
                    "span_id": ids[-1],
                    "parent_span_id": parent,
                    "kind": "chain",
                    "name": "n",
                    "status": "ok",
                    "start_time": stamp.format(begin),
                    "end_time": stamp.format(begin + length) if ended else None,
                    "duration_ms": None,
                }
            )
    assert len(check_chrome(export_spans(to_frame(records), tmp_path / "any.trace.json"))) == len(
        records
    )


def test_first_tokens_and_events_are_instants(spans: pd.DataFrame, tmp_path: Path) -> None:
    trace = json.loads(export_spans(spans, tmp_path / "x.json", "chrome").read_text())
    instants = [event["name"] for event in trace["traceEvents"] if event["ph"] == "i"]
    assert sorted(instants) == ["first_token", "retry"]


# --- tables ---------------------------------------------------------------------------------------
def test_parquet_is_read_by_duckdb_and_pandas(spans: pd.DataFrame, tmp_path: Path) -> None:
    path = export_spans(spans, tmp_path / "spans.parquet")
    frame = pd.read_parquet(path)
    assert list(frame.columns) == list(spans.columns)
    assert str(frame["start_time"].dtype) == "datetime64[us, UTC]"
    assert (
        frame["start_time"].astype("datetime64[ns, UTC]")
        == spans["start_time"].astype("datetime64[ns, UTC]")
    ).all()
    for name in ("inputs", "outputs", "attributes", "events", "metadata", "tags", "error"):
        for text, value in zip(frame[name], spans[name], strict=True):
            assert (json.loads(text) if isinstance(text, str) else None) == value
    (tokens,) = duckdb.sql(
        f"select sum((attributes->>'$.\"gen_ai.usage.input_tokens\"')::int), count(*), "
        f"max(duration_ms) from '{path}'"
    ).fetchall()
    assert tokens[:2] == (5, len(spans))
    assert tokens[2] == pytest.approx(spans["duration_ms"].max())


def test_csv_is_read_back_and_holds_no_formula(spans: pd.DataFrame, tmp_path: Path) -> None:
    renamed = spans.assign(name=["=HYPERLINK(1)", *spans["name"][1:]])
    path = export_spans(renamed, tmp_path / "spans.csv")
    frame = pd.read_csv(path)
    assert frame["name"][0] == "'=HYPERLINK(1)"
    assert list(frame["name"][1:]) == list(spans["name"][1:])
    assert [json.loads(text) for text in frame["attributes"]] == list(spans["attributes"])
    assert (
        pd.to_datetime(frame["start_time"], utc=True).dt.as_unit("ns").tolist()
        == spans["start_time"].dt.as_unit("ns").tolist()
    )
    assert duckdb.sql(f"select count(*) from read_csv('{path}')").fetchall() == [(len(spans),)]


def test_json_lines_are_read_back_as_they_were(spans: pd.DataFrame, tmp_path: Path) -> None:
    again = load_spans(export_spans(spans, tmp_path / "spans.jsonl"))
    pd.testing.assert_frame_equal(again, spans)


def test_parquet_is_read_back_with_whose_the_spans_are(spans: pd.DataFrame, tmp_path: Path) -> None:
    again = load_spans(export_spans(spans, tmp_path / "spans.parquet"))
    assert set(again["run_name"]) == {"one"}
    for name in ("span_id", "inputs", "attributes", "experiment_name"):
        assert again[name].tolist() == spans[name].tolist()


# --- what is asked for wrongly --------------------------------------------------------------------
def test_an_ending_that_names_no_format_is_refused_and_nothing_is_written(
    spans: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"does not say its format: end it in \.otlp\.json"):
        export_spans(spans, tmp_path / "spans.json")
    with pytest.raises(
        ValueError, match="There is no format 'xml'; there are jsonl, csv, parquet, chrome, otlp"
    ):
        export_spans(spans, tmp_path / "spans.jsonl", "xml")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_older_file(
    spans: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export_spans(spans, tmp_path / "spans.csv")
    before = path.read_bytes()
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_spans(spans, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet", "x.trace.json", "x.otlp.json"])
def test_no_spans_make_an_empty_file_of_the_format(name: str, tmp_path: Path) -> None:
    path = export_spans(to_frame([]), tmp_path / name)
    assert path.is_file()
    if name.endswith(".json"):
        json.loads(path.read_text())


def test_made_up_traces_export_in_every_format(tmp_path: Path) -> None:
    frame = to_frame([span for trace in make_traces(20) for span in trace])
    check_chrome(export_spans(frame, tmp_path / "x.trace.json"))
    assert (
        sum(
            len(r.scope_spans[0].spans)
            for r in parse_otlp(export_spans(frame, tmp_path / "x.otlp.json")).resource_spans
        )
        == 200
    )


@pytest.mark.parametrize("shape", ["siblings", "chain"])
def test_a_chrome_trace_takes_work_in_proportion_to_its_spans(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_sagemaker_experiments._export import chrome

    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)

    def span(number: int) -> dict[str, Any]:
        begin = start + datetime.timedelta(microseconds=number)
        parent = None if number == 0 else "0" if shape == "siblings" else str(number - 1)
        return {
            **dict.fromkeys(("events", "attributes", "error")),
            "trace_id": "t",
            "span_id": str(number),
            "parent_span_id": parent,
            "kind": "tool",
            "name": "n",
            "status": "ok",
            "start_time": begin,
            "end_time": start + datetime.timedelta(seconds=10, microseconds=-number),
        }

    steps = 0
    looks = chrome._open_bars

    def counting(track: Any, moment: int) -> Any:
        nonlocal steps
        steps += 1
        return looks(track, moment)

    monkeypatch.setattr(chrome, "_open_bars", counting)
    group = [span(number) for number in range(5_000)]
    events = list(chrome.events_of(group, 1))
    assert sum(event["ph"] == "X" for event in events) == 5_000
    assert steps < 3 * len(group)


def test_scores_are_events_of_the_conventions_and_arguments_in_chrome(tmp_path: Path) -> None:
    with OfflineRun(tmp_path, experiment_name="e", run_name="r") as run:
        handler = SageMakerCallbackHandler(run)
        with handler.span("agent") as agent:
            pass
        for key, score, comment in (("right", True, "as it is"), ("tone", "dry", None)):
            handler.log_score(agent.trace_id, key=key, score=score, comment=comment)
        handler.flush_tracker()
    frame = load_spans(tmp_path)
    request = parse_otlp(export_spans(frame, tmp_path / "x.otlp.json"))
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert {event.name for event in span.events} == {"gen_ai.evaluation.result"}
    told = [
        {
            one.key: one.value.WhichOneof("value")
            and getattr(one.value, one.value.WhichOneof("value"))
            for one in event.attributes
        }
        for event in span.events
    ]
    assert told == [
        {
            "gen_ai.evaluation.name": "right",
            "gen_ai.evaluation.score.value": 1.0,
            "gen_ai.evaluation.explanation": "as it is",
            "langchain.score.source": "human",
        },
        {
            "gen_ai.evaluation.name": "tone",
            "gen_ai.evaluation.score.label": "dry",
            "langchain.score.source": "human",
        },
    ]
    events = check_chrome(export_spans(frame, tmp_path / "x.trace.json"))
    (bar,) = [event for event in events if event["ph"] == "X"]
    assert [one["key"] for one in bar["args"]["scores"]] == ["right", "tone"]
