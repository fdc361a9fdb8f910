"""Finished items in memory, within a budget of bytes; what goes beyond it is handed on to disk.
Knows bytes, not meanings.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Has an approximate size in bytes."""

    size: int


T = TypeVar("T", bound=Sized)


class Buffer(Generic[T]):
    """A queue that many threads fill without a lock and one empties.

    Args:
        budget: bytes held in memory before `spill` is called with all that is held.
        spill: takes the items that no longer fit; called by the thread whose item was one too many.
    """

    def __init__(self, budget: int, spill: Callable[[list[T]], None]) -> None:
        self._budget = budget
        self._spill = spill
        self._items: deque[T] = deque()
        self._spilling = threading.Lock()
        self.size = 0
        """Bytes held, about: threads that add at the same moment may leave it a little low until
        the next `take`.
        """

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T) -> None:
        """Append an item; a full buffer is spilled first."""
        self._items.append(item)
        self.size += item.size
        if self.size > self._budget and self._spilling.acquire(blocking=False):
            try:
                self._spill(self.take())
            finally:
                self._spilling.release()

    def take(self) -> list[T]:
        """Remove and return all items. One that is added meanwhile is either among them or stays:
        none is lost.
        """
        self.size = 0
        taken: list[T] = []
        pop = self._items.popleft
        try:
            while True:
                taken.append(pop())
        except IndexError:
            return taken

    def put_back(self, items: list[T]) -> None:
        """Take items back, in order, before those that came since."""
        self._items.extendleft(reversed(items))
        self.size += sum(item.size for item in items)

    def forget(self) -> None:
        """Drop all items without handing them on: a forked child must not send what its parent
        holds.
        """
        self._items = deque()
        self._spilling = threading.Lock()
        self.size = 0
