"""`load_scores`: score records back from where spans are read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from .._record.score import SCORE_FIELDS, Score, is_result, is_score, merge_scores
from .._storage.keys import (
    SCORES_FOLDER,
    TRACES_FOLDER,
    join_folder,
    pieces_of,
    run_folder_of,
)
from ..exceptions import SpanReadError, SpanReadWarning, import_extra
from .collection_pause import collection_paused
from .parts import Part, read_all
from .problems import Problem, describe
from .sources import find_all_parts

if TYPE_CHECKING:
    import pandas as pd

SCORE_COLUMNS: Final = (*SCORE_FIELDS, "experiment_name", "run_name")


def load_scores(
    source: Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    history: bool = False,
) -> pd.DataFrame:
    """Load the scores of recorded traces as a DataFrame: one row a score, in order of their time.

    Args:
        source: as of `load_spans`: a `Run`, an `OfflineRun`, an `s3://` address, or a folder.
        experiment_name: in place of a source, all runs of an experiment.
        run_name: with `experiment_name`, one run of it.
        sagemaker_session: whose credentials and region to use; boto3's default ones otherwise.
        history: also the scores that a later one replaced, and those that withdraw one.

    Returns:
        A DataFrame with the columns of the score record (`docs/record.md`), `experiment_name` and
        `run_name`. Of several scores that one author or evaluation gave to one trace or span under
        one key, the one with the greatest (time, score_id) counts. A row whose `score` is None has
        an `error`: an evaluator failed. `frame.attrs["problems"]` lists what could not be read.

    Raises:
        SpanReadError: the source does not exist or can't be reached.
        MissingExtraError: pandas is not installed.

    Warns:
        SpanReadWarning: parts of the data could not be read; all the rest was.
    """
    pd = import_extra("pandas", "analysis", "Reading scores as a table")
    problems: list[Problem] = []
    parts = _score_parts(source, experiment_name, run_name, sagemaker_session)
    records = read_scores(parts, problems)
    if not history:
        records = merge_scores(records)
    if problems:
        warnings.warn(describe(problems), SpanReadWarning, stacklevel=2)
    names = [*SCORE_COLUMNS, *sorted({n for r in records for n in r} - {*SCORE_COLUMNS, "record"})]
    columns = {
        name: pd.Series([record.get(name) for record in records], dtype=object) for name in names
    }
    columns["time"] = pd.to_datetime(columns["time"], utc=True, format="ISO8601", errors="coerce")
    frame = pd.DataFrame(columns)
    frame.attrs["problems"] = [str(problem) for problem in problems]
    return frame


def _score_parts(
    source: Any, experiment_name: str | None, run_name: str | None, sagemaker_session: Any
) -> list[Part]:
    beside = _beside(source)
    if beside is None:
        return find_all_parts(source, experiment_name, run_name, sagemaker_session)[1]
    try:
        return find_all_parts(beside, None, None, sagemaker_session)[1]
    except SpanReadError:
        # There are no scores; whether there are spans the source itself tells.
        find_all_parts(source, None, None, sagemaker_session)
        return []


def _beside(source: Any) -> str | None:
    """The folder of scores of a source that lies among the spans of a run; None of any other."""
    if not isinstance(source, (str, Path)):
        return None
    address = str(source) if "://" in str(source) else str(Path(source).expanduser().absolute())
    if TRACES_FOLDER not in pieces_of(address):
        return None
    return join_folder(run_folder_of(address), SCORES_FOLDER)


def read_scores(
    parts: Iterable[Part], problems: list[Problem], results: list[Score] | None = None
) -> list[Score]:
    """Return all score records of parts; torn lines and lines that are no scores are problems.

    Args:
        parts: parts of scores.
        problems: takes what can't be read.
        results: takes the records of examples that an evaluation is done with.
    """
    found: list[Score] = []
    whose: dict[str, tuple[str | None, str | None]] = {}
    with collection_paused():
        for part, contents in read_all(parts, problems):
            folder = run_folder_of(part.address)
            if contents.experiment:
                whose[folder] = (contents.experiment, contents.run)
            for record in _parse(part.address, contents.data, problems, results):
                record["experiment_name"] = contents.experiment
                record["run_name"] = contents.run
                record["_folder"] = folder
                found.append(record)
    for record in found:
        names = whose.get(record.pop("_folder"))
        if names is not None and not record["experiment_name"]:
            record["experiment_name"], record["run_name"] = names
    return found


def _parse(
    address: str, data: bytes, problems: list[Problem], results: list[Score] | None
) -> list[Score]:
    found: list[Score] = []
    lines = data.splitlines()
    strange = 0
    for number, line in enumerate(lines, 1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            torn = "torn last line" if number == len(lines) else f"no JSON ({error})"
            problems.append(Problem(address, torn, number))
            continue
        if is_score(record):
            found.append(record)
        elif is_result(record):
            if results is not None:
                results.append(record)
        else:
            strange += 1
    if strange:
        problems.append(Problem(address, f"{strange} lines are no score records"))
    return found


ScoresByTrace = dict[str, list[Score]]


def scores_by_trace(scores: Iterable[Score]) -> ScoresByTrace:
    """Return the scores that count, by their trace."""
    by_trace: ScoresByTrace = {}
    for score in merge_scores(scores):
        by_trace.setdefault(score["trace_id"], []).append(score)
    return by_trace


def attach_scores(
    records: list[dict[str, Any]], by_trace: ScoresByTrace, *, whole: bool = True
) -> None:
    """Put each score into the field `scores` of its span: that of a trace into its root. Spans
    without scores get no such field.

    Args:
        records: spans.
        by_trace: the scores.
        whole: the records are all there are. A score whose span is not among them goes to the root
            of the trace, that of a trace without a root to its first span.
    """
    if not by_trace:
        return
    spans: dict[str, dict[str, Any]] = {}
    roots: dict[str, dict[str, Any]] = {}
    for record in records:
        trace = record["trace_id"]
        if trace in by_trace:
            spans[record["span_id"]] = record
            if record["parent_span_id"] is None or (whole and trace not in roots):
                roots[trace] = record
    for trace in {record["trace_id"] for record in spans.values()}:
        root = roots.get(trace)
        for score in by_trace[trace]:
            span_id = score.get("span_id")
            holder = spans.get(span_id) if span_id else root
            holder = root if holder is None and whole else holder
            if holder is not None:
                holder["scores"] = [*(holder.get("scores") or []), _shown(score)]


def _shown(score: Score) -> Score:
    return {
        name: value
        for name, value in score.items()
        if name not in ("experiment_name", "run_name", "schema_version")
    }
