"""The same questions to a frame and to its source have the same answers."""

from __future__ import annotations

import gzip
import json
import random
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_sagemaker_experiments import (
    SageMakerCallbackHandler,
    SpanReadError,
    compact_runs,
    compare_runs,
    cost,
    load_spans,
    repeated_prompts,
    slowest_traces,
    summarize_spans,
)
from langchain_sagemaker_experiments._query.source_tables import open_tables
from langchain_sagemaker_experiments._record.score import make_score
from support.inside import outlet

PRICES = {"small": (1.0, 2.0), "large": (10.0, 20.0)}
QUESTIONS: dict[str, Any] = {
    **{f"summarize by {by}": lambda s, by=by: summarize_spans(s, by)
       for by in ("model", "component", "session", "day", "run", "kind")},
    "summarize by two": lambda s: summarize_spans(s, ["run", "model"], models_only=True),
    "cost": lambda s: cost(s, PRICES, by="run"),
    "slowest": lambda s: slowest_traces(s, 3),
    "all": lambda s: slowest_traces(s, 1_000),
    "prompts": lambda s: repeated_prompts(s, 5),
    "runs": compare_runs,
}  # fmt: skip


def check(source: Path) -> None:
    """Ask everything of a source and of its frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spans = load_spans(source)
        for name, ask in QUESTIONS.items():
            expected, found = ask(spans), ask(source)
            if name in ("slowest", "all"):  # of two equally slow either may come first
                found = found.sort_values(["duration_ms", "trace_id"]).reset_index(drop=True)
                expected = expected.sort_values(["duration_ms", "trace_id"]).reset_index(drop=True)
            if name == "runs":
                keys = ["experiment_name", "run_name"]
                found, expected = found.sort_values(keys), expected.sort_values(keys)
                for column in found.select_dtypes(include=["object"]).columns:
                    found[column] = found[column].map(_as_set)
                    expected[column] = expected[column].map(_as_set)
                found, expected = found.reset_index(drop=True), expected.reset_index(drop=True)
            pd.testing.assert_frame_equal(found, expected, check_dtype=False, obj=name)


def _as_set(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, list) else value


def span(number: int, chance: random.Random, **changes: Any) -> dict[str, Any]:
    kind = chance.choice(["chain", "chat_model", "tool", "llm", "agent", "embedding"])
    begin = f"2026-01-{chance.randint(1, 3):02d}T00:00:{number % 60:02d}.{number:06d}Z"
    end = f"2026-01-04T00:00:{number % 60:02d}.{chance.randint(0, 999_999):06d}Z"
    attributes: dict[str, Any] = {}
    if kind in ("chat_model", "llm", "embedding"):
        attributes = {
            "gen_ai.request.model": chance.choice(["small", "gpt-4o-mini", "", None]),
            "gen_ai.provider.name": chance.choice(["openai", 5, None]),
            "gen_ai.usage.cache_read.input_tokens": chance.choice([2, "x", None]),
            "gen_ai.response.model": chance.choice(["answering", 5]),
            "gen_ai.request.temperature": chance.choice([0, 0.5, "hot"]),
            "gen_ai.usage.input_tokens": chance.choice([7, 10**20, -1, True, "9", 3.7, None]),
            "gen_ai.usage.output_tokens": chance.choice([1, 0]),
            "gen_ai.response.time_to_first_chunk": chance.choice([0.25, None]),
            "sagemaker.a/b~c": number % 2,
        }
    error = chance.choice([None, None, {"type": "ValueError", "message": "x"}, {"message": "y"}])
    trace = f"t{number % 7}"
    return {
        "schema_version": 1,
        "trace_id": trace,
        "span_id": f"s{number}",
        "parent_span_id": None if number < 7 else f"s{chance.randrange(number)}",
        "kind": kind,
        "name": chance.choice(["a", "ünï", None, 'quo"te\\']),
        "status": "error" if error else chance.choice(["ok", "interrupted", "running"]),
        "start_time": begin,
        "end_time": end,
        "duration_ms": chance.choice([1.5, 3, None, 1e5]),
        "session_id": chance.choice([None, "x", "y"]),
        "inputs": chance.choice(["prompt", {"a": [1, 2.5, "é\n"]}, None, ["long"] * 3]),
        "outputs": 1,
        "error": error,
        "attributes": attributes,
        "events": [],
        "tags": None,
        "metadata": {},
        "component": None,
        **changes,
    }


def records(seed: int) -> list[dict[str, Any]]:
    """Spans with their running records, late ends, graphs, and orphans."""
    chance = random.Random(seed)
    found = []
    for number in range(40):
        one = span(number, chance)
        found.append(one)
        if one["status"] == "running" and chance.random() < 0.8:
            found.append({**one, "status": "ok", "end_time": "2026-01-05T00:00:00.000000Z"})
        if chance.random() < 0.1:
            late = {**one["attributes"], "langchain.start_seen": False, "extra": 1}
            one["attributes"]["langchain.closed_because"] = "max_open_spans"
            one["status"] = "cancelled"
            found.append({**one, "attributes": late, "status": "error", "start_time": None})
    graph = {"langchain.architecture": True}
    found.append(span(90, chance, attributes=graph, kind="chain", trace_id="graph"))
    found.append(span(91, chance, parent_span_id="never seen", trace_id="orphan"))
    found.append(span(92, chance, parent_span_id="s93", trace_id="circle"))
    found.append(span(93, chance, parent_span_id="s92", trace_id="circle"))
    found.append(span(94, chance, kind="evaluator", parent_span_id=None, trace_id="judge"))
    found.append(span(95, chance, kind="llm", parent_span_id="s94", trace_id="judge"))
    chance.shuffle(found)
    return found


def scores(seed: int) -> bytes:
    """Scores of traces, of spans, of a span that is not there, and of none at all."""
    chance = random.Random(seed)
    found = []
    for number in range(20):
        scored = chance.randrange(40)
        one = make_score(
            f"t{scored % 7}" if number else "no such trace",
            chance.choice([None, f"s{scored}", "never seen"]),
            key=chance.choice(["helpful", "spans"]),
            score=chance.choice([True, 0.25, 3, "good", None]),
            author=f"a{number % 3}",
        )
        found.append(json.dumps(one, default=str).encode())
    return b"\n".join(found) + b"\n"


def lines(found: list[dict[str, Any]], **options: Any) -> bytes:
    return b"".join(
        json.dumps(one, separators=(",", ":"), ensure_ascii=False, **options).encode() + b"\n"
        for one in found
    )


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), compacted=st.booleans())
def test_answers_are_those_of_pandas(tmp_path_factory, seed, compacted):
    folder = tmp_path_factory.mktemp("source")
    found = records(seed)
    for number in range(4):
        traces = folder / "e" / f"run-{number % 2}" / "langchain-traces"
        traces.mkdir(parents=True, exist_ok=True)
        (traces / f"part-{number}.jsonl").write_bytes(lines(found[number::4]))
        if number < 2:
            beside = traces.parent / "langchain-scores"
            beside.mkdir()
            (beside / f"scores-{number}.jsonl").write_bytes(scores(seed + number))
        if compacted and number == 1:
            compact_runs(folder)
    check(folder)


ODD: dict[str, Any] = {
    "a torn line": lambda data: data[:-30],
    "no JSON in the middle": lambda data: data + b"no json\n" + data.replace(b'"s', b'"z'),
    "gzip": gzip.compress,
    "numbers for texts": lambda data: data.replace(b'"status":"ok"', b'"status":5'),
    "a list for attributes": lambda data: data.replace(b'"attributes":{}', b'"attributes":[1]'),
    "a text for a duration": lambda data: data.replace(b'"duration_ms":3', b'"duration_ms":"3"'),
    "a wild duration": lambda data: data.replace(b'"duration_ms":3', b'"duration_ms":1e300'),
    "another form of time": lambda data: data.replace(b"000000Z", b"000000+02:00"),
    "no time": lambda data: data.replace(b'"start_time":"2026-01-02', b'"start_time":"x'),
    "blank lines": lambda data: b"\n \n" + data.replace(b"\n", b"\n\n"),
    "spaces": lambda data: data.replace(b'":', b'" : ').replace(b',"', b' , "'),
    "escapes": lambda data: data.replace("ünï".encode(), b"\\u00fcn\\u00ef"),
    "windows line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "a newer version": lambda data: data.replace(b'"schema_version":1', b'"schema_version":2'),
    "a foreign owner": lambda data: data.replace(b'"events"', b'"run_name":"mine","events"'),
    "nothing": lambda data: b"",
    "zeros": lambda data: b"\0" * 5_000,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("in_a_run", [True, False])
def test_answers_are_those_of_pandas_whatever_a_part_looks_like(tmp_path, kind, in_a_run):
    found = records(3)
    folder = tmp_path / "e" / "r" / "langchain-traces" if in_a_run else tmp_path / "loose"
    folder.mkdir(parents=True)
    (folder / "part-0.jsonl").write_bytes(lines(found[:20]))
    (folder / "part-1 [odd]*.jsonl").write_bytes(lines(found[20:30]))
    (folder / "part-2.jsonl").write_bytes(ODD[kind](lines(found[30:])))
    check(tmp_path)


def test_shared_texts_are_prompts_too(tmp_path):
    chance = random.Random(1)
    shared = {"s1/0": "a long text"}
    found = [
        span(1, chance, kind="llm", inputs=[{"$shared": "s1/0"}], shared=shared),
        span(2, chance, kind="llm", inputs=[{"$shared": "s1/0"}]),
        span(3, chance, kind="llm", inputs=["a long text"]),
    ]
    (tmp_path / "part-1.jsonl").write_bytes(lines(found))
    assert repeated_prompts(tmp_path)["calls"].tolist() == [3]
    check(tmp_path)


def test_a_source_in_s3_and_an_experiment(open_run, session, tmp_path):
    for name in ("one", "two"):
        with open_run(name) as run:
            handler = SageMakerCallbackHandler(run, spool_dir=tmp_path)
            for number in range(3):
                with handler.span(f"{number}", kind="tool"):
                    pass
                handler.flush_tracker()
            address = f"s3://{outlet(handler).find_destination().place()[0]}"
    where = {"experiment_name": "experiment", "sagemaker_session": session}
    assert summarize_spans(by="run", **where)["spans"].tolist() == [3, 3]
    assert compare_runs(**where)["run_name"].tolist() == ["one", "two"]
    compact_runs(**where)
    assert summarize_spans(by="run", **where)["spans"].tolist() == [3, 3]
    assert summarize_spans(address, "kind")["spans"].tolist() == [6]
    assert len(slowest_traces(**where)) == 6
    assert cost(None, PRICES, **where).empty


def test_what_can_not_be_read_is_told_and_the_table_goes_with_its_block(tmp_path):
    (tmp_path / "part-1.jsonl").write_bytes(lines(records(1)) + b"{torn")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        opened = open_tables(tmp_path)
        tables = opened.__enter__()
    folder = tables._folder
    assert folder.exists()
    opened.__exit__(None, None, None)
    assert not folder.exists()
    assert "torn last line" in str(told[0].message)
    with pytest.raises(SpanReadError, match="There is no folder"):
        summarize_spans(tmp_path / "missing")
