"""A plugin for pytest: it writes what became of each test. FOREIGN_LOG names the file it writes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        write({"test": report.nodeid, "outcome": f"{report.when} {report.outcome}"})


def write(row: dict[str, Any]) -> None:
    with open(os.environ["FOREIGN_LOG"], "a", encoding="utf-8") as log:
        log.write(json.dumps(row, default=str) + "\n")
