"""What a handler forwards: its own backends and those of its run, each with one queue as long as
the handler lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
    """

    def __init__(
        self,
        count_fault: Callable[[str, int], None],
        forward: Sequence[Backend] | Literal["otel"],
    ) -> None:
        self._count_fault = count_fault
        self._backends = _backends_of(forward)
        self._forwarders: dict[str, Forwarder] = {}

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for handlers that forward to the same backends."""
        return tuple(backend.name for backend in self._backends)

    def with_backends(self, destination: Destination) -> Destination:
        """Return a destination whose parts go to the backends too, those of MLflow included."""
        backends = [*self._backends, *getattr(destination, "backends", ())]
        if not backends:
            return destination
        from ._delivery.forwarding import ForwardingDestination

        forwarders = [self._forwarder_to(backend) for backend in backends]
        return cast("Destination", ForwardingDestination(destination, forwarders))

    def _forwarder_to(self, backend: Backend) -> Forwarder:
        from ._delivery.forwarding import Forwarder

        if backend.name not in self._forwarders:
            forwarder = Forwarder([backend], _read_records, self._count_fault)
            self._forwarders[backend.name] = forwarder
        return self._forwarders[backend.name]

    def wait(self, timeout: float) -> int:
        """Wait until all is sent, at most so many seconds; return how many parts still wait."""
        deadline = time.monotonic() + timeout
        return sum(
            forwarder.wait(max(0.0, deadline - time.monotonic()))
            for forwarder in list(self._forwarders.values())
        )

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
