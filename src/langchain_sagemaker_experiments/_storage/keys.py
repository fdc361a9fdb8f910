"""Where span parts lie, in S3 and in folders: the one place that joins and splits addresses and
names, for those who write and those who read.

In S3: `s3://{bucket}/{artifact prefix}/{trial component}/langchain-traces/part-*.jsonl`, below the
    run's own artifact prefix.
In a folder: `{folder}/{experiment}/{run}/langchain-traces/part-….jsonl`.
Each part is written once, under a name of its own, so that any number of flushes from any number of
processes never overwrite each other. A part uploaded a second time has the same name and the same
content.
Scores lie beside them: `…/langchain-scores/scores-….jsonl`; what an evaluation must remember
    between
processes: `…/langchain-evaluations/{evaluation}/`.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from typing import Final
from urllib.parse import quote, unquote

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
PART_ENDINGS: Final = (PART_SUFFIX, f"{PART_SUFFIX}.gz")
"""What is taken for spans wherever it is found. Parquet files are where a manifest names them, or
the user does.
"""
OPEN_PREFIX: Final = f"{PART_PREFIX}0-open-"
"""Of a part to which a compaction moved the spans that were still open."""

COMPACTED_FOLDER: Final = "compacted"
"""Below a folder of parts: what a compaction made of them."""
MANIFEST_NAME: Final = "_manifest.json"
"""In `compacted/`. An underscore at its beginning: Athena, Spark and pyarrow pass such files over.
"""
MANIFEST_KEY: Final = f"{COMPACTED_FOLDER}/{MANIFEST_NAME}"
LEASE_KEY: Final = f"{COMPACTED_FOLDER}/_compacting.json"
TOMBSTONE_KEY: Final = f"{COMPACTED_FOLDER}/_forgotten.json"
"""What was forgotten of a run: spans and scores that readers pass over."""
PARQUET_SUFFIX: Final = ".parquet"

RUN_LOG: Final = "run.jsonl"
"""In an `OfflineRun`'s folder: everything logged but spans, in the order it was logged, one JSON
object a line. It only grows, so that processes can share it.
"""
EXAMPLES_FILE: Final = "examples.jsonl"
"""In a folder or below an address: examples of evaluations; a window puts them beside the runs."""
ARTIFACTS_FOLDER: Final = "artifacts"
"""In an `OfflineRun`'s folder: files that were logged."""
LEDGER: Final = ".synced.jsonl"
"""Beside parts: what `sync` has sent of them."""

SPOOL_PREFIX: Final = "spool-"
"""Of the folder that one handler spools to."""
LIVE_PREFIX: Final = "live-"
"""In a spool: of the file that a durable handler appends to."""
TARGET_NAME: Final = "target.json"
"""In a spool: which run its parts belong to."""
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
    return f"{prefix}{stamp}.{rest // 1_000:06d}Z-{secrets.token_hex(6)}{PART_SUFFIX}"


def trial_component_name(experiment_name: str, run_name: str) -> str:
    """Return the trial component of a run, as the sagemaker SDK builds it
    (`Run._generate_trial_component_name`).
    """
    return f"{experiment_name}-{run_name}".lower()


def run_folder_of(address: str) -> str:
    """Return the folder of a run from the address of anything in it, or that folder itself."""
    pieces = pieces_of(address.rstrip("/"))
    for folder in (TRACES_FOLDER, SCORES_FOLDER, EVALUATIONS_FOLDER):
        if folder in pieces:
            pieces = pieces[: pieces.index(folder)]
    return "/".join(pieces)


def is_score_part(address: str) -> bool:
    """Return True if a file holds scores, as its folder tells."""
    return SCORES_FOLDER in pieces_of(address)[:-1]


def is_evaluation_file(address: str) -> bool:
    """Return True if a file is what an evaluation remembers, as its folder tells."""
    return EVALUATIONS_FOLDER in pieces_of(address)[:-1]


def is_parquet(address: str) -> bool:
    """Return True if a file's name says that it is Parquet."""
    return address.endswith(PARQUET_SUFFIX)


def is_part(address: str) -> bool:
    """Return True if a file is taken for spans, as its name tells. An `OfflineRun` keeps a log of
    its own beside its traces, sync a hidden one, a window examples.
    """
    name = name_of(address)
    other = name in (RUN_LOG, EXAMPLES_FILE) or name.startswith(".")
    return name.endswith(PART_ENDINGS) and not other


def is_manifest(address: str) -> bool:
    """Return True if a file is the manifest of a run's compacted spans."""
    return _slashes(address).endswith(f"/{MANIFEST_KEY}")


def is_tombstone(address: str) -> bool:
    """Return True if a file tells what was forgotten of a run."""
    return _slashes(address).endswith(f"/{TOMBSTONE_KEY}")


