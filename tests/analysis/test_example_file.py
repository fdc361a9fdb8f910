"""A file of examples grows by one at a time, on disk and in S3, and loses nothing."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from langchain_sagemaker_experiments import (
    FlushError,
    SpanReadError,
    load_examples,
    save_examples,
)
from langchain_sagemaker_experiments._analysis.example_file import add_example
from langchain_sagemaker_experiments._analysis.examples import make_examples
from langchain_sagemaker_experiments.local import LocalSageMaker


def example(number: int, answer: str = "yes") -> Any:
    return make_examples(
        [{"id": f"n{number}", "inputs": {"x": number}, "reference_outputs": answer}]
    )[0]


def test_it_grows_and_an_example_takes_its_own_place(tmp_path: Path) -> None:
    assert add_example(example(1), tmp_path / "new" / "folder") == 1
    assert add_example(example(2), tmp_path / "new" / "folder") == 2
    assert add_example(example(1, "no"), tmp_path / "new" / "folder") == 2
    found = load_examples(tmp_path / "new" / "folder")
    assert [(one["id"], one["reference_outputs"]) for one in found] == [("n2", "yes"), ("n1", "no")]


def test_other_lines_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    lines = [b'{"id": 7, "inputs": "a", "note": "of mine"}', b'{"torn', b'"text"', b"\xff\xfe"]
    file.write_bytes(b"\n".join(lines))  # without a last line break
    assert add_example(example(1), file) == 5
    assert file.read_bytes().splitlines()[:4] == lines


def test_a_number_is_the_same_id_as_its_text_and_a_byte_order_mark_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"id": 1, "inputs": "old"}\r\n{"id": 2, "inputs": "b"}\r\n')
    assert [one["id"] for one in load_examples(file)] == ["1", "2"]
    assert add_example(make_examples([{"id": 1, "inputs": "new"}])[0], file) == 2
    assert [(one["id"], one["inputs"]) for one in load_examples(file)] == [("2", "b"), ("1", "new")]


@pytest.mark.parametrize("name", ["examples.jsonl", "examples.csv", "examples.parquet"])
def test_texts_and_numbers_that_json_can_not_hold_are_examples(tmp_path: Path, name: str) -> None:
    """Half an emoji, as a cut text ends with, and a number beyond 64 bits."""
    given = [{"id": "a", "inputs": {"text": "cut \ud83d", "number": 2**70, 3: "x"}}]
    save_examples(given, tmp_path / name)
    (found,) = load_examples(tmp_path / name)
    assert found["inputs"] == {"text": "cut \\ud83d", "number": f"<int {2**70}>", "3": "x"}
    assert found["content_hash"] == make_examples(given)[0]["content_hash"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"id,inputs\n1,\xff\xfe"),
        ("a.csv", b'id,inputs\n1,"' + b"x" * 200_000 + b'"'),
        ("a.parquet", b"PAR1 and then nothing"),
        ("a.parquet", b""),
        ("a.jsonl", '{"id": 1}'.encode("utf-16")),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SpanReadError, match=re.escape(name)):
        load_examples(tmp_path / name)


def test_a_link_in_a_circle_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "b.jsonl")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    with pytest.raises(FlushError, match="was not added to"):
        add_example(example(1), tmp_path / "a.jsonl")
    with pytest.raises(SpanReadError, match="no examples at"):
        load_examples(tmp_path / "a.jsonl")


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_example(example(number), tmp_path), range(24)))
    assert len(load_examples(tmp_path)) == 24


def test_many_writers_at_once_lose_nothing_in_s3(local: LocalSageMaker) -> None:
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="examples")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add_example(example(number), "s3://examples/a"), range(12)))
    assert len(load_examples("s3://examples/a/examples.jsonl")) == 12


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FlushError, match="was not added to"):
        add_example(example(1), tmp_path / "file" / "below")
    with pytest.raises(ValueError, match=r"\.jsonl file or a folder"):
        add_example(example(1), tmp_path / "table.csv")


def test_a_link_stays_a_link_and_the_mode_stays(tmp_path: Path) -> None:
    save_examples([{"inputs": 1}], tmp_path / "real.jsonl")
    os.symlink(tmp_path / "real.jsonl", tmp_path / "link.jsonl")
    os.chmod(tmp_path / "real.jsonl", 0o640)
    add_example(example(1), tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(load_examples(tmp_path / "real.jsonl")) == 2
    assert (tmp_path / "real.jsonl").stat().st_mode & 0o777 == 0o640
