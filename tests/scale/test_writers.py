"""Many processes write to one Run without knowing of each other."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from langchain_sagemaker_experiments import compact, load_spans
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments.local import local_sagemaker

WRITER = """
import sys
from langchain_sagemaker_experiments import SageMakerCallbackHandler
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import load_sdk

sdk = load_sdk("the writer")
session = sdk.Session()
with sdk.load_run(experiment_name="many", run_name="writers", sagemaker_session=session) as run:
    with SageMakerCallbackHandler(run) as handler:
        for number in range(int(sys.argv[2])):
            with handler.span(f"{sys.argv[1]}-{number}", kind="tool", inputs={"number": number}):
                pass
            if number % 2_500 == 2_499:
                handler.flush_tracker()
"""


def test_eight_processes_of_ten_thousand_spans_each_write_to_one_run(sdk: Sdk) -> None:
    with local_sagemaker(server=True):
        session: Any = sdk.Session()
        with sdk.Run(experiment_name="many", run_name="writers", sagemaker_session=session) as run:
            run.log_parameter("kept", 1)
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(number), "10000"],
                env=environment,
                stderr=subprocess.PIPE,
            )
            for number in range(8)
        ]
        for writer in writers:
            _, errors = writer.communicate()
            assert writer.returncode == 0, errors.decode()[-2_000:]
        spans = load_spans(experiment_name="many", run_name="writers", sagemaker_session=session)
        assert len(spans) == spans["span_id"].nunique() == 80_000
        assert set(spans["name"]) == {
            f"{writer}-{number}" for writer in range(8) for number in range(10_000)
        }
        assert compact(experiment_name="many", sagemaker_session=session).spans == 80_000
        assert len(load_spans(experiment_name="many", sagemaker_session=session)) == 80_000
        with sdk.load_run(
            experiment_name="many", run_name="writers", sagemaker_session=session
        ) as run:
            assert float(run._trial_component.parameters["kept"]) == 1.0
