"""The index: as the readers merge, kept up to date, with whole records at hand."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from made_spans import make_traces, write_run

from langchain_sagemaker_experiments import compact, load_spans, trace_table
from langchain_sagemaker_experiments._analysis.preview import preview
from langchain_sagemaker_experiments._analysis.prices import rates_of
from langchain_sagemaker_experiments._query.cache import bound, open_index
from langchain_sagemaker_experiments._query.costs import Costs
from langchain_sagemaker_experiments._query.follow import Follower
from langchain_sagemaker_experiments._query.listing import Source
from langchain_sagemaker_experiments._query.prepared import prepare_all
from langchain_sagemaker_experiments._query.questions import Questions
from langchain_sagemaker_experiments._query.records import PartReader, merged, pick
from langchain_sagemaker_experiments._query.search import Searches
from langchain_sagemaker_experiments._query.span_index import SpanIndex


class Watched:
    """An index over a folder, without a server."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.index = SpanIndex(path, str(folder))
        self.costs = Costs(self.index, lambda model, provider, day: rates_of(model, provider, day))
        self.follower = Follower(
            Source(folder),
            self.index,
            lambda parts, problems: prepare_all(parts, preview, problems),
            self.costs.update,
        )
        self.questions = Questions(self.index)

    def look(self) -> Watched:
        self.follower.update()
        return self

    def rows(self, **filters: str) -> list[dict[str, Any]]:
        return self.questions.traces(filters, limit=1_000)["rows"]

    def whole(self, trace_id: str) -> list[Any]:
        reader, listing, records = PartReader(), self.follower.listing, []
        by_part: dict[Any, list[Any]] = {}
        for place in self.questions.places([trace_id]):
            by_part.setdefault((place["address"], place["count"]), []).append(place)
        for (address, count), places in by_part.items():
            part = listing.parts[address]
            data = reader.bytes_of(part, listing.fingerprints[address])
            records += pick(address, data, places, count)
        return merged(records)


@pytest.fixture
def watched(tmp_path: Path) -> Any:
    found = Watched(tmp_path / "i.duckdb", tmp_path / "runs")
    yield found
    found.index.close()


def write(folder: Path, name: str, records: list[dict[str, Any]]) -> Path:
    part = folder / "e" / "r" / "langchain-traces" / f"part-{name}.jsonl"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return part


def test_its_traces_are_those_of_trace_table(watched: Watched, tmp_path: Path) -> None:
    write_run(tmp_path / "runs", 60, 10)
    rows = {row["trace_id"]: row for row in watched.look().rows()}
    table = trace_table(load_spans(tmp_path / "runs"))
    assert len(rows) == len(table) == 60
    for row in table.itertuples():
        found = rows[row.trace_id]
        assert found["start"] == pytest.approx(row.start_time.timestamp() * 1e3)
        for name in ("name", "kind", "status", "input_tokens", "output_tokens", "spans", "errors"):
            assert found[name] == getattr(row, name), name
        assert found["duration"] == row.duration_ms
        assert found["inputs"] == preview(row.inputs, 256)
        assert set(found["model"].split(", ")) == set(row.model.split(", "))
        assert found["session"] == row.session_id
        assert found["run"] == row.run_name
    assert watched.whole(table["trace_id"][0])[0]["inputs"] == table["inputs"][0]


