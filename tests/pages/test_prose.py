"""The prose check finds what it is for, and nothing in code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "prose.py"


def findings(path: Path) -> list[str]:
    done = subprocess.run([sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True)
    assert done.returncode == bool(done.stdout), done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("prose", "finding"),
    [
        ("Most starts have a parent: then LangChain's word is all there is.", "is all there is"),
        ("Tell whether a list is long.", "Return True if"),
        ("1 the data or AWS said no, 2 the command's words are off", "refused"),
        ("We leverage a seamless solution.", "leave it out"),
        (" ".join(["word"] * 46) + ".", "46 words"),
        ("It was taken, then it was sent, and nothing is known.", "3 passives"),
    ],
)
def test_a_phrase_of_the_list_is_found_in_pages_and_docstrings(
    prose: str, finding: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{prose}\n")
    module = tmp_path / "module.py"
    module.write_text(f'def f():\n    """{prose}"""\n')
    for path in (page, module):
        assert any(finding in line for line in findings(path)), path.name


def test_code_and_short_sentences_are_no_findings(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    many = "\n".join(["word word word"] * 20)
    page.write_text(f"Return True if a list is long. `Tell whether`\n\n```text\n{many}\n```\n")
    assert findings(page) == []


def test_readme_docs_and_docstrings_are_clean() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert done.stdout == ""
