"""The tests of one room run without what the other rooms need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOMS = {
    "values, encoder, recorder, redaction": (
        [
            "encoding",
            "masking/test_masking.py",
            "masking/test_telling_names.py",
            "masking/test_word_search.py",
            "recording/test_architecture_log.py",
        ],
        "sagemaker moto dask jinja2 rich typer ahocorasick_rs",
    ),
    "exports": (["export"], "sagemaker moto dask jinja2 rich typer ahocorasick_rs"),
    "report": (["views/report/test_render.py"], "dask rich typer ahocorasick_rs playwright"),
    "scale": (
        ["scale/test_scan.py", "-k", "answers or athena or damaged"],
        "sagemaker moto jinja2 rich typer ahocorasick_rs",
    ),
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_tests_run_without_the_others_dependencies(room: str, tmp_path: Path) -> None:
    files, hidden = ROOMS[room]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "support.without",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *files,
    ]
    environment = {
        **os.environ,
        "WITHOUT": hidden,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))),
    }
    for name in (
        "PYTEST_ADDOPTS",
        "PYTEST_XDIST_WORKER",
        "COV_CORE_SOURCE",
        "COV_CORE_CONFIG",
        "COV_CORE_DATAFILE",
        # The whole suite runs these tests measured; here once more, they would take minutes.
        "COVERAGE_PROCESS_CONFIG",
        "COVERAGE_PROCESS_START",
    ):
        environment.pop(name, None)
    done = subprocess.run(
        command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    assert " passed" in done.stdout
