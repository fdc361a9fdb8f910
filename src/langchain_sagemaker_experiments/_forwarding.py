"""What a handler forwards: its own backends and those of its run, each with one queue as long as
the handler lives.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from ._delivery.forwarding import Forwarder
    from ._destinations import Destination
    from ._destinations.otlp import Backend


class Forwarding:
    """The forwarders of one handler.

    Args:
        count_fault: called with what went wrong for good, and how many spans it concerns.
        forward: backends, or "otel" for the one that the environment names.
        spool_dir: the folder beside which is noted what backends have not taken.
    """

    def __init__(
        self,
        count_fault: Callable[[str, int], None],
        forward: Sequence[Backend] | Literal["otel"],
        spool_dir: str | Path | None,
    ) -> None:
        self._count_fault = count_fault
        self._backends = _backends_of(forward)
        self._forwarders: dict[str, Forwarder] = {}
        self._spool_dir = spool_dir

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for handlers that forward to the same backends."""
        return tuple(backend.name for backend in self._backends)

    def with_backends(self, destination: Destination) -> Destination:
        """Return a destination whose parts go to the backends too, those of MLflow included."""
        backends = [*self._backends, *getattr(destination, "backends", ())]
        if not backends:
            return destination
        from ._delivery.forward_ledger import ForwardLedger
        from ._delivery.forwarding_destination import ForwardingDestination

        forwarders = [self._forwarder_to(backend) for backend in backends]
        ledgers = [ForwardLedger(self._ledger_folder(destination, one)) for one in backends]
        return cast("Destination", ForwardingDestination(destination, forwarders, ledgers))

    def _ledger_folder(self, destination: Destination, backend: Backend) -> Path:
        """The folder that is the same for each process that forwards from a run to a backend."""
        from ._delivery.spool import default_spool_dir
        from ._destinations.offline_run import OfflineDestination

        folder = default_spool_dir() if self._spool_dir is None else Path(self._spool_dir)
        run = [type(destination).__name__, *sorted(map(str, destination.target().items()))]
        if isinstance(destination, OfflineDestination):  # folders may hold runs of one name
            run.append(str(Path(destination.address_of("part")).absolute()))
        named = "\n".join([*run, backend.name]).encode("utf-8", "replace")
        return folder / "forwarding" / hashlib.sha256(named).hexdigest()[:24]

    def _forwarder_to(self, backend: Backend) -> Forwarder:
        from ._delivery.forwarding import Forwarder

        if backend.name not in self._forwarders:
            forwarder = Forwarder([backend], _read_records, self._count_fault)
            self._forwarders[backend.name] = forwarder
        return self._forwarders[backend.name]

    def wait(self, timeout: float, wait_for_shared: Callable[[float], int]) -> int:
        """Wait until all is sent, at most so many seconds; return how many parts still wait.

        Args:
            timeout: seconds.
            wait_for_shared: does the same for the backends of another handler of the run, through
                which our spans go.
        """
        deadline = time.monotonic() + timeout
        left = sum(
            forwarder.wait(max(0.0, deadline - time.monotonic()))
            for forwarder in list(self._forwarders.values())
        )
        return max(left, wait_for_shared(max(0.0, deadline - time.monotonic())))

    def after_fork(self) -> None:
        """In a forked child: what waits belongs to the parent."""
        for forwarder in self._forwarders.values():
            forwarder.after_fork()


def _backends_of(forward: Sequence[Backend] | Literal["otel"]) -> list[Backend]:
    if forward != "otel":
        return list(forward)
    from ._destinations.otlp import otlp_from_environment

    return [otlp_from_environment()]


def _read_records(name: str, data: bytes) -> list[dict[str, Any]]:
    from ._reading.parse import parse_part

    return parse_part(name, data, [])
