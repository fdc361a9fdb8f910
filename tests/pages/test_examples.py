"""Every example runs without an account, a key or a network, and leaves the spans it says it
leaves.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import boto3
import pytest

from langchain_sagemaker_experiments import load_spans
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments.demo import stand_ins
from langchain_sagemaker_experiments.local import local_sagemaker

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("[a-z]*.py"))

SHOWN: dict[str, tuple[str, ...]] = {
    "analysis_with_dask": ("18 spans in Parquet", "gpt-4o-mini", "0.000024"),
    "container_worker": ("answered fish 2", "6 spans of 2 messages are stored"),
    "fastapi_feedback": ("200\n200\n200", "not funny", "to get right: {'topic': 'cats'}"),
    "fastapi_service": ("200 ", "9 spans", "s-1"),
    "lambda_function": ("'statusCode': 200", "RunnableSequence", "s-1"),
    "langgraph_human_approval": ("waits for:", "interrupted", "customer-7"),
    "manual_spans": ("Example Span, live", "25 years old"),
    "offline_then_sync": ("parts=1, spans=3", "skipped=1", "in SageMaker: [{"),
    "pytest_gate": ("the candidate is better", "no worse\n"),
    "processing_job": ("jokes-nightly", "gpt-4o-mini", "3.0"),
    "sagemaker_endpoint": (
        "3 days",
        "'sagemaker.region': 'us-west-2'",
        "'sagemaker.endpoint_name': 'endpoint-name'",
    ),
    "scenario_1_llm": ("ChatPromptTemplate", "chat_model"),
    "scenario_1_llm_classic": ("langchain-sagemaker-tracker-run-scenario-1",),
    "scenario_2_sequential_chain": ("RunnableSequence", "chat_model"),
    "scenario_2_sequential_chain_classic": ("langchain-sagemaker-tracker-run-scenario-2",),
    "scenario_3_agent": ("calculating-agent", "gpt-4o-mini"),
    "scenario_3_agent_classic": ("langchain-sagemaker-tracker-run-scenario-3",),
}
"""What each example shows of what it recorded."""


def test_a_container_that_is_stopped_finishes_its_message_and_stores_all(tmp_path: Path) -> None:
    example = next(path for path in EXAMPLES if path.stem == "container_worker")
    with local_sagemaker(server=True):
        process = subprocess.Popen(
            [sys.executable, str(example)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "MESSAGES": "0", "HOSTNAME": "pod-7", "HOME": str(tmp_path)},
        )
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert [next(line for line in lines if "answered" in line) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        left = list(lines)
        assert process.wait(60) == 0
        answered = 3 + sum("answered" in line for line in left)
        assert "stopping\n" in left
        assert left[-1] == f"{3 * answered} spans of {answered} messages are stored\n"
        spans = load_spans(experiment_name="joke-worker", run_name="pod-7")
        assert len(spans) == 3 * answered
        assert set(spans["status"]) == {"ok"}
        described = boto3.client("sagemaker").describe_trial_component(
            TrialComponentName="joke-worker-pod-7"
        )
        assert described["Status"]["PrimaryStatus"] == "Completed"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs_without_an_account(
    sdk: Sdk, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stand_ins(force=True) as used, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(path), run_name="__main__")
    assert len(used) == 2
    shown = capsys.readouterr().out
    for words in SHOWN[path.stem]:
        assert words in shown
