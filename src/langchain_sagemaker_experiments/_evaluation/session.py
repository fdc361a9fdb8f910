"""One process's part in an evaluation: handlers, claims, and what brings results to the run.

The order of things makes it safe to kill. Once a call is judged, the worker appends its spans in
one write, its scores and the record that it is done in another; then it takes the next call.
A flush brings both to the run, and only then marks the blocks of calls as done.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from botocore.exceptions import ClientError

from .._analysis.examples import Examples
from .._destinations import surrounding_run
from .._destinations.boto_run import BotoRun
from .._experiments.clients import create_bucket
from .._reading.load import load_records
from .._reading.problems import Problem
from .._reading.scores import read_scores
from .._reading.sources import find_all_parts
from .._record.evaluation_marks import EVALUATION_ID, EXAMPLE_HASH, EXAMPLE_ID, REPETITION
from .._record.score import merge_results, merge_scores
from .._recording.arguments import content_is_recorded
from .._recording.provenance import git_state, log_provenance, provenance
from .._storage.keys import EVALUATIONS_FOLDER, join_folder
from ..exceptions import DestinationError
from ..handler import SageMakerCallbackHandler
from .cases import Case
from .claims import Claims
from .evaluators import Evaluator, make_evaluators
from .fingerprint import make_facts, prompts_of, without_texts
from .identity import agree, checked_id
from .journal import Journal, workers_folder
from .judging import JudgeDestination, Judges
from .results import EvaluationResults, key_figures
from .score_log import store_in_run
from .targets import Target
from .verdicts import Verdict, records_of
from .work import Key, Result, Task, WorkList

FLUSH_SECONDS: Final = 10.0
"""Seconds after which what is done is brought to the run."""


class Session:
    """What one process knows of an evaluation.

    Args:
        target: what is evaluated.
        examples: the examples.
        evaluators: the functions that judge.
        run: where everything goes; None takes the run that surrounds us.
        evaluation_id: its name in the run; the run's own name by default.
        repetitions: calls of each example.
        retry_errors: do again what failed.
        settings: further arguments of `SageMakerCallbackHandler`.

    Raises:
        DestinationError: there is no run, or it can't hold an evaluation.
        EvaluationError: an evaluation of this id has other examples, evaluators or another target.
    """

    def __init__(
        self,
        target: Any,
        examples: Examples,
        evaluators: Iterable[Any],
        *,
        run: Any,
        evaluation_id: str | None,
        repetitions: int,
        retry_errors: bool,
        settings: dict[str, Any],
    ) -> None:
        if not isinstance(repetitions, int) or repetitions < 1:
            raise ValueError(f"repetitions must be 1 or more, not {repetitions!r}.")
        self.run = _given_or_surrounding(run)
        self.examples = examples
        self.evaluators: list[Evaluator] = make_evaluators(evaluators)
        self.evaluation_id = checked_id(evaluation_id or self.run.run_name)
        store = store_in_run(join_folder(EVALUATIONS_FOLDER, self.evaluation_id), self.run)
        if isinstance(self.run, BotoRun):
            _make_bucket(self.run)
        facts = make_facts(examples, repetitions, self.evaluators, target)
        prompts = prompts_of(facts)
        if not content_is_recorded(settings.get("record_content")):
            facts = without_texts(facts)
        size = agree(store, self.evaluation_id, facts, len(examples) * repetitions)
        self._journal = Journal(workers_folder(self.run, store, self.evaluation_id))
        try:
            self._make_handlers(target, settings)
            self._claims = Claims(store, self._journal.worker, self._journal.is_dead)
            self._journal.adopt(self._destination)
            self.work = WorkList(
                examples, repetitions, size, self._read_results, retry_errors=retry_errors
            )
            self._log_parameters(prompts)
        except BaseException:
            self._journal.close()
            raise
        self.called = 0
        self._unflushed = False
        self._flushed = time.monotonic()

    def _make_handlers(self, target: Any, settings: dict[str, Any]) -> None:
        options = {**settings, "durable": True, "spool_dir": self._journal.path}
        options["record_provenance"] = False  # the evaluation does it, and knows more prompts
        self._handler = SageMakerCallbackHandler(self.run, **options)
        route = self._handler._parts.route
        self._destination = route.outlet.find_destination()
        self._destination.check()
        route.set_destination(self._destination)
        self._pipeline = route.outlet.pipeline
        self._traces = self._pipeline.hold_traces()
        self._handler._parts.open_spans.sink = self._traces.add
        judge = SageMakerCallbackHandler(self.run, **options)
        judge._parts.route.set_destination(JudgeDestination(self._destination))
        self.judges = Judges(judge)
        self.target = Target(target, self._handler, self._traces)

    def _log_parameters(self, prompts: dict[str, str]) -> None:
        if self.work.is_done:
            return
        made_with = provenance(git_state(), prompts)
        log_provenance(self._handler._parts.capture, made_with, prompts)
        self._destination.log_parameters(
            {
                "evaluation_id": self.evaluation_id,
                "examples_version": self.examples.version,
                **made_with,
            }
        )

    # --- what is in the run ---------------------------------------------------------------------
    def _read(self) -> tuple[list[dict[str, Any]], dict[Key, Result]]:
        problems: list[Problem] = []
        results: list[dict[str, Any]] = []
        parts = find_all_parts(self.run, None, None, None)[1]
        scores = read_scores(parts, problems, results)
        mine = self.evaluation_id
        merged = {
            (example, repetition): one
            for (evaluation, example, repetition), one in merge_results(results).items()
            if evaluation == mine
        }
        return [one for one in scores if one.get("evaluation_id") == mine], merged

    def _read_results(self) -> dict[Key, Result]:
        return self._read()[1]

    # --- a call ---------------------------------------------------------------------------------
    def take(self) -> Any:
        """Return calls to make, "wait", or None once all is done."""
        return self.work.take(self._claims)

    def marks(self, task: Task) -> dict[str, Any]:
        """Return the metadata of the root of a call's trace."""
        return {
            EVALUATION_ID: self.evaluation_id,
            EXAMPLE_ID: task.example["id"],
            EXAMPLE_HASH: task.example["content_hash"],
            REPETITION: task.repetition,
        }

    def evaluators_of(self, task: Task, case: Case) -> list[Evaluator]:
        """Return the evaluators to run: none if the target failed, the failed ones of a retry."""
        if case.error is not None:
            return []
        return [one for one in self.evaluators if task.keys is None or one.name in task.keys]

    def recorded_case(self, task: Task) -> Case:
        """Return a call that was made before, from its trace."""
        records, _ = load_records(self.run)
        spans = [record for record in records if record["trace_id"] == task.trace_id]
        root = next((one for one in spans if one["parent_span_id"] is None), None)
        return Case(
            example=task.example,
            repetition=task.repetition,
            outputs=root["outputs"] if root else None,
            trace_id=task.trace_id,
            latency_ms=float(root["duration_ms"] or 0.0) if root else 0.0,
            started=datetime.datetime.now(datetime.timezone.utc),
            error=None,
            load_trace=lambda trace_id: spans,
        )

    def finish(self, task: Task, case: Case, verdicts: list[Verdict]) -> None:
        """Keep what was found of a call: on disk, before the worker takes the next one."""
        scores, result = records_of(self.evaluation_id, case, verdicts)
        if task.keys is None:
            self._traces.write(UUID(case.trace_id))
        self._pipeline.scores.add([*scores, result])
        self.work.finish(task, result)
        self.called += task.keys is None
        self._unflushed = True

    # --- bringing it to the run -----------------------------------------------------------------
    def flush_if_due(self) -> None:
        """Bring what is done to the run, if the last time was long ago."""
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush_if_idle(self) -> None:
        """Bring what is done to the run: other workers may wait for it, as this one for theirs."""
        if self._unflushed:
            self.flush()

    def flush(self) -> None:
        """Bring what is done to the run, then mark the blocks that are done."""
        self._unflushed = False
        done = self.work.done_blocks()
        self._handler.close()
        self.judges.handler.close()
        self._claims.finish(done)
        self._flushed = time.monotonic()

    def close(self) -> None:
        """End this process's part: flush, give up what was claimed, remove what is not needed."""
        self._traces.give_up()
        try:
            self.flush()
        finally:
            self._claims.release()
            self._journal.close()

    def results(self) -> EvaluationResults:
        """Return what all workers found, and log mean, count and errors of each key."""
        all_scores, merged = self._read()
        scores, results = merge_scores(all_scores), list(merged.values())
        self._log_metrics(key_figures(scores), results)
        place = {example["id"]: number for number, example in enumerate(self.examples)}
        results.sort(key=lambda one: (place.get(one["example_id"], 0), one["repetition"]))
        scores.sort(
            key=lambda one: (place.get(one["example_id"], 0), one["repetition"], one["key"])
        )
        if len(results) >= self.work.total:
            self._journal.remove_others()
        return EvaluationResults(
            evaluation_id=self.evaluation_id,
            run=self.run,
            examples_version=self.examples.version,
            calls=self.work.total,
            called=self.called,
            _scores=scores,
            _results=results,
        )

    def _log_metrics(
        self, figures: dict[str, dict[str, float]], results: list[dict[str, Any]]
    ) -> None:
        metrics: dict[str, float] = {
            "evaluation.calls": len(results),
            "evaluation.failed": sum(1 for one in results if one["error"]),
        }
        for key, found in figures.items():
            metrics[f"score.{key}"] = found["mean"]
            metrics[f"score.{key}.count"] = found["count"]
            metrics[f"score.{key}.errors"] = found["errors"]
        # A key of texts alone has no mean.
        finite = {name: value for name, value in metrics.items() if value == value}
        self._destination.log_metrics(finite, 0)


def _make_bucket(run: BotoRun) -> None:
    """Make the account's default bucket if it is missing, as the SDK's session does."""
    bucket, _ = run.place()
    try:
        run.s3_client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchBucket"):
            raise
        create_bucket(run.s3_client, bucket)


def _given_or_surrounding(run: Any) -> Any:
    found = run if run is not None else surrounding_run()
    if found is None:
        raise DestinationError(
            "The evaluation was given no run, and no `with Run(...)` surrounds it. Give it run=: a "
            "Run, a BotoRun or an OfflineRun."
        )
    return found
