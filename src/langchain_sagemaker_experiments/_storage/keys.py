"""Where span parts lie, in S3 and in folders: the one place that knows their names, for those who
write and those who read.

In S3: `s3://{bucket}/{artifact prefix}/{trial component}/langchain-traces/part-….jsonl`, below the
    run's own artifact prefix.
In a folder: `{folder}/{experiment}/{run}/langchain-traces/part-….jsonl`.
Each part is written once, under a name of its own, so that any number of flushes from any number of
processes never overwrite each other. A part uploaded a second time has the same name and the same
content.
Scores lie beside them: `…/langchain-scores/scores-….jsonl`; what an evaluation must remember between
processes: `…/langchain-evaluations/{evaluation}/`.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Final

ARTIFACT_NAME: Final = "langchain-traces"
"""The one artifact registered in a Run: the address of its newest part. Also the parameter that
stands in when a Run is full.
"""
DEFAULT_PREFIX: Final = "trial-component-artifacts"
"""Where the SDK puts the artifacts of its runs (`_DEFAULT_ARTIFACT_PREFIX`)."""
TRACES_FOLDER: Final = "langchain-traces"
SCORES_FOLDER: Final = "langchain-scores"
"""Beside the parts, not among them: readers of spans and compaction pass scores over."""
EVALUATIONS_FOLDER: Final = "langchain-evaluations"
"""What evaluations remember between processes. Its files are of no interest to readers."""
RUN_FOLDERS_PREFIX: Final = "langchain-"
"""What the names of these folders have in common, for one listing of all of them."""
SCORES_PREFIX: Final = "scores-"
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


def new_part_name(prefix: str = PART_PREFIX) -> str:
    """Return a name no other part has, that sorts by time: `part-20261121T101500.123456Z-<12 hex
    digits>.jsonl`.
    """
    now = time.time_ns()
    seconds, rest = divmod(now, 1_000_000_000)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    return f"{prefix}{stamp}.{rest // 1_000:06d}Z-{uuid.uuid4().hex[:12]}{PART_SUFFIX}"


def trial_component_name(experiment_name: str, run_name: str) -> str:
    """Return the trial component of a run, as the sagemaker SDK builds it
    (`Run._generate_trial_component_name`).
    """
    return f"{experiment_name}-{run_name}".lower()


def run_folder_of(address: str) -> str:
    """Return the folder of a run from the address of anything in it, or that folder itself."""
    pieces = address.replace("\\", "/").rstrip("/").split("/")
    for folder in (TRACES_FOLDER, SCORES_FOLDER, EVALUATIONS_FOLDER):
        if folder in pieces:
            pieces = pieces[: pieces.index(folder)]
    return "/".join(pieces)


def is_score_part(address: str) -> bool:
    """Return True if a file holds scores, as its folder tells."""
    return SCORES_FOLDER in address.replace("\\", "/").split("/")[:-1]


def is_evaluation_file(address: str) -> bool:
    """Return True if a file is what an evaluation remembers, as its folder tells."""
    return EVALUATIONS_FOLDER in address.replace("\\", "/").split("/")[:-1]


def is_parquet(address: str) -> bool:
    """Return True if a file's name says that it is Parquet."""
    return address.endswith(".parquet")


_ACCESS_POINT: Final = re.compile(
    r"(arn:[^:/]+:s3[^:/]*:[^:/]*:[^:/]*:(?:outpost[:/][^:/]+[:/])?accesspoint[:/][^/]+)(?:/|$)"
)
"""An access point's ARN, which stands in an address where a bucket's name else does."""


def is_s3_address(address: object) -> bool:
    """Return True for text that begins with `s3://`."""
    return isinstance(address, str) and address.startswith("s3://")


def split_address(address: str) -> tuple[str, str]:
    """Return the bucket and the key of an `s3://` address.

    Args:
        address: `s3://{bucket}/{key}`; the bucket may be an access point's ARN, which itself holds
            a slash.
    """
    place = address.removeprefix("s3://")
    found = _ACCESS_POINT.match(place)
    if found:
        return found[1], place[found.end() :]
    bucket, _, key = place.partition("/")
    return bucket, key


def join_address(bucket: str, key: str) -> str:
    """Return the `s3://` address of a key in a bucket."""
    return f"s3://{bucket}/{key}"
