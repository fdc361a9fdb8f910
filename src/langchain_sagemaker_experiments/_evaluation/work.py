"""Which calls of an evaluation are to be made by this process, and which are done by any."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .._analysis.examples import Example, Examples
from .claims import Claims

Key = tuple[str, int]
"""Id of an example, and the repetition."""
Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A call to be made.

    Attributes:
        example: the example.
        repetition: which repetition of it, from 0.
        block: the block it belongs to.
        keys: names of the evaluators to run again on what was recorded; None for a whole call.
        trace_id: the trace that was recorded, where `keys` is not None.
    """

    example: Example
    repetition: int
    block: int
    keys: tuple[str, ...] | None = None
    trace_id: str = ""

    @property
    def key(self) -> Key:
        """What the call is known by."""
        return self.example["id"], self.repetition


class WorkList:
    """The calls of an evaluation.

    Args:
        examples: the examples.
        repetitions: calls of each.
        block_size: calls of a block; the same for all workers.
        read_results: reads the results of all workers from the run.
        retry_errors: failed calls are to be made again, once.
    """

    def __init__(
        self,
        examples: Examples,
        repetitions: int,
        block_size: int,
        read_results: Callable[[], dict[Key, Result]],
        *,
        retry_errors: bool,
    ) -> None:
        self._keys = [(e, r) for r in range(repetitions) for e in examples]
        self._size = block_size
        self._read_results = read_results
        self._retry_errors = retry_errors
        self._lock = threading.Lock()
        self._mine: dict[int, set[Key]] = {}
        self.results: dict[Key, Result] = {}
        self._failed: set[Key] = set()
        for key, one in read_results().items():
            self._note(key, one)
        self._failed_before = {key for key, one in self.results.items() if has_failed(one)}
        self._tried_again: set[Key] = set()
        self._pending = self._missing()

    @property
    def total(self) -> int:
        """How many calls the evaluation has."""
        return len(self._keys)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, as far as known."""
        return not self._pending and not any(self._mine.values())

    def counts(self) -> tuple[int, int]:
        """Return how many calls are done, by all workers as far as known, and how many failed."""
        with self._lock:
            return len(self.results), len(self._failed)

    def _missing(self) -> dict[int, list[Task]]:
        found: dict[int, list[Task]] = {}
        for number, (example, repetition) in enumerate(self._keys):
            block = number // self._size
            task = self._task(example, repetition, block) if block not in self._mine else None
            if task is not None:
                found.setdefault(block, []).append(task)
        return found

    def _task(self, example: Example, repetition: int, block: int) -> Task | None:
        key = (example["id"], repetition)
        known = self.results.get(key)
        if known is None:
            return Task(example, repetition, block)
        again = self._retry_errors and key in self._failed_before and key not in self._tried_again
        if not again or not has_failed(known):
            return None
        if known["error"]:
            return Task(example, repetition, block)
        return Task(example, repetition, block, tuple(known["failed_keys"]), known["trace_id"])

    def take(self, claims: Claims) -> list[Task] | Literal["wait"] | None:
        """Claim a block of calls and return them; "wait" while other workers hold the rest, None
        once all is done.
        """
        while self._pending:
            claim = claims.claim(list(self._pending))
            if claim is None:
                self._refresh()
                return "wait" if self._pending else None
            if claim.generation:
                self._refresh()  # somebody was here before: what did they do?
            tasks = self._pending.pop(claim.block, [])
            self._mine[claim.block] = {task.key for task in tasks}
            if tasks:
                return tasks
        return None

    def _refresh(self) -> None:
        found = self._read_results()
        with self._lock:
            for key, one in found.items():
                known = self.results.get(key)
                if known is None or one["time"] >= known["time"]:
                    self._note(key, one)
            self._pending = self._missing()

    def finish(self, task: Task, result: Result) -> None:
        """Note that a call is done."""
        with self._lock:
            self._note(task.key, result)
            self._tried_again.add(task.key)
            self._mine[task.block].discard(task.key)

    def _note(self, key: Key, result: Result) -> None:
        self.results[key] = result
        if result["error"]:
            self._failed.add(key)
        else:
            self._failed.discard(key)

    def done_blocks(self) -> list[int]:
        """Return the blocks that this process has claimed and done."""
        with self._lock:
            return [block for block, left in self._mine.items() if not left]


def has_failed(result: Result) -> bool:
    """Return True if the target or an evaluator failed."""
    return bool(result["error"] or result["failed_keys"])
