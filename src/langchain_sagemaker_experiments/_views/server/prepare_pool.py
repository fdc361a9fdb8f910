"""Prepares the parts of a large folder on all cores: reading a million spans is work for Python,
which uses one.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

import orjson

from ..._analysis.preview import preview
from ..._query.prepared import Prepared, prepare_all
from ..._reading.parquet import pyarrow
from ..._reading.parts import Part, UnreadablePartError
from ..._reading.problems import Problem
from ..._storage.keys import is_s3_address

_WORTH: Final = 64 * 1024 * 1024
"""Bytes of parts from which on processes are worth their start."""
_MOST: Final = 4
_MODULE: Final = f"{__package__}.prepare_worker"


def prepare_on_all_cores(
    parts: list[Part], problems: list[Problem]
) -> Iterator[tuple[Part, Prepared]]:
    """Yield each part that can be read, prepared, in order; large folders on all cores. What can't
    be read is added to `problems`.

    Raises:
        SpanReadError: none can be read, or a part is gone, so that all is to be listed again.
    """
    cores = min(_MOST, os.cpu_count() or 1)
    if cores < 2 or not _is_large(parts):
        yield from prepare_all(parts, preview, problems)
        return
    workers: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    started = [_Worker() for _ in range(cores)]
    for worker in started:
        workers.put(worker)
    try:
        yield from _side_by_side(parts, problems, workers, cores)
    finally:
        for worker in started:
            worker.close()


def _is_large(parts: list[Part]) -> bool:
    size = 0
    for part in parts:
        if is_s3_address(part.address):
            return False
        try:
            size += os.stat(part.address).st_size
        except OSError:
            continue
        if size >= _WORTH:
            return True
    return False


def _side_by_side(
    parts: list[Part],
    problems: list[Problem],
    workers: queue.SimpleQueue[_Worker],
    cores: int,
) -> Iterator[tuple[Part, Prepared]]:
    def work(part: Part) -> Prepared | None:
        worker = workers.get()
        try:
            return worker.prepare(part)
        finally:
            workers.put(worker)

    coming = iter(parts)
    with ThreadPoolExecutor(cores) as pool:
        waiting = deque((part, pool.submit(work, part)) for part in islice(coming, 2 * cores))
        while waiting:
            part, future = waiting.popleft()
            waiting.extend((more, pool.submit(work, more)) for more in islice(coming, 1))
            prepared = future.result()
            if prepared is not None:
                yield part, prepared
                continue
            try:  # the process could not: here it is told why
                yield from prepare_all([part], preview, problems)
            except UnreadablePartError:
                continue  # among the problems now


class _Worker:
    """One process. It ends with its input, so with this process too."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def prepare(self, part: Part) -> Prepared | None:
        """Return a part; None if the process could not read it, or is gone."""
        if part.tombstone is not None:
            return None
        asked = {"address": part.address, "experiment": part.experiment, "run": part.run}
        try:
            told = self._ask(orjson.dumps(asked) + b"\n")
        except (OSError, ValueError):
            return None
        if told is None:
            return None
        head, data = told
        table = pyarrow().ipc.open_stream(data).read_all()
        graphs = [(name, text) for name, text in head["graphs"]]
        return Prepared(table, graphs, head["count"], head["problems"])

    def _ask(self, line: bytes) -> tuple[dict[str, Any], bytes] | None:
        assert self._process.stdin is not None  # noqa: S101 - as it was started
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(line)
        self._process.stdin.flush()
        head = orjson.loads(self._process.stdout.readline() or b"null")
        if not isinstance(head, dict) or "error" in head:
            return None
        data = self._process.stdout.read(head["size"])
        return (head, data) if len(data) == head["size"] else None

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
