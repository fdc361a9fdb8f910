"""What child processes of libraries do in the tests of their ends; importable, as `spawn` wants."""

from __future__ import annotations

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler
from support.spans import record

_kept: list[SageMakerCallbackHandler] = []


def record_one(folder: str, prompt: str) -> str:
    """Record a call with a handler of this process, and do not flush it."""
    if not _kept:
        run = OfflineRun(f"{folder}/runs", experiment_name="e", run_name="r")
        _kept.append(SageMakerCallbackHandler(run, spool_dir=f"{folder}/spool"))
    record(_kept[0], prompt)
    return prompt
