"""A name given beside a source is never ignored: what it was to leave out would be read, or
removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    DestinationError,
    OfflineRun,
    SageMakerCallbackHandler,
    SpanReadError,
    compact,
    compact_runs,
    forget,
    load_scores,
    load_spans,
    log_score,
    scan_spans,
    summarize,
)
from support.spans import record

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "load_spans": load_spans,
    "load_scores": load_scores,
    "scan_spans": scan_spans,
    "summarize": summarize,
    "compact": compact,
    "compact_runs": compact_runs,
    "forget": lambda source, **names: forget(source, before="2100-01-01", **names),
    "log_score": lambda source, **names: log_score(source, "t", key="k", score=1, **names),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    run = OfflineRun(tmp_path, experiment_name="jokes", run_name="first")
    with SageMakerCallbackHandler(run) as handler:
        record(handler)
    return run


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("names", [{"run_name": "second"}, {"experiment_name": "jokes"}])
def test_a_name_beside_a_folder_is_refused(
    run: OfflineRun, tmp_path: Path, name: str, names: dict[str, str]
) -> None:
    before = contents(tmp_path)
    with pytest.raises(
        (SpanReadError, DestinationError), match=r"can't be given beside a source.* Nothing was"
    ):
        FUNCTIONS[name](str(tmp_path), **names)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_runs_name_beside_a_run_is_refused(
    run: OfflineRun, tmp_path: Path, name: str
) -> None:
    before = contents(tmp_path)
    with pytest.raises((SpanReadError, DestinationError), match="already says what is meant"):
        FUNCTIONS[name](run, experiment_name="jokes", run_name="second")
    assert contents(tmp_path) == before


def test_the_runs_own_names_beside_it_are_fine(run: OfflineRun) -> None:
    assert len(load_spans(run, experiment_name="Jokes", run_name="first")) == 1
