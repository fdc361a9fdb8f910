"""The examples in the docstrings of the most used names run, and show what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import langchain_sagemaker_experiments as package

MOST_USED = (
    "OfflineRun",
    "SageMakerCallbackHandler",
    "Span",
    "compare_runs",
    "cost",
    "export_spans",
    "load_spans",
    "log_score",
    "record_calls",
    "render_report",
    "summarize_spans",
    "trace_table",
)


@pytest.mark.parametrize("name", MOST_USED)
def test_the_example_of_a_docstring_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(getattr(package, name), name, module=False, globs={})
    assert example.examples, f"{name} has no example"
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert result.failed == 0, "".join(said)
