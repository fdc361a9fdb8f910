"""`evaluate` and `aevaluate`: a target on examples, judged by evaluators, in one run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Final, Literal

from .._analysis.examples import load_examples
from .evaluators import is_async
from .progress import ProgressLine, Told
from .results import EvaluationResults
from .session import Session
from .verdicts import verdict_of
from .work import Task

_WAIT_SECONDS: Final = 0.5
"""Between two looks at what other workers have done."""
Progress = bool | Literal["auto"] | Told


def evaluate(
    target: Any,
    examples: Any,
    evaluators: Iterable[Callable[..., Any]] = (),
    *,
    run: Any = None,
    evaluation_id: str | None = None,
    max_concurrency: int = 4,
    repetitions: int = 1,
    retry_errors: bool = False,
    progress: Progress = "auto",
    **settings: Any,
) -> EvaluationResults:
    """Run a target on examples, judge each call, and keep traces and scores in a run.

    Every call is a trace whose root has the example's id. What fails is recorded, and the others
    go on. Called again after it was killed, here or on another machine, or by several workers at
    once, it makes only the calls that are missing; called with all done, it makes none.

    Args:
        target: any runnable, graph, or function of an example's inputs, sync or async.
        examples: what `load_examples` takes.
        evaluators: functions that name any of `inputs`, `outputs`, `reference_outputs`, `run`,
            `example`, `trace` as parameters, sync or async. They return a bool, a number, a text, a
            dictionary with `key`, `score` and `comment`, or a list of these.
        run: a `Run`, a `BotoRun` or an `OfflineRun`; by default the one of the `with` around it.
        evaluation_id: its name in the run; by default the run's. With other examples, evaluators,
            prompts or another target than before, the same id is an error that says what differs.
        max_concurrency: calls at a time.
        repetitions: calls of each example.
        retry_errors: make failed calls, and failed evaluations of calls, again.
        progress: a line with rate and estimate: "auto" on a terminal, True, False; or a function
            that takes how many calls are done, and of how many.
        settings: further arguments of `SageMakerCallbackHandler`, such as `redact`.

    Returns:
        The results: `.scores`, `.summary` and `.errors` are DataFrames. Mean, count and errors of
        each key are metrics of the run.

    Raises:
        EvaluationError: an evaluation of this id is another one.
        DestinationError: there is no run, or it can't hold an evaluation.
        FlushError: results could not be brought to the run; they are kept, and the same call goes
            on.
        ValueError: an argument is not what it must be.
    """
    functions = list(evaluators)
    if _is_async_target(target) or any(map(is_async, functions)):
        return _in_own_loop(
            lambda: aevaluate(
                target,
                examples,
                functions,
                run=run,
                evaluation_id=evaluation_id,
                max_concurrency=max_concurrency,
                repetitions=repetitions,
                retry_errors=retry_errors,
                progress=progress,
                **settings,
            )
        )
    session = _session(
        target, examples, functions, max_concurrency, run, evaluation_id, repetitions,
        retry_errors, settings,
    )  # fmt: skip
    shown = _line(session, progress)
    try:
        if max_concurrency == 1:
            for task in _tasks(session):
                _do(session, task)
                _tell(session, shown)
        else:
            _in_threads(session, max_concurrency, shown)
    finally:
        session.close()
        shown.close()
    return session.results()


async def aevaluate(
    target: Any,
    examples: Any,
    evaluators: Iterable[Callable[..., Any]] = (),
    *,
    run: Any = None,
    evaluation_id: str | None = None,
    max_concurrency: int = 4,
    repetitions: int = 1,
    retry_errors: bool = False,
    progress: Progress = "auto",
    **settings: Any,
) -> EvaluationResults:
    """Do what `evaluate` does, in this event loop. What is not async runs in threads.

    Arguments, results and errors are those of `evaluate`.
    """
    functions = list(evaluators)
    session = await asyncio.to_thread(
        _session, target, examples, functions, max_concurrency, run, evaluation_id, repetitions,
        retry_errors, settings,
    )  # fmt: skip
    shown = _line(session, progress)
    try:
        await _in_tasks(session, max_concurrency, shown)
    finally:
        await asyncio.to_thread(session.close)
        shown.close()
    return await asyncio.to_thread(session.results)


def _session(
    target: Any,
    examples: Any,
    functions: list[Any],
    max_concurrency: int,
    run: Any,
    evaluation_id: str | None,
    repetitions: int,
    retry_errors: bool,
    settings: dict[str, Any],
) -> Session:
    if not isinstance(max_concurrency, int) or max_concurrency < 1:
        raise ValueError(f"max_concurrency must be 1 or more, not {max_concurrency!r}.")
    return Session(
        target,
        load_examples(examples),
        functions,
        run=run,
        evaluation_id=evaluation_id,
        repetitions=repetitions,
        retry_errors=retry_errors,
        settings=settings,
    )


def _is_async_target(target: Any) -> bool:
    return not callable(getattr(target, "invoke", None)) and is_async(target)


def _in_own_loop(make: Callable[[], Any]) -> EvaluationResults:
    """Run a coroutine to its end, in a thread of its own where a loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        results: EvaluationResults = asyncio.run(make())
        return results
    with ThreadPoolExecutor(1) as pool:
        found: EvaluationResults = pool.submit(lambda: asyncio.run(make())).result()
        return found


