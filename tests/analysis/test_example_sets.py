"""Examples: from every source, to every format, and of recorded traces."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pandas as pd
import pytest
from langchain_core.messages import HumanMessage

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    SpanReadError,
    current_trace_id,
    examples_from_spans,
    load_examples,
    load_spans,
    log_score,
    save_examples,
)
from support.applications import echo_chain

GIVEN: list[dict[str, Any]] = [
    {
        "id": "one",
        "inputs": {"topic": "fish"},
        "reference_outputs": "They swim.",
        "metadata": {"n": 1},
    },
    {"id": "two", "inputs": {"topic": "cats"}, "reference_outputs": {"answer": ["a", "b"]}},
    {"id": "three", "inputs": "birds, and\n\"more\" {"},
]  # fmt: skip


def shown(examples: Any) -> list[Any]:
    return [(e["id"], e["inputs"], e["reference_outputs"], e["metadata"]) for e in examples]


EXPECTED = [
    ("one", {"topic": "fish"}, "They swim.", {"n": 1}),
    ("two", {"topic": "cats"}, {"answer": ["a", "b"]}, {}),
    ("three", 'birds, and\n"more" {', None, {}),
]


@pytest.mark.parametrize("target", ["e.jsonl", "e.csv", "e.parquet", "folder", "folder/"])
def test_what_is_saved_is_loaded_again(tmp_path: Path, target: str) -> None:
    place = f"{tmp_path}/{target}"
    written = save_examples(GIVEN, place)
    for source in (written, place):
        found = load_examples(source)
        assert shown(found) == EXPECTED
        assert found.version == load_examples(GIVEN).version


@pytest.mark.parametrize("target", ["data/e.jsonl", "data/e.csv", "data/e.parquet", "data"])
def test_examples_lie_in_s3(local: Any, target: str) -> None:
    boto3.client("s3").create_bucket(Bucket=local.bucket)
    address = f"s3://{local.bucket}/{target}"
    written = save_examples(GIVEN, address)
    assert shown(load_examples(address)) == shown(load_examples(written)) == EXPECTED
    with pytest.raises(SpanReadError, match="can't be read"):
        load_examples(f"s3://{local.bucket}/nothing.jsonl")


def test_tables_with_a_column_a_value_are_examples(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "inputs.topic": ["fish", "cats"],
            "inputs.count": [1, 2],
            "reference_outputs": ["They swim.", None],
            "metadata.level": ["easy", None],
            "other": [1, 2],
        }
    )
    expected = [
        ({"topic": "fish", "count": 1}, "They swim.", {"level": "easy"}),
        ({"topic": "cats", "count": 2}, None, {}),
    ]
    assert [one[1:] for one in shown(load_examples(table))] == expected
    table.to_parquet(tmp_path / "e.parquet")
    assert [one[1:] for one in shown(load_examples(tmp_path / "e.parquet"))] == expected
    assert [one[1:] for one in shown(load_examples(tmp_path))] == expected
    table.to_csv(tmp_path / "e.csv", index=False)
    with pytest.raises(SpanReadError, match="2 files of examples"):
        load_examples(tmp_path)
    assert load_examples(tmp_path / "e.csv")[0]["inputs"] == {"topic": "fish", "count": "1"}


def test_exports_of_langsmith_are_examples() -> None:
    as_objects = [SimpleNamespace(id="1", inputs={"q": 1}, outputs={"a": 2}, metadata=None)]
    as_rows = [{"id": "1", "inputs": {"q": 1}, "outputs": {"a": 2}}]
    for given in (as_objects, as_rows):
        assert shown(load_examples(given)) == [("1", {"q": 1}, {"a": 2}, {})]


def test_an_example_without_an_id_gets_one_of_its_inputs() -> None:
    found = load_examples(
        [{"inputs": {"a": 1, "b": 2}}, {"inputs": {"b": 2, "a": 1}}, {"inputs": 3}]
    )
    first, second, third = (one["id"] for one in found)
    assert first.endswith("-1")
    assert second == first.removesuffix("-1") + "-2"
    assert third not in (first, second)
    again = load_examples([{"inputs": 3}, {"inputs": {"a": 1, "b": 2}}])
    assert [one["id"] for one in again] == [third, first]


def test_a_version_is_of_contents_and_ids_in_any_order() -> None:
    version = load_examples(GIVEN).version
    assert load_examples(GIVEN[::-1]).version == version
    changed = [{**GIVEN[0], "reference_outputs": "They fly."}, *GIVEN[1:]]
    assert load_examples(changed).version != version
    assert load_examples(changed)[0]["content_hash"] != load_examples(GIVEN)[0]["content_hash"]
    assert load_examples([{**GIVEN[0], "metadata": {"n": 2}}, *GIVEN[1:]]).version == version


def test_messages_are_inputs(tmp_path: Path) -> None:
    found = load_examples([{"inputs": [HumanMessage("hello")]}])
    assert found[0]["inputs"] == [HumanMessage("hello")]
    save_examples(found, tmp_path / "e.jsonl")
    assert load_examples(tmp_path / "e.jsonl")[0]["inputs"][0]["content"] == "hello"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"input": 1}], "Example 1 has no inputs"),
        ([{"id": 1, "inputs": 1}, {"id": "1", "inputs": 2}], "Example 2 has the id '1'"),
        ([{"inputs": {"x": object()}}], "can't be written as JSON"),
    ],
)
def test_what_is_no_example_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_examples(given)


def test_a_source_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpanReadError, match="There are no examples at"):
        load_examples(tmp_path / "nothing.jsonl")
    with pytest.raises(SpanReadError, match="Examples can't be read from int"):
        load_examples(7)
    (tmp_path / "bad.jsonl").write_text('{"inputs": 1}\n{"inputs"')
    with pytest.raises(SpanReadError, match="line 2 is no JSON"):
        load_examples(tmp_path / "bad.jsonl")


# --- of recorded traces ---------------------------------------------------------------------------
def test_recorded_traces_become_examples_corrected_by_humans(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    traces = []
    with SageMakerCallbackHandler(run) as handler:
        for n in range(3):
            echo_chain().invoke({"topic": f"fish {n}"}, config={"callbacks": [handler]})
            traces.append(str(current_trace_id()))
        with pytest.raises(KeyError):
            echo_chain().invoke({"other": "x"}, config={"callbacks": [handler]})
    log_score(run, trace_id=traces[1], key="helpful", score=False, correction="old")
    log_score(run, trace_id=traces[1], key="helpful", score=False, correction="sharks")
    log_score(run, trace_id=traces[2], key="helpful", score=True, correction="m", source="model")
    spans = load_spans(run)
    found = examples_from_spans(spans)
    assert [one["inputs"] for one in found] == [{"topic": f"fish {n}"} for n in range(3)]
    assert [one["reference_outputs"] for one in found] == ["fish 0", "sharks", "fish 2"]
    assert found[1]["metadata"]["trace_id"] == traces[1]
    assert len(examples_from_spans(spans, corrected_only=True)) == 1
    unhelpful = examples_from_spans(spans, where=lambda row: row.get("helpful") is False)
    assert [one["inputs"]["topic"] for one in unhelpful] == ["fish 1"]
    prompts = examples_from_spans(spans, name="ChatPromptTemplate")
    assert [one["inputs"] for one in prompts] == [{"topic": f"fish {n}"} for n in range(3)]
