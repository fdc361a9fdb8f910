"""Reports of what the three scenarios recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments.demo import stand_ins
from langchain_sagemaker_experiments.demo._scenarios import SCENARIOS


@pytest.fixture(scope="session")
def scenario_spans(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Spans of the three scenarios, each in a run of its own."""
    folder = tmp_path_factory.mktemp("scenarios")
    with stand_ins(force=True):
        for run_name, _, scenario in SCENARIOS:
            with (
                OfflineRun(folder, experiment_name="scenarios", run_name=run_name) as run,
                SageMakerCallbackHandler(run) as handler,
            ):
                scenario(handler)
    return load_spans(folder)


@pytest.fixture(scope="session")
def scenarios(scenario_spans: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the three scenarios."""
    from langchain_sagemaker_experiments import render_report

    return render_report(scenario_spans, tmp_path_factory.mktemp("report") / "report.html").path
