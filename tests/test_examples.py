"""Every example runs without an account, a key or a network, and leaves the spans it says it leaves."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import pytest

from langchain_sagemaker_experiments._sdk import Sdk
from langchain_sagemaker_experiments.demo import stand_ins

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("[a-z]*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs_without_an_account(sdk: Sdk, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stand_ins(force=True) as used, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(path), run_name="__main__")
    assert len(used) == 2
    assert capsys.readouterr().out.strip()
