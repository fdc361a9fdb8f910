"""The published JSON Schema and the record say the same. That real records keep to it, every test
with a `Recording` checks.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from langchain_sagemaker_experiments._reading import COLUMNS
from langchain_sagemaker_experiments._record.schema import KINDS, SCHEMA_VERSION
from support.recording import Recording
from support.schema import SCHEMA, check_lines


def test_the_schema_has_every_field_kind_and_the_version() -> None:
    when_read = {"experiment_name", "run_name"}
    assert set(SCHEMA["properties"]) - {"shared", "scores"} == set(COLUMNS) - when_read
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) - {"shared", "scores"}
    assert set(SCHEMA["properties"]["kind"]["enum"]) == KINDS
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_a_record_that_is_none_does_not_pass(recording: Recording) -> None:
    recording.handler.on_llm_start({}, ["hello"])
    recording.handler.flush_tracker()
    (line,) = recording.raw_lines()
    check_lines(json.dumps(line).encode())
    for name, wrong in (
        ("kind", "model"),
        ("trace_id", "1"),
        ("start_time", "today"),
        ("end_time", "2026-01-01T00:00:00.000000Z"),  # it is running
        ("schema_version", 2),
        ("error", "it failed"),
        ("events", [{"name": "x"}]),
    ):
        with pytest.raises(AssertionError, match=name):
            check_lines(json.dumps({**line, name: wrong}).encode())


@pytest.mark.filterwarnings("ignore")
def test_the_three_scenarios_keep_to_it(sdk: object, tmp_path: Path) -> None:
    from rich.console import Console

    from langchain_sagemaker_experiments._cli.demo import run_demo

    run_demo(Console(quiet=True), tmp_path)
    parts = list(tmp_path.rglob("*.jsonl"))
    assert len(parts) >= 3
    for part in parts:
        check_lines(part.read_bytes())