def _line(session: Session, progress: Progress) -> ProgressLine:
    done, _ = session.work.counts()
    return ProgressLine(session.work.total, done, shown=progress)


def _tell(session: Session, shown: ProgressLine) -> None:
    shown.set(*session.work.counts())
    session.flush_if_due()


# --- sync -----------------------------------------------------------------------------------------
def _tasks(session: Session) -> Iterator[Task]:
    while (taken := session.take()) is not None:
        if taken == "wait":
            session.flush_if_idle()
            time.sleep(_WAIT_SECONDS)
        else:
            yield from taken


def _do(session: Session, task: Task) -> None:
    if task.keys is None:
        case = session.target.call(task.example, session.marks(task))
    else:
        case = session.recorded_case(task)
    verdicts = [
        verdict_of(evaluator, session.judges.call(evaluator, case))
        for evaluator in session.evaluators_of(task, case)
    ]
    session.finish(task, case, verdicts)


def _in_threads(session: Session, width: int, shown: ProgressLine) -> None:
    stopped = threading.Event()

    def do(task: Task) -> None:
        if not stopped.is_set():
            _do(session, task)

    with ThreadPoolExecutor(width, thread_name_prefix="evaluation") as pool:
        running: set[Future[None]] = set()
        try:
            for task in _tasks_beside(session, running, shown):
                running.add(pool.submit(do, task))
                while len(running) >= width:
                    _await_some(running, None)
                    _tell(session, shown)
            while running:
                _await_some(running, None)
                _tell(session, shown)
        finally:
            stopped.set()


def _tasks_beside(
    session: Session, running: set[Future[None]], shown: ProgressLine
) -> Iterator[Task]:
    while (taken := session.take()) is not None:
        if taken == "wait":
            _await_some(running, _WAIT_SECONDS)
            _tell(session, shown)
            session.flush_if_idle()
        else:
            yield from taken


def _await_some(running: set[Future[None]], seconds: float | None) -> None:
    """Wait for at least one call to end; raise what is our own fault in it."""
    if not running:
        time.sleep(seconds or 0)
        return
    ended, _ = wait(running, seconds, FIRST_COMPLETED)
    running -= ended
    for one in ended:
        one.result()


# --- async ----------------------------------------------------------------------------------------
async def _in_tasks(session: Session, width: int, shown: ProgressLine) -> None:
    running: set[asyncio.Task[None]] = set()
    try:
        while (taken := await asyncio.to_thread(session.take)) is not None:
            if taken == "wait":
                await asyncio.to_thread(session.flush_if_idle)
                await asyncio.sleep(_WAIT_SECONDS)
                taken = []
            for task in taken:
                while len(running) >= width:
                    await _await_one(session, running, shown)
                running.add(asyncio.create_task(_ado(session, task)))
        while running:
            await _await_one(session, running, shown)
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _await_one(
    session: Session, running: set[asyncio.Task[None]], shown: ProgressLine
) -> None:
    ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    running -= ended
    for one in ended:
        one.result()
    shown.set(*session.work.counts())
    await asyncio.to_thread(session.flush_if_due)


async def _ado(session: Session, task: Task) -> None:
    target = session.target
    if task.keys is not None:
        case = await asyncio.to_thread(session.recorded_case, task)
    elif target.is_runnable or target.is_async:
        case = await target.acall(task.example, session.marks(task))
    else:
        marks = session.marks(task)
        case = await asyncio.to_thread(target.call, task.example, marks)
    verdicts = []
    for evaluator in session.evaluators_of(task, case):
        if evaluator.is_async:
            answer = await session.judges.acall(evaluator, case)
        else:
            answer = await asyncio.to_thread(session.judges.call, evaluator, case)
        verdicts.append(verdict_of(evaluator, answer))
    session.finish(task, case, verdicts)
