"""`load_spans`: from a source to a DataFrame."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._record.merge import merge_records
from .._record.owners import set_owner
from .._record.schema import Record
from ..exceptions import SpanReadWarning
from .collection_pause import collection_paused
from .frame import spans_frame
from .parse import parse_part
from .parts import read_all
from .problems import Problem, describe
from .scores import attach_scores, read_scores, scores_by_trace
from .sources import find_all_parts

if TYPE_CHECKING:
    import pandas as pd


def load_records(
    source: Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Record], list[Problem]]:
    """Return the span records of a source, one for each span in order of their start, and what
    could not be read.

    Needs no pandas. Arguments and errors are those of `load_spans`. `progress` is called with how
    many parts are read, of how many.
    """
    problems: list[Problem] = []
    records: list[Record] = []
    parts, score_parts = find_all_parts(
        source, experiment_name, run_name, sagemaker_session, problems
    )
    with collection_paused():
        for done, (part, contents) in enumerate(read_all(parts, problems), 1):
            found = parse_part(part.address, contents.data, problems)
            set_owner(found, contents.experiment, contents.run)
            records += found
            if progress is not None:
                progress(done, len(parts))
        merged = merge_records(records)
        merged.sort(key=lambda record: record.get("start_time") or "")
        if score_parts:
            attach_scores(merged, scores_by_trace(read_scores(score_parts, problems)))
    return merged, problems


def load_spans(
    source: str | Path | Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
) -> pd.DataFrame:
    """Load recorded spans as a DataFrame: one row a span, in order of their start, the record's
    fields as columns.

    Args:
        source: a `Run`, an `OfflineRun`, an `s3://` address of a part or of anything above it, or a
            folder.
        experiment_name: instead of a source, all runs of an experiment.
        run_name: with `experiment_name`, one run of it.
        sagemaker_session: whose credentials and region to use; boto3's default ones otherwise.

    Returns:
        A DataFrame with the columns of the span record (`docs/record.md`), and `experiment_name`
        and `run_name`, as far as the place of a part tells them. `start_time` and `end_time` are
        UTC timestamps, `duration_ms` is in milliseconds, `inputs`, `outputs`, `attributes`,
        `events`, … are Python values. A run without any spans gives an empty frame with these
        columns. Where there are scores, the column `scores` holds those of each span, a trace's
        with its root. `frame.attrs["problems"]` lists what could not be read,
        `frame.attrs["made_with"]` what `record_provenance` and `evaluate` recorded.

    Raises:
        SpanReadError: the source does not exist or can't be reached.
        MissingExtraError: pandas is not installed.

    Warns:
        SpanReadWarning: parts of the data could not be read (a torn line, a newer version); all the
            rest was.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> load_spans("runs")[["run_name", "kind", "status"]].values.tolist()
        [['first', 'chat_model', 'ok']]
    """
    with collection_paused():
        records, problems = load_records(
            source,
            experiment_name=experiment_name,
            run_name=run_name,
            sagemaker_session=sagemaker_session,
        )
        frame = spans_frame(records)
    if problems:
        warnings.warn(describe(problems), SpanReadWarning, stacklevel=2)
    frame.attrs["problems"] = [str(problem) for problem in problems]
    return frame
