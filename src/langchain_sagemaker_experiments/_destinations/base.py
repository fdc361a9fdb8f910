"""What every destination offers to the flush."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Parameter = str | int | float


class Destination(Protocol):
    """A place that takes parts, parameters and metrics of one run."""

    workers: int
    """How many `write`s it accepts at a time, from as many threads."""

    faults: dict[str, int]
    """What went wrong and fails no flush, and how often; the flush reports and empties it."""

    def check(self) -> None:
        """Raise when nothing can be logged now, such as outside the `with` of a Run. Makes no
        request.
        """

    def write(self, name: str, data: bytes | bytearray) -> str:
        """Store one part under its name and return its address. Storing the same part again changes
        nothing.
        """

    def write_scores(self, name: str, data: bytes | bytearray) -> str:
        """Store a part of scores under its name, beside the spans, and return its address."""

    def register(self, uri: str) -> None:
        """Let the run show the address of its newest part; called once for the parts of a flush."""

    def write_file(self, name: str, data: bytes, artifact: str, media_type: str) -> str:
        """Store a file that is no part, such as a report, as an artifact of the run, and return its
        address.

        A file of the same name is replaced.
        """

    def parameters(self) -> Mapping[str, Parameter]:
        """Return the parameters the run is known to have."""

    def log_parameters(self, parameters: Mapping[str, Parameter]) -> None:
        """Set parameters of the run, within the service's limits."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log one value of each metric."""

    def target(self) -> dict[str, object]:
        """Return the names that `sagemaker-traces sync` needs to bring spooled parts here."""
