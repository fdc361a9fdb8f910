"""What README and docs show is true: their Python blocks run, their tables name what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_spans import write_run

from langchain_sagemaker_experiments._reading import COLUMNS
from langchain_sagemaker_experiments._sdk import Sdk
from langchain_sagemaker_experiments._span import KINDS
from langchain_sagemaker_experiments.demo import stand_ins

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore")
def test_the_readmes_python_runs_from_top_to_bottom(
    sdk: Sdk, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # it writes a report
    names: dict[str, Any] = {}
    with stand_ins(force=True):
        for block in blocks(README, "python"):
            code = block
            if sdk.major == 2:
                # The README shows sagemaker 3; its own table says what differs.
                for new, old in (
                    ("sagemaker.core.experiments.run", "sagemaker.experiments.run"),
                    ("sagemaker.core.helper.session_helper", "sagemaker.session"),
                    ("sagemaker.core.analytics", "sagemaker.analytics"),
                ):
                    code = code.replace(new, old)
            exec(compile(code, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "langchain-sagemaker-tracker-run-scenario-1" in shown
    assert "['chain', 'prompt', 'chat_model']" in shown


def test_the_python_of_the_docs_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, 20)
    ran = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in blocks(page.read_text(), "python"):
            exec(compile(block, page.name, "exec"), {"folder": tmp_path})
            ran += 1
    assert ran >= 1
    assert "gpt-4o-mini" in capsys.readouterr().out


def test_the_readme_names_both_commands_and_a_valid_policy() -> None:
    assert "make demo\nmake test\n" in README
    (policy,) = blocks(README, "json")
    actions = {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}
    assert {"s3:PutObject", "sagemaker:UpdateTrialComponent"} <= actions


def test_the_record_page_names_every_field_and_kind() -> None:
    page = (ROOT / "docs" / "record.md").read_text()
    for name in (*COLUMNS, *KINDS):
        assert f"`{name}`" in page
