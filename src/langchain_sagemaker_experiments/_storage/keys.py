"""Where span parts lie, in S3 and in folders: the one place that knows their names, for those who
write and those who read.

In S3: `s3://{bucket}/{artifact prefix}/{trial component}/langchain-traces/part-….jsonl`, below the
    run's own artifact prefix.
In a folder: `{folder}/{experiment}/{run}/langchain-traces/part-….jsonl`.
Each part is written once, under a name of its own, so that any number of flushes from any number of
processes never overwrite each other. A part uploaded a second time has the same name and the same
content.
"""

from __future__ import annotations

import time
import uuid
from typing import Final

ARTIFACT_NAME: Final = "langchain-traces"
"""The one artifact registered in a Run: the address of its newest part. Also the parameter that
stands in when a Run is full.
"""
TRACES_FOLDER: Final = "langchain-traces"
PART_PREFIX: Final = "part-"
PART_SUFFIX: Final = ".jsonl"
MEDIA_TYPE: Final = "application/jsonl"
"""Fits SageMaker's pattern for media types, `[-\\w]+/[-\\w+]+`, which allows no parameters such as
a character set.
"""
EXPERIMENT_METADATA: Final = "experiment-name"
RUN_METADATA: Final = "run-name"
"""What each part's S3 object says of itself: a bare `s3://` address would not tell where experiment
ends and run begins.
"""


def new_part_name() -> str:
    """Return a name no other part has, that sorts by time: `part-20261121T101500.123456Z-<12 hex
    digits>.jsonl`.
    """
    now = time.time_ns()
    seconds, rest = divmod(now, 1_000_000_000)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    return f"{PART_PREFIX}{stamp}.{rest // 1_000:06d}Z-{uuid.uuid4().hex[:12]}{PART_SUFFIX}"


def trial_component_name(experiment_name: str, run_name: str) -> str:
    """Return the trial component of a run, as the sagemaker SDK builds it
    (`Run._generate_trial_component_name`).
    """
    return f"{experiment_name}-{run_name}".lower()
