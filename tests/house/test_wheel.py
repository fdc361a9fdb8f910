"""A fresh virtual environment, the built wheel, README's first block: it runs, and what it writes
shows the trace.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from langchain_sagemaker_experiments import load_spans

ROOT = Path(__file__).parents[2]


def call(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def relative_links(wheel: Path) -> list[str]:
    """Links and pictures of what PyPI will show that lead nowhere there."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith("METADATA"))
        shown = file.read(name).decode()
    assert "](https://github.com/" in shown
    return re.findall(r'\]\((?!https?://|#)[^)]*\)|src(?:set)?="(?!https?://)[^"]*"', shown)


@pytest.mark.slow
def test_the_first_block_of_the_readme_runs_from_the_wheel_in_a_fresh_environment(
    tmp_path: Path,
) -> None:
    pytest.importorskip("build", reason="the package build is not installed")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert relative_links(wheel) == []
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    readme = (ROOT / "README.md").read_text()
    extras = re.search(r'pip install "langchain-sagemaker-experiments(\[.*?\])"', readme)
    assert extras is not None
    call(python, "-m", "pip", "install", "--quiet", f"{wheel}{extras[1]}", cwd=tmp_path)

    block = re.search(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert len([line for line in block[1].splitlines() if line.strip()]) <= 8
    (tmp_path / "joke.py").write_text(block[1])
    shown = call(python, "joke.py", cwd=tmp_path)
    assert "report.html" in shown
    assert load_spans(tmp_path / "runs")["kind"].tolist() == ["chain", "prompt", "chat_model"]
    assert (tmp_path / "report.html").stat().st_size > 100_000