@pytest.mark.parametrize("seed", range(6))
def test_records_of_one_span_merge_as_the_readers_do(
    watched: Watched, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    lines: list[dict[str, Any]] = []
    for trace in make_traces(12, 4, seed):
        for span in trace:
            lines.append(span)
            kind = chance.choice(["running", "late", "again", "alone"])
            if kind == "running":
                lines.append(
                    {
                        **span,
                        "status": "running",
                        "end_time": None,
                        "duration_ms": None,
                        "outputs": None,
                    }
                )
            elif kind == "late":
                lines[-1] = {
                    **span,
                    "status": "cancelled",
                    "outputs": None,
                    "attributes": {"langchain.closed_because": "given up"},
                }
                late = {"langchain.start_seen": False, "langchain.late_end": True}
                lines.append({**span, "attributes": late, "inputs": None})
            elif kind == "again":
                lines.append(dict(span))
    chance.shuffle(lines)
    for number in range(4):  # each looked at when it arrives
        write(tmp_path / "runs", str(number), lines[number::4])
        watched.look()
    spans = load_spans(tmp_path / "runs")
    found = {row["span_id"]: row for row in watched.index.ask("SELECT * FROM spans")}
    assert len(found) == len(spans)
    for row in spans.itertuples():
        one = found[row.span_id]
        assert (one["status"], one["parent_id"]) == (row.status, row.parent_span_id)
        assert one["outputs"] == preview(row.outputs, 256)
        assert one["duration_ms"] == pytest.approx(row.duration_ms, nan_ok=True, abs=0.01)
    for trace_id, group in spans.groupby("trace_id"):
        whole = {record["span_id"]: record for record in watched.whole(trace_id)}
        for row in group.itertuples():
            assert whole[row.span_id]["outputs"] == row.outputs
            assert whole[row.span_id]["status"] == row.status


def test_it_follows_compaction_changes_and_removal(watched: Watched, tmp_path: Path) -> None:
    traces = list(make_traces(8, 5))
    folder = tmp_path / "runs"
    parts = [write(folder, str(n), [s for t in traces[n::2] for s in t]) for n in range(2)]
    before = {row["trace_id"]: row["outputs"] for row in watched.look().rows()}
    compact(folder, grace=0)
    compact(folder, grace=0)
    assert not parts[0].exists()
    assert {row["trace_id"]: row["outputs"] for row in watched.look().rows()} == before
    assert all(".parquet" in place for place in watched.index.parts()[0])
    trace = traces[0][0]["trace_id"]
    assert [record["span_id"] for record in watched.whole(trace)] == [
        s["span_id"] for s in traces[0]
    ]
    late = write(
        folder, "late", [{**traces[0][0], "end_time": "2099-01-01T00:00:00Z", "name": "changed"}]
    )
    assert watched.look().rows(name="changed")
    late.write_bytes(
        orjson.dumps({**traces[0][0], "end_time": "2099-01-01T00:00:00Z", "name": "again"})
    )
    assert watched.look().rows(name="again")
    late.unlink()  # what it had replaced counts again
    assert not watched.look().rows(name="again")
    assert {row["trace_id"]: row["outputs"] for row in watched.rows()} == before


def test_errors_are_counted_by_their_cause(watched: Watched, tmp_path: Path) -> None:
    first = next(make_traces(1, 5))
    error = {"type": "ToolError", "message": "no bread", "stacktrace": None}
    for place, span in enumerate(first):
        span.update(
            parent_span_id=first[place - 1]["span_id"] if place else None,
            status="error",
            error=error,
        )
    first[0]["error"] = {"type": "AgentError", "message": "gave up", "stacktrace": None}
    write(tmp_path / "runs", "1", first)
    (row,) = watched.look().rows()
    assert (row["errors"], row["status"]) == (2, "error")
    errors = watched.questions.overview({})["errors"]
    assert [one["traces"] for one in errors] == [1]


def test_a_kept_index_is_opened_and_only_the_new_is_read(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", 10, 5)
    first = Watched(tmp_path / "i.duckdb", tmp_path / "runs").look()
    changed = first.index.changed
    with pytest.raises(BlockingIOError):
        SpanIndex(tmp_path / "i.duckdb", str(tmp_path / "runs"))
    first.index.close()
    again = Watched(tmp_path / "i.duckdb", tmp_path / "runs").look()
    assert again.index.changed == changed
    assert len(again.rows()) == 10
    again.index.close()
    other = SpanIndex(tmp_path / "i.duckdb", "another source")
    assert other.ask("SELECT count(*) AS n FROM spans") == [{"n": 0}]
    other.close()
    (tmp_path / "i.duckdb").write_bytes(b"no database" * 1_000)
    mended = Watched(tmp_path / "i.duckdb", tmp_path / "runs").look()
    assert len(mended.rows()) == 10
    mended.index.close()


def test_the_cache_is_bounded_and_two_windows_have_an_index_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_TRACES_CACHE", str(tmp_path))
    one, other = open_index("a"), open_index("a")
    assert one.path != other.path
    other.close()
    third = open_index("b")
    os.utime(other.path, (1, 1))
    os.utime(one.path, (2, 2))
    monkeypatch.setenv("SAGEMAKER_TRACES_CACHE_BYTES", "1")
    bound(tmp_path, keep=third.path)
    assert sorted(path.name for path in tmp_path.glob("*.duckdb")) == sorted(
        [one.path.name, third.path.name]
    )  # the one that is open stays
    one.close()
    third.close()


def test_a_search_in_whole_texts_finds_what_no_preview_shows(
    watched: Watched, tmp_path: Path
) -> None:
    traces = list(make_traces(6, 3))
    for place, text in ((1, f"{'x' * 3_000} Größe NEEDLE"), (2, "short")):
        traces[place][1]["inputs"] = {"input": text}
    shared = {"a1": f"{'y' * 5_000} shared-needle"}
    traces[3][1]["shared"] = shared
    for trace in (traces[3], traces[4]):
        trace[1]["inputs"] = {"input": {"$shared": "a1"}}
    write(tmp_path / "runs", "1", [span for trace in traces[:3] for span in trace])
    write(tmp_path / "runs", "2", [span for trace in traces[3:] for span in trace])
    watched.look()
    searches = Searches(watched.index)
    assert watched.rows(q="needle") == []

    def found(text: str) -> set[str]:
        told = list(searches.run(text, list(watched.follower.listing.parts.values())))
        assert [one["done"] for one in told] == [0, 1, 2]
        return {row["trace_id"] for row in watched.rows(found=told[-1]["search"])}

    assert found("größe needle") == {traces[1][0]["trace_id"]}
    assert found("shared-NEEDLE") == {traces[n][0]["trace_id"] for n in (3, 4)}
    assert found("no such text") == set()


def test_costs_are_those_of_the_price_table_and_unknown_models_are_named(
    watched: Watched, tmp_path: Path
) -> None:
    write_run(tmp_path / "runs", 20, 5)
    watched.look()
    spans = load_spans(tmp_path / "runs")
    calls = spans[spans["kind"] == "chat_model"]
    (rate,) = rates_of("gpt-4o-mini", "openai")
    wanted = 0.0
    for attributes in calls["attributes"]:
        if attributes["gen_ai.request.model"] == "gpt-4o-mini":
            wanted += attributes["gen_ai.usage.input_tokens"] * rate.input / 1e6
            wanted += attributes["gen_ai.usage.output_tokens"] * rate.output / 1e6
    assert watched.questions.overview({})["total"]["cost"] == pytest.approx(wanted)
    assert watched.questions.counts()["unpriced"] == ["claude-sonnet"]
    row = next(row for row in watched.rows(model="claude-sonnet"))
    assert row["unpriced"] > 0
