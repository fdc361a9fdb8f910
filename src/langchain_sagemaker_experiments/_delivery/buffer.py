"""Finished spans in memory: many threads add, one takes all."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that knows its approximate size in bytes."""

    size: int


T = TypeVar("T", bound=Sized)


class Buffer(Generic[T]):
    """A queue that many threads fill without a lock.

    Args:
        budget: bytes held before `on_full` is called, by each thread that adds.
        on_full: sees to it that the items go elsewhere.
    """

    def __init__(self, budget: int, on_full: Callable[[], None]) -> None:
        self._budget = budget
        self._on_full = on_full
        self._items: deque[T] = deque()
        self.size = 0
        """Approximate bytes held. Threads that add at the same moment may leave it a little low
        until the next `move_to`.
        """

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T) -> None:
        """Append an item."""
        self._items.append(item)
        self.size += item.size
        if self.size > self._budget:
            self._on_full()

    def move_to(self, items: list[T | None]) -> None:
        """Move all items to the end of a list. An item that is added meanwhile is either moved or
        stays.

        `extend` takes each item from `popleft` without running any Python code in between, so no
        signal and no exception finds an item in neither place.
        """
        self.size = 0
        with contextlib.suppress(IndexError):
            items.extend(iter(self._items.popleft, None))

    def forget(self) -> None:
        """Drop all items: a forked child must not send what its parent holds."""
        self._items = deque()
        self.size = 0
