"""Several processes write to one Run at a time, and nobody overwrites anybody."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import boto3

from langchain_sagemaker_experiments import load_spans
from langchain_sagemaker_experiments.local import local_sagemaker

WRITER = """
import sys
from langchain_core.outputs import Generation, LLMResult
from langchain_sagemaker_experiments import SageMakerCallbackHandler
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import load_sdk
sdk = load_sdk("test")
RESULT = LLMResult(generations=[[Generation(text="text")]])
with sdk.load_run(experiment_name="e", run_name="r", sagemaker_session=sdk.Session()) as run:
    handler = SageMakerCallbackHandler(run)
    for number in range(125):
        settings = {"model_name": "m", "temperature": 0.5}
        handler.on_llm_start({}, [f"{sys.argv[1]}-{number}"], invocation_params=settings)
        handler.on_llm_end(RESULT)
        handler.flush_tracker()
"""


def test_500_flushes_of_4_processes_onto_a_run_with_artifacts_of_the_users(sdk: Any) -> None:
    with local_sagemaker(server=True) as local:
        session = sdk.Session()
        with sdk.Run(experiment_name="e", run_name="r", sagemaker_session=session) as run:
            for number in range(25):
                run.log_artifact(f"mine-{number}", f"s3://b/{number}")
        processes = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(n)], stderr=subprocess.PIPE)
            for n in range(4)
        ]
        for process in processes:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
        spans = load_spans(experiment_name="e", run_name="r")
        expected = sorted(f"{process}-{number}" for process in range(4) for number in range(125))
        assert sorted(inputs["prompts"][0] for inputs in spans["inputs"]) == expected
        described = boto3.client("sagemaker").describe_trial_component(TrialComponentName="e-r")
        artifacts = described["OutputArtifacts"]
        assert set(artifacts) == {f"mine-{number}" for number in range(25)} | {"langchain-traces"}
        assert all(
            artifacts[f"mine-{number}"]["Value"] == f"s3://b/{number}" for number in range(25)
        )
        assert described["Parameters"]["temperature"] == {"NumberValue": 0.5}
        assert local.requests["PutObject"] == 500
