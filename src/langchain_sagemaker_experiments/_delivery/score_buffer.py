"""Scores that wait for the next flush: they go to the run beside the spans, never among them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .._record.limits import MAX_PART_BYTES
from .._record.score import Score, number_of
from .._storage.append_logs import APPEND, write_line
from .._storage.keys import SCORES_PREFIX, new_part_name

if TYPE_CHECKING:
    from .._destinations import Destination
    from .spool import Spool


class ScoreBuffer:
    """Takes scores as lines and brings them to a destination as one part a flush.

    Args:
        to_line: makes a masked line of a score.
        count_fault: is told what failed, for the report of the next flush.
        spool: where scores go that must outlive the process.
        durable: write each score to the spool at once.
    """

    def __init__(
        self,
        to_line: Callable[[Score], bytes],
        count_fault: Callable[[str], None],
        spool: Spool,
        *,
        durable: bool,
    ) -> None:
        self._to_line = to_line
        self._count_fault = count_fault
        self._spool = spool
        self._durable = durable
        self._lock = threading.RLock()
        self._lines: list[bytes] = []
        self._size = 0
        self._waiting: list[tuple[str, bytes]] = []
        """Parts whose upload failed; they keep their names, so that a second try doubles
        nothing.
        """
        self._file: Path | None = None
        self._handle = -1
        self._sums: dict[str, tuple[float, int]] = {}
        self._errors: dict[str, int] = {}
        self._changed = False

    def __len__(self) -> int:
        """Return how many pieces wait: 0 if there is nothing to send."""
        return len(self._lines) + len(self._waiting) + len(self._spilled())

    def _spilled(self) -> list[Path]:
        """Files on disk whose scores are not in memory as well."""
        held = {name for name, _ in self._waiting}
        if self._file is not None:
            held.add(self._file.name)
        return [path for path in self._spool.score_files() if path.name not in held]

    def add(self, scores: Iterable[Score]) -> None:
        """Take scores, all of them at once. Raises ValueError if one has no JSON form."""
        found = list(scores)
        line = b"\n".join(map(self._to_line, found))
        with self._lock:
            self._lines.append(line)
            self._size += len(line)
            for score in found:
                if "score" in score:  # else it says that an evaluation is done with an example
                    self._count(score)
            if self._durable:
                self._append(line)
            if self._size > MAX_PART_BYTES:
                self.save()

    def _append(self, line: bytes) -> None:
        """Write to the spool what waits in memory as well."""
        try:
            if self._file is None:
                path = self._spool.new_file(new_part_name(SCORES_PREFIX))
                self._handle = os.open(path, APPEND, 0o600)
                self._file = path
            write_line(self._handle, line)
        except Exception as error:
            # A full disk, a folder that can't be made, a watchdog that forbids blocking calls.
            self._count_fault(f"spool not writable ({error}), score kept in memory")

    def _count(self, score: Score) -> None:
        number = number_of(score["score"])
        if number is not None:
            total, count = self._sums.get(score["key"], (0.0, 0))
            self._sums[score["key"]] = (total + number, count + 1)
            self._changed = True
        if score["error"]:
            self._errors[score["key"]] = self._errors.get(score["key"], 0) + 1
            self._changed = True

    def send(self, destination: Destination) -> int:
        """Write what waits as a part; return how many scores. What fails stays for the next
        time.
        """
        with self._lock:
            self._seal()
            sent = 0
            while self._waiting:
                name, data = self._waiting[0]
                destination.write_scores(name, data)
                sent += data.count(b"\n")
                self._spool.remove(self._spool.path / name)
                self._waiting.pop(0)
            for path in self._spilled():
                data = path.read_bytes()
                destination.write_scores(path.name, data)
                sent += data.count(b"\n")
                self._spool.remove(path)
            return sent

    def _seal(self) -> None:
        if self._lines:
            name = self._file.name if self._file is not None else new_part_name(SCORES_PREFIX)
            self._waiting.append((name, b"".join(line + b"\n" for line in self._lines)))
            self._lines, self._size = [], 0
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._handle)
            self._file = None

    def metrics(self) -> dict[str, float]:
        """Return mean, count and errors of each key, of all scores so far; nothing if no score
        came since the last time.
        """
        if not self._changed:
            return {}
        found: dict[str, float] = {}
        for key, (total, count) in self._sums.items():
            found[f"score.{key}"] = total / count
            found[f"score.{key}.count"] = count
        found.update({f"score.{key}.errors": count for key, count in self._errors.items()})
        return found

    def note_logged(self) -> None:
        """Note that the run has the metrics; until then the next flush logs them again."""
        self._changed = False

    def save(self) -> None:
        """Write what waits to the spool folder."""
        with self._lock:
            self._seal()
            for name, data in self._waiting:
                self._spool.write_part(name, data)
            self._waiting = []

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent, which sends it."""
        self._lock = threading.RLock()
        self._lines, self._size, self._waiting = [], 0, []
        self._close_file()
        self._sums, self._errors, self._changed = {}, {}, False
