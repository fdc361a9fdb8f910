"""Who works on which examples: claims by conditional writes, which expire.

The calls of an evaluation are numbered and cut into blocks. A worker that claims a block creates
`claims/{block}-{generation}.json`, which fails where another has done so. It renews the claim while
it lives. A claim that has expired, or whose worker is known to be dead, is followed by one of the
next generation. What a slow worker does after its claim has expired does no harm: an evaluation's
scores have ids that follow from the example.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from .._storage.object_store import Store

CLAIM_SECONDS: Final = 60.0
"""After this a claim that was not renewed is another worker's to take."""
_RENEW_SECONDS: Final = 15.0
_FOLDER: Final = "claims/"
_NAME: Final = re.compile(r"claims/(\d+)-(\d+)\.json")
_BLOCKS: Final = 40
_MAX_BLOCK: Final = 50


def block_size(calls: int) -> int:
    """Return how many calls a block has: few enough that workers share them, and claims are few."""
    return max(1, min(_MAX_BLOCK, calls // _BLOCKS))


@dataclass(frozen=True)
class Claim:
    """A claim as it is stored."""

    name: str
    block: int
    generation: int


class Claims:
    """The claims of one worker.

    Args:
        store: the evaluation's folder.
        worker: the worker's name.
        is_dead: whether another worker, by its name, is known to be dead.
    """

    def __init__(self, store: Store, worker: str, is_dead: Callable[[str], bool]) -> None:
        self._store = store
        self._worker = worker
        self._is_dead = is_dead
        self._held: dict[int, Claim] = {}
        self._seen: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._renewing: threading.Thread | None = None

    def claim(self, blocks: list[int]) -> Claim | None:
        """Claim the first of the blocks that is free; None if other workers hold all of them."""
        newest: dict[int, Claim] | None = None
        for block in blocks:
            if block not in self._seen:
                self._seen.add(block)
                first = self._create(block, 0)
                if first is not None:
                    return first
            newest = newest if newest is not None else self._newest()
            known = newest.get(block)
            generation = known.generation + 1 if known is not None else 0
            if known is None or self._is_free(known):
                claim = self._create(block, generation)
                if claim is not None:
                    return claim
        return None

    def _create(self, block: int, generation: int) -> Claim | None:
        claim = Claim(f"{_FOLDER}{block:06d}-{generation}.json", block, generation)
        if not self._store.create(claim.name, self._content()):
            return None
        self._hold(claim)
        return claim

    def finish(self, blocks: list[int]) -> None:
        """Mark blocks as done. Their results must be where all workers see them."""
        with self._lock:
            held = [self._held.pop(block) for block in blocks if block in self._held]
        for claim in held:
            self._store.put(claim.name, self._content(done=True))

    def release(self) -> None:
        """Give up the blocks held, for others to take at once."""
        self._stopped.set()
        with self._lock:
            held, self._held = self._held, {}
        for claim in held.values():
            self._store.put(claim.name, self._content(expires=0.0))

    def _newest(self) -> dict[int, Claim]:
        newest: dict[int, Claim] = {}
        for name in self._store.names():
            found = _NAME.fullmatch(name)
            if found is not None:
                claim = Claim(name, int(found[1]), int(found[2]))
                known = newest.get(claim.block)
                if known is None or claim.generation > known.generation:
                    newest[claim.block] = claim
        return newest

    def _is_free(self, claim: Claim) -> bool:
        """Whether a claim has expired, or its worker is dead. A block that is done is not asked for
        again unless something in it is missing: then it is free too.
        """
        data = self._store.get(claim.name)
        try:
            content: dict[str, Any] = orjson.loads(data) if data else {}
            if content.get("done") or time.time() > float(content["expires"]):
                return True
            return self._is_dead(str(content["worker"]))
        except (ValueError, KeyError, TypeError):
            return True  # torn by the death of its writer

    def _content(self, *, done: bool = False, expires: float | None = None) -> bytes:
        until = time.time() + CLAIM_SECONDS if expires is None else expires
        return orjson.dumps({"worker": self._worker, "expires": until, "done": done})

    def _hold(self, claim: Claim) -> None:
        with self._lock:
            self._held[claim.block] = claim
            if self._renewing is None:
                self._renewing = threading.Thread(
                    target=self._renew, name="evaluation-claims", daemon=True
                )
                self._renewing.start()

    def _renew(self) -> None:
        while not self._stopped.wait(_RENEW_SECONDS):
            with self._lock:
                held = list(self._held.values())
            for claim in held:
                try:
                    with self._lock:
                        if claim.block in self._held:
                            self._store.put(claim.name, self._content())
                except Exception:  # noqa: S112 - no network: the claim may expire, which is safe
                    continue