def tombstone_folder_of(address: str) -> str:
    """Return the folder whose tombstone counts for a part of spans or scores: that of the run's
    spans, or the folder itself that a part lies in alone.
    """
    run = run_folder_of(address)
    return join_folder(run, TRACES_FOLDER) if run != address else folder_of(address)


def join_folder(folder: str, *names: str) -> str:
    """Return the key or address of what lies in a folder; what it begins with stays as it is."""
    return "/".join((folder, *names) if folder else names)


def prefix_of_run_folders(run_folder: str) -> str:
    """Return what the keys of all that a run wrote begin with, for one listing of them."""
    return join_folder(run_folder, RUN_FOLDERS_PREFIX)


# --- names that come from data --------------------------------------------------------------------
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))]
)
"""Names that Windows takes for devices, with any ending."""
_COMPACTED_PIECES: Final = ("experiment_name=", "run_name=", "date=", "spans-")


def is_bare_name(name: object) -> bool:
    """Return True if a name that came with data can be nothing but that of a file in its folder, on
    any system.
    """
    return (
        isinstance(name, str)
        and 0 < len(name) <= 255
        and name.isprintable()
        and not any(character in name for character in '/\\:*?"<>|')
        and name[0] != "."
        and name[-1] not in ". "
        and name.split(".")[0].lower() not in _DEVICES
    )


def is_part_name(name: object) -> bool:
    """Return True if a name that came with data is that of a part, and of nothing else."""
    return isinstance(name, str) and is_bare_name(name) and is_part(name)


def is_compacted_name(name: object) -> bool:
    """Return True if a name that came with data is that of a Parquet file below `compacted/`."""
    if not isinstance(name, str) or not is_parquet(name):
        return False
    pieces = name.split("/")
    return len(pieces) == len(_COMPACTED_PIECES) and all(
        is_bare_name(piece) and piece.startswith(prefix)
        for piece, prefix in zip(pieces, _COMPACTED_PIECES, strict=True)
    )


# --- compacted files ------------------------------------------------------------------------------
def compacted_name(experiment: str | None, run: str | None, day: str, digest: str) -> str:
    """Return the name below `compacted/` of the spans of a run and a day.

    Args:
        experiment: the experiment's name, if known.
        run: the run's name, if known.
        day: such as `2026-01-31`.
        digest: of what the file is made of, so that names do not come twice.
    """
    values = (_quoted(experiment or "unknown"), _quoted(run or "unknown"), day)
    pieces = [f"{prefix}{value}" for prefix, value in zip(_COMPACTED_PIECES, values, strict=False)]
    return "/".join([*pieces, f"spans-{digest}{PARQUET_SUFFIX}"])


def _quoted(text: str) -> str:
    quoted = quote(text, safe="")
    return f"{quoted[:-1]}%2E" if quoted.endswith(".") else quoted  # Windows drops a last dot


def split_compacted(address: str) -> tuple[str, str] | None:
    """Return the run's traces folder and the name below `compacted/`, of an address there; None of
    any other address.
    """
    middle = f"/{TRACES_FOLDER}/{COMPACTED_FOLDER}/"
    head, found, name = _slashes(address).rpartition(middle)
    return (f"{head}/{TRACES_FOLDER}", name) if found else None


def partitions_of(name: str) -> dict[str, str]:
    """Return `experiment_name`, `run_name` and `date`, as far as the name of a Parquet file below
    `compacted/` tells them.
    """
    pairs = [piece.partition("=") for piece in name.split("/")[:-1]]
    return {key: unquote(value) for key, equals, value in pairs if equals}


# --- joining and splitting ------------------------------------------------------------------------
def name_of(address: str) -> str:
    """Return the last piece of an address, a key or a path."""
    return _slashes(address).rpartition("/")[2]


def folder_of(address: str) -> str:
    """Return an address, a key or a path without its last piece."""
    return _slashes(address).rpartition("/")[0]


def pieces_of(address: str) -> list[str]:
    """Return the pieces of an address, a key or a path."""
    return _slashes(address).split("/")


def join(*pieces: str) -> str:
    """Return pieces of a key or an address with one slash between them; empty ones are left out."""
    return "/".join(piece.strip("/") for piece in pieces if piece)


def traces_folder_of(address: str) -> str | None:
    """Return the folder of spans that an address lies in, directly or below; None of any other."""
    head, found, _ = _slashes(address).rpartition(f"/{TRACES_FOLDER}/")
    return f"{head}/{TRACES_FOLDER}" if found else None


def _slashes(address: str) -> str:
    return address.replace("\\", "/") if os.sep == "\\" else address


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
