"""`forget`: whole traces out of every file of spans and scores of runs, under the lease of the
compaction.

The order makes it safe. (1) The tombstone is written: from this moment readers, `sync` and
`compact` pass over what is forgotten. (2) Files of scores, then files of spans are written anew,
each in one piece under its own name: a reader sees the older file or the newer one, and passes over
the same in both. Killed at any moment, the same call goes on with what is left.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .._reading.addresses import places_of
from .._reading.problems import Problem
from .._record.times import moment_of, rfc3339
from .._storage.failure_advice import explain
from .._storage.tombstone import Tombstone, id_digest
from ..exceptions import SpanReadError
from .removal import Removal
from .unreached import clear_caches, places_unreached

Moment = str | datetime.date | datetime.datetime | None


@dataclass
class Forgotten:
    """What `forget` did, or with `dry_run` would do.

    Attributes:
        runs: folders of runs in which something was taken out.
        traces: traces that were taken out.
        spans: spans of them.
        scores: scores of them.
        files: files written anew.
        removed: empty and half-written files removed.
        dry_run: nothing was changed.
        problems: what could not be read, and may hold what was to be forgotten.
        unreached: where else it may be.
    """

    runs: int = 0
    traces: int = 0
    spans: int = 0
    scores: int = 0
    files: int = 0
    removed: int = 0
    dry_run: bool = False
    problems: list[Problem] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)


def forget(
    source: Any = None,
    *,
    trace_ids: str | Iterable[str] | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    before: Moment = None,
    dry_run: bool = False,
    experiment_name: str | None = None,
    run_name: str | None = None,
    sagemaker_session: Any = None,
    extra_args: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Forgotten:
    """Take whole traces, with their scores, out of every file of spans and scores of a run, of an
    experiment, or of whatever lies below an address or a folder.

    What stays is not changed, and handlers and readers may go on meanwhile. A tombstone stays: a
    part or a score that arrives later does not bring back what was forgotten. Safe to interrupt,
    and to repeat.

    Args:
        source: as of `load_spans`. A source within a run's folder stands for the whole run.
        trace_ids: these traces.
        session_id: the traces of which a span belongs to this session, up to now.
        user_id: the traces of which a span has this `metadata.user_id`, up to now.
        before: traces that started before this time: a datetime (without a time zone: UTC), a date,
            or ISO 8601 text. With a session or a user, only theirs.
        dry_run: only count.
        experiment_name: as of `load_spans`.
        run_name: as of `load_spans`.
        sagemaker_session: as of `load_spans`.
        extra_args: boto3's ExtraArgs for every upload, such as `ServerSideEncryption`.
        progress: called with a line of text at each step.

    Returns:
        What was taken out, and in `.unreached` where else the texts may be: older versions of
        objects, reports, copies, other backends.

    Raises:
        ValueError: it does not say what to forget, or says it in two ways.
        SpanReadError: the source does not exist or can't be reached.
        ForgetError: a compaction is at work there, or something can't be written. The same call
            goes on with the rest.
        MissingExtraError: there are Parquet files, and pyarrow is not installed.

    Example:
        >>> from langchain_sagemaker_experiments import OfflineRun, Span, forget, load_spans
        >>> from langchain_sagemaker_experiments import SageMakerCallbackHandler
        >>> run = OfflineRun("runs", experiment_name="shop", run_name="live")
        >>> handler = SageMakerCallbackHandler(run)
        >>> for session in ("anna", "ben"):
        ...     handler.log_trace(Span("order", metadata={"session_id": session}))
        >>> handler.close()
        >>> forget(run, session_id="anna").spans
        1
        >>> load_spans(run)["session_id"].tolist()
        ['ben']
    """
    wanted = _tombstone(trace_ids, session_id, user_id, before)
    try:
        places = places_of(source, experiment_name, run_name, sagemaker_session)
    except (ClientError, BotoCoreError) as error:
        raise SpanReadError(f"Nothing was forgotten. {explain(error, 'try again')}") from error
    if not places:
        raise SpanReadError("There are no spans and no scores there, so nothing was forgotten.")
    removal = Removal(places, wanted, extra_args or {}, dry_run, progress or (lambda line: None))
    removal.run()
    return Forgotten(
        runs=removal.runs,
        traces=len(removal.traces),
        spans=len(removal.spans),
        scores=len(removal.scores),
        files=removal.files,
        removed=removal.removed,
        dry_run=dry_run,
        problems=removal.problems,
        unreached=[
            *removal.unreached,
            *([] if dry_run else clear_caches()),
            *places_unreached(places),
        ],
    )


def _tombstone(
    trace_ids: str | Iterable[str] | None,
    session_id: str | None,
    user_id: str | None,
    before: Moment,
) -> Tombstone:
    traces = (
        {trace_ids} if isinstance(trace_ids, str) else {str(trace) for trace in trace_ids or ()}
    )
    chosen = [bool(traces), bool(session_id), bool(user_id)]
    if sum(chosen) > 1 or (traces and before is not None) or not (any(chosen) or before):
        raise ValueError(
            "Say what to forget: trace_ids, or session_id, or user_id, or before; before also "
            "narrows a session or a user."
        )
    until = _until(before)
    if session_id:
        return Tombstone(sessions={id_digest(session_id): until})
    if user_id:
        return Tombstone(users={id_digest(user_id): until})
    return Tombstone(traces=traces) if traces else Tombstone(before=until)


def _until(before: Moment) -> str:
    if before is None:
        return rfc3339(datetime.datetime.now(datetime.timezone.utc)) or ""
    text = before if isinstance(before, str) else before.isoformat()
    moment = moment_of(text)
    if moment is None:
        raise ValueError(f"before must be a time such as 2026-01-31, not {before!r:.60}.")
    return rfc3339(moment) or ""
