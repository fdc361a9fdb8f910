"""`scan_spans`: a lazy Dask DataFrame over parts and Parquet files, wherever they lie."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from .._reading import COLUMNS, Problem, to_frame
from .._reading.parse import parse_parquet, parse_part
from .._reading.parts import Contents, Part, UnreadablePartError
from .._reading.problems import describe
from .._reading.scores import attach_scores, read_scores, scores_by_trace
from .._reading.sources import access_to, find_all_parts, part_at
from .._record.merge import merge_records
from .._record.model_facts import FACTS, facts_of
from .._record.owners import set_owner
from .._storage.keys import is_parquet, partitions_of, split_compacted
from ..exceptions import SpanReadError, SpanReadWarning, import_extra

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

SCAN_COLUMNS: Final = (*COLUMNS, *FACTS)
SCORES: Final = "scores"
"""A column on request: the scores of a span, those of a trace with its root, as `load_spans` has
them.
"""
Moment = datetime.datetime | datetime.date | str | None


def scan_spans(
    source: Any = None,
    *,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    columns: Sequence[str] | None = None,
    start: Moment = None,
    end: Moment = None,
    kinds: Sequence[str] | None = None,
    on_problem: Literal["warn", "raise"] = "warn",
) -> dd.DataFrame:
    """Return the spans of a source as a lazy Dask DataFrame: a partition a part or Parquet file,
    read when it is computed.

    Works on this machine as on any Dask cluster; workers read by address, with the credentials they
    find. Best after
    `compact`: of Parquet only the columns and the days asked for are read.

    Args:
        source: as of `load_spans`.
        experiment_name: as of `load_spans`.
        run_name: as of `load_spans`.
        sagemaker_session: whose credentials list the parts, and read them in this process. Workers
            elsewhere use the profile of the same name, if it names one, or what boto3 finds there.
        columns: those to read; all of `load_spans`, and `model`, `provider`, `input_tokens`,
            `output_tokens`, `time_to_first_token_ms` and `error_type`, by default. Those that Dask
            does not need it leaves out by itself. With `scores`, the scores of the source are read
            now, and go to the workers.
        start: only spans that started at this time or later; a datetime (without a time zone: UTC),
            a date, or ISO 8601 text.
        end: only spans that started before this time.
        kinds: only spans of these kinds.
        on_problem: what to do about a damaged part when it is read: `warn` with its address and go
            on with what is whole, or `raise`.

    Returns:
        A frame with the columns of `load_spans` and the further ones, in the order of `columns`.
        Spans that were still open when they were written are left out: their end is a record of its
        own, and a lazy frame can't put the two together.

    Raises:
        SpanReadError: the source does not exist or can't be reached; with `raise`, from a
            computation, a part is damaged.
        ValueError: an unknown column.
        MissingExtraError: dask is not installed.
    """
    dask = import_extra("dask", "scale", "scan_spans")
    dask_frame = import_extra("dask.dataframe", "scale", "scan_spans")
    wanted = list(columns) if columns is not None else list(SCAN_COLUMNS)
    unknown = [name for name in wanted if name not in (*SCAN_COLUMNS, SCORES)]
    if unknown:
        raise ValueError(
            f"There is no column {', '.join(unknown)}; there are {', '.join(SCAN_COLUMNS)}, "
            f"{SCORES}."
        )
    begin, until = _utc(start), _utc(end)
    problems: list[Problem] = []
    found, score_parts = find_all_parts(
        source, experiment_name, run_name, sagemaker_session, problems
    )
    scores = scores_by_trace(read_scores(score_parts, problems)) if SCORES in wanted else {}
    _tell(problems, on_problem)
    parts = [
        (part.address, part.experiment, part.run) for part in found if _may_hold(part, begin, until)
    ]
    options = {
        "start": begin,
        "end": until,
        "kinds": list(kinds) if kinds is not None else None,
        "on_problem": on_problem,
        "scores": scores,
        "access": access_to(source, sagemaker_session),
        "tombstones": {
            part.address: part.tombstone for part in found if part.tombstone is not None
        },
    }
    meta = _shape(to_frame([]), [], wanted)
    places = parts or [("", None, None)]
    # Dask would make texts of the dictionaries and lists in its object columns.
    with dask.config.set({"dataframe.convert-string": False}):
        frame = dask_frame.from_map(
            _Read(options), places, columns=wanted, meta=meta, enforce_metadata=False
        )
    return cast("dd.DataFrame", frame)


def _tell(problems: list[Problem], on_problem: str) -> None:
    if not problems:
        return
    if on_problem == "raise":
        raise SpanReadError(describe(problems))
    warnings.warn(describe(problems), SpanReadWarning, stacklevel=3)


class _Read:
    """Reads one part; on a worker, so it holds nothing but what can be pickled."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    def __call__(
        self, place: tuple[str, str | None, str | None], columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        wanted = list(columns) if columns is not None else list(SCAN_COLUMNS)
        address, experiment, run = place
        problems: list[Problem] = []
        records: list[dict[str, Any]] = []
        if address:
            contents = self._contents(address, experiment, run, problems)
            if contents is None:
                pass
            elif is_parquet(address):
                needed = {*wanted, *_FILTERED, *(_OF_SCORES if SCORES in wanted else ())}
                records = parse_parquet(address, contents.data, problems, needed)
            else:
                records = [
                    {**record, **facts_of(record)}
                    for record in merge_records(parse_part(address, contents.data, problems))
                ]
            if contents is not None:
                set_owner(records, contents.experiment, contents.run)
            if SCORES in wanted:
                attach_scores(records, self._options["scores"], whole=False)
        _tell(problems, self._options["on_problem"])
        return self._chosen(_shape(to_frame(records), records, [*wanted, *_FILTERED]), wanted)

    def _contents(
        self, address: str, experiment: str | None, run: str | None, problems: list[Problem]
    ) -> Contents | None:
        try:
            tombstone = self._options["tombstones"].get(address)
            return part_at(address, experiment, run, self._options["access"], tombstone)
        except UnreadablePartError as error:
            problems.append(Problem(address, error.reason))
            return None

    def _chosen(self, frame: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
        kept = frame["status"] != "running"
        if self._options["start"] is not None:
            kept &= frame["start_time"] >= self._options["start"]
        if self._options["end"] is not None:
            kept &= frame["start_time"] < self._options["end"]
        if self._options["kinds"] is not None:
            kept &= frame["kind"].isin(self._options["kinds"])
        return frame.loc[kept, wanted].reset_index(drop=True)


_FILTERED: Final = ("status", "start_time", "kind")
_OF_SCORES: Final = ("trace_id", "span_id", "parent_span_id")


def _shape(
    frame: pd.DataFrame, records: list[dict[str, Any]], wanted: Sequence[str]
) -> pd.DataFrame:
    """The frame with the further columns, each of its own type, whatever the values of this part
    are.
    """
    import pandas as pd

    for name, kind in FACTS.items():
        values = [record.get(name) for record in records]
        if kind == "string":
            frame[name] = pd.Series(values, dtype=object)
        else:
            frame[name] = pd.Series(values, dtype="Int64" if kind == "int64" else "float64")
    if SCORES in wanted:
        frame[SCORES] = pd.Series([record.get(SCORES) for record in records], dtype=object)
    for name in ("start_time", "end_time"):
        frame[name] = frame[name].dt.as_unit("us")
    return frame[list(dict.fromkeys(wanted))]


def _utc(moment: Moment) -> pd.Timestamp | None:
    if moment is None:
        return None
    import pandas as pd

    found = pd.Timestamp(moment)
    return found.tz_localize("UTC") if found.tzinfo is None else found.tz_convert("UTC")


def _may_hold(part: Part, begin: Any, until: Any) -> bool:
    """Tell by its place whether a Parquet file may hold spans of these days; of a part its place
    tells nothing.
    """
    compacted = split_compacted(part.address)
    day = partitions_of(compacted[1]).get("date") if compacted is not None else None
    if day is None or day == "unknown":
        return True
    return not (begin is not None and day < f"{begin:%Y-%m-%d}") and not (
        until is not None and day > f"{until:%Y-%m-%d}"
    )
