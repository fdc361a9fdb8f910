"""Records that somebody else wrote: a bad one is a named problem, the rest is read, and whatever
reads spans bears what comes through.
"""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from langchain_sagemaker_experiments import (
    compact,
    compare_runs,
    cost,
    export_spans,
    load_spans,
    render_report,
    repeated_prompts,
    slowest_traces,
    summarize,
    trace_table,
)
from langchain_sagemaker_experiments._reading.parse import parse_part
from langchain_sagemaker_experiments._reading.problems import Problem

_TIMES = {
    "start_time": "2026-01-01T00:00:00.000000Z",
    "end_time": "2026-01-01T00:00:01.000000Z",
    "duration_ms": 1000.0,
}


def record(span_id: str = "s", **fields: Any) -> dict[str, Any]:
    base = {"trace_id": f"t-{span_id}", "span_id": span_id, "kind": "chat_model", "status": "ok"}
    return {**base, "name": "n", "schema_version": 1, **_TIMES, **fields}


def lines(*records: Any) -> bytes:
    return b"".join(
        (item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in records
    )


def parse(data: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    problems: list[Problem] = []
    return parse_part("part.jsonl", data, problems), [str(problem) for problem in problems]


def use_everything(folder: Path, out: Path) -> pd.DataFrame:
    """All that reads spans, on one folder; return the spans."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spans = load_spans(folder)
    trace_table(spans)
    compare_runs(spans)
    for by in ("model", "component", "session", "day", "run", "kind"):
        summarize(spans, by)
    cost(spans, {"m": (1.0, 2.0)}, by="run")
    repeated_prompts(spans)
    slowest_traces(spans)
    for name in ("a.jsonl", "a.csv", "a.parquet", "a.trace.json", "a.otlp.json"):
        export_spans(spans, out / name)
    render_report(spans, out / "report.html")
    return spans


def nested(levels: int, inner: str = "1", kind: str = "list") -> bytes:
    opening, closing = ("[", "]") if kind == "list" else ('{"k":', "}")
    return (opening * levels + inner + closing * levels).encode()


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("levels", [230, 254, 600, 900, 1_000, 1_100, 5_000, 200_000])
@pytest.mark.parametrize("field", ["inputs", "attributes", "unknown"])
def test_a_deeply_nested_record_is_one_problem(tmp_path, levels, kind, field):
    value = nested(levels, '{"$shared": "s/0"}', kind)
    if field == "attributes":
        value = b'{"a": ' + value + b"}"
    deep = json.dumps(record("deep"))[:-1].encode() + b', "%b": %b}' % (field.encode(), value)
    data = lines(record("a"), deep, record("b", shared={"s/0": "text"}))
    (tmp_path / "part-1.jsonl").write_bytes(data)
    spans = use_everything(tmp_path, tmp_path / "out")
    assert {"a", "b"} <= set(spans["span_id"])
    if levels > 254:
        assert len(spans.attrs["problems"]) == 1
        assert "line 2" in spans.attrs["problems"][0]
        found = spans.set_index("span_id")
        assert "deep" not in found.index or found.loc["deep", field] is None


def test_nesting_through_shared_lists_is_bounded(tmp_path):
    shared: dict[str, Any] = {"s/0": ["bottom"]}
    for number in range(1, 3_000):
        shared[f"s/{number}"] = [{"in": {"$shared": f"s/{number - 1}"}}]
    data = lines(
        record("deep", inputs={"$shared": "s/2999"}),
        record("fine", inputs={"$shared": "s/9"}, shared=shared),
    )
    (tmp_path / "part-1.jsonl").write_bytes(data)
    spans = use_everything(tmp_path, tmp_path / "out").set_index("span_id")
    assert spans.loc["deep", "inputs"] is None
    assert json.dumps(spans.loc["fine", "inputs"]).count("in") == 9


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("form", ["items", "whole"])
def test_shared_values_that_grow_exponentially_are_bounded(tmp_path, form, reverse):
    def reference(key: str) -> dict[str, Any]:
        return {"$shared": key, **({"$take": 10**6} if form == "items" else {})}

    shared: dict[str, Any] = {"s/0": ["x" * 50]}
    for number in range(1, 40):
        shared[f"s/{number}"] = [reference(f"s/{number - 1}")] * 10
    if reverse:
        shared = dict(reversed(shared.items()))
    data = lines(
        record("bomb", inputs=[reference("s/39")], shared=shared),
        *[record(f"again-{number}", inputs=[reference("s/20")]) for number in range(100)],
        record("fine", inputs={"a": [reference("s/2")]}),
    )
    tracemalloc.start()
    records, problems = parse(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000_000
    assert len(problems) == 1, problems
    assert "101 spans" in problems[0]
    assert [r["inputs"] for r in records[:-1]] == [None] * 101
    assert json.dumps(records[-1]["inputs"]).count("x" * 50) == 100


def test_a_part_whose_references_take_too_much_altogether_is_bounded():
    shared = {"s/0": [1] * 1_000_000}
    data = lines(
        record("first", shared=shared),
        *[record(str(n), inputs=[{"$shared": "s/0", "$take": 10**6}]) for n in range(200)],
    )
    tracemalloc.start()
    records, problems = parse(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000_000
    assert len(records) == 201
    assert len(problems) == 1


def test_references_in_a_circle_stay_as_they_are():
    shared = {"a": [{"$shared": "b"}], "b": [{"$shared": "a"}], "c": [{"$shared": "c", "$take": 1}]}
    records, problems = parse(
        lines(record("s", inputs=[{"$shared": key} for key in shared], shared=shared))
    )
    assert problems == []
    assert records[0]["inputs"]


def test_a_forward_reference_of_a_shared_list_is_resolved():
    shared = {"s/0": [{"$shared": "s/1", "$take": 2}, "c"], "s/1": ["a", {"$shared": "s/2"}, "z"]}
    data = lines(record("s", inputs={"$shared": "s/0"}, shared={**shared, "s/2": "b"}))
    assert parse(data)[0][0]["inputs"] == ["a", "b", "c"]


@pytest.mark.parametrize("members", [1, 40])
def test_a_gzip_bomb_is_one_problem_and_no_memory(tmp_path, members, monkeypatch):
    from langchain_sagemaker_experiments._reading import decompression

    monkeypatch.setattr(decompression.decompressed, "__defaults__", (64 * 1024**2,))
    bomb = io.BytesIO()
    for _ in range(members):
        with gzip.GzipFile(fileobj=bomb, mode="wb") as file:
            for _ in range(800 // members):
                file.write(b" " * 1024**2)
    tracemalloc.start()
    records, problems = parse(bomb.getvalue())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert records == []
    assert len(problems) == 1
    assert "64 MiB" in problems[0]
    assert peak < 200 * 1024**2


@pytest.mark.parametrize("cut", [5, 11, 40, -9, -4, -1])
def test_a_torn_gzip_file_is_one_problem(cut):
    data = gzip.compress(lines(*[record(str(n)) for n in range(50)]))
    records, problems = parse(data[:cut])
    assert (records, len(problems)) == ([], 1)


def test_gzip_files_of_several_members_are_read():
    data = gzip.compress(lines(record("a"))) + gzip.compress(lines(record("b")))
    assert [r["span_id"] for r in parse(data)[0]] == ["a", "b"]
    assert len(parse(data + b"garbage")[1]) == 1


_NUMBERS = [2**15, -1, 2**31, 2**63, 2**64 - 1, -(2**63), 10**30, 1e308, -1e308, 0.5, True]


@pytest.mark.parametrize("number", _NUMBERS)
def test_numbers_out_of_range_are_left_out(tmp_path, number):
    wild = {"gen_ai.usage.input_tokens": number, "gen_ai.response.time_to_first_chunk": number}
    folder = tmp_path / "e" / "r" / "langchain-traces"
    folder.mkdir(parents=True)
    (folder / "part-1.jsonl").write_bytes(
        lines(
            record("duration", duration_ms=number, attributes=wild),
            record("version", schema_version=number),
            record("fine"),
        )
    )
    spans = use_everything(tmp_path, tmp_path / "out")
    assert list(spans["span_id"]) == ["duration", "version", "fine"]


@pytest.mark.parametrize(
    "moment",
    ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+14:00",
     "10000-01-01T00:00:00Z", "999999999-01-01", "-1", "now", "1e9", "2026-02-30T00:00:00Z",
     "2026-01-01T00:00:60Z", "0001-01-01T00:00:00Z", "NaT", "today", "infinity"],
)  # fmt: skip
def test_times_that_no_clock_shows_are_left_out(tmp_path, moment):
    folder = tmp_path / "e" / "r" / "langchain-traces"
    folder.mkdir(parents=True)
    events = [{"name": "e", "time": moment}]
    wild = record("wild", start_time=moment, end_time=moment, events=events)
    (folder / "part-1.jsonl").write_bytes(lines(wild, record("fine")))
    spans = use_everything(tmp_path, tmp_path / "out")
    assert set(spans["span_id"]) == {"wild", "fine"}
    assert compact(tmp_path).spans == 2
    assert set(use_everything(tmp_path / "e", tmp_path / "out2")["span_id"]) == {"wild", "fine"}


_OUR_NAMES = [
    "model", "provider", "input_tokens", "output_tokens", "time_to_first_token_ms", "error_type",
    "experiment_name", "run_name", "day", "scores", "prompt", "calls", "cost", "spans", "errors",
    "index", "level_0", "shared", "attrs", "columns", "",
]  # fmt: skip
_FOREIGN = [None, 1, 1.5, "x", True, [1], {"a": 1}, [], {}, 2**63, "=1+1"]


@pytest.mark.parametrize("name", _OUR_NAMES)
def test_a_foreign_field_named_like_ours_breaks_nothing(tmp_path, name):
    rows = [
        record(f"s{n}", attributes={"gen_ai.request.model": "m"}, **{name: value})
        for n, value in enumerate(_FOREIGN)
    ]
    (tmp_path / "part-1.jsonl").write_bytes(lines(*rows))
    spans = use_everything(tmp_path, tmp_path / "out")
    assert len(spans) == len(_FOREIGN)
    assert list(summarize(spans, "model")["model"]) == ["m"]


def test_all_foreign_fields_named_like_ours_at_once(tmp_path):
    (tmp_path / "part-1.jsonl").write_bytes(
        lines(*[record(str(n), **dict.fromkeys(_OUR_NAMES, v)) for n, v in enumerate(_FOREIGN)])
    )
    assert len(use_everything(tmp_path, tmp_path / "out")) == len(_FOREIGN)


def test_any_number_of_foreign_fields_makes_no_table_of_that_size(tmp_path):
    rows = [record(f"s{n}", **{f"f{n}-{m}": m for m in range(100)}) for n in range(300)]
    (tmp_path / "part-1.jsonl").write_bytes(lines(*rows))
    spans = load_spans(tmp_path)
    assert len(spans) == 300
    assert len(spans.columns) < 1_100


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["$shared", "$take", "s/0", "type", "content", "time", "name",
                                       "messages", "generations", "graph", "message"]), inner,
                      max_size=3),
    max_leaves=8,
)  # fmt: skip
_fields = st.sampled_from(
    ["trace_id", "span_id", "parent_span_id", "kind", "name", "status", "start_time", "end_time",
     "duration_ms", "session_id", "inputs", "outputs", "error", "attributes", "events", "tags",
     "metadata", "component", "schema_version", "shared", *_OUR_NAMES]
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.dictionaries(_fields, _json, max_size=4), min_size=1, max_size=4))
@example([{"component": {"graph": []}}, {"attributes": {"langchain.architecture": True}}])
def test_whatever_stands_in_a_field_all_that_reads_spans_bears_it(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("hostile")
    traces = folder / "e" / "r" / "langchain-traces"
    traces.mkdir(parents=True)
    rows = [{**record(f"s{n}"), **change} for n, change in enumerate(changes)]
    (traces / "part-1.jsonl").write_bytes(lines(*rows, record("fine")))
    spans = use_everything(folder, folder / "out")
    assert "fine" in set(spans["span_id"])
    compact(folder / "e")
    after = use_everything(folder / "e", folder / "out")
    assert set(after["span_id"]) == set(spans["span_id"])


def test_a_parquet_file_that_expands_without_bound_is_one_problem(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 200_000
    text = json.dumps("x" * 100_000)
    columns = {
        "trace_id": pa.array(["t"] * rows),
        "span_id": pa.array([str(n) for n in range(rows)]),
        "kind": pa.array(["tool"] * rows),
        "status": pa.array(["ok"] * rows),
        "inputs": pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text]),
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 2_000_000
    with pytest.warns(UserWarning, match="MiB of texts"):
        spans = load_spans(tmp_path / "bomb.parquet")
    assert len(spans) == 0
