"""Parts of a large folder are prepared on all cores, as they are in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_spans import write_run

from langchain_sagemaker_experiments._analysis.preview import preview
from langchain_sagemaker_experiments._query.listing import Source, list_source
from langchain_sagemaker_experiments._query.prepared import prepare_all
from langchain_sagemaker_experiments._views.server import prepare_pool


def test_processes_prepare_what_one_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_pool, "_WORTH", 1)
    monkeypatch.setattr(prepare_pool.os, "cpu_count", lambda: 2)
    for number in range(5):
        write_run(tmp_path, 20, 5, run=f"run-{number}", seed=number)
    damaged = tmp_path / "made" / "run-0" / "langchain-traces" / "part-2.jsonl"
    damaged.write_text('{"torn": ')
    parts = list(list_source(Source(tmp_path)).parts.values())
    (odd,) = (part for part in parts if "run-3" in part.address)
    Path(odd.address).unlink()
    Path(odd.address).mkdir()  # can't be read: the others can
    alone_problems: list[Any] = []
    problems: list[Any] = []
    alone = dict(prepare_all(parts, preview, alone_problems))
    several = dict(prepare_pool.prepare_on_all_cores(parts, problems))
    assert list(several) == list(alone) == [part for part in parts if part is not odd]
    for part, prepared in several.items():
        assert prepared.table.equals(alone[part].table)
        assert (prepared.count, prepared.problems) == (alone[part].count, alone[part].problems)
    assert [str(problem) for problem in problems] == [str(one) for one in alone_problems]
    assert odd.address in str(problems[0])
    (torn,) = (prepared for part, prepared in several.items() if part.address == str(damaged))
    assert "torn" in torn.problems[0]


def test_a_process_that_ends_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_pool, "_WORTH", 1)
    monkeypatch.setattr(prepare_pool.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(prepare_pool, "_MODULE", "no.such.module")
    write_run(tmp_path, 20, 5)
    parts = list(list_source(Source(tmp_path)).parts.values())
    ((_, prepared),) = prepare_pool.prepare_on_all_cores(parts, [])
    assert prepared.count == 100
