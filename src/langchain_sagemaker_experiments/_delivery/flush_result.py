"""What a flush wrote, for the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .._record.plurals import counted


@dataclass(frozen=True)
class FlushResult:
    """What one `flush_tracker` wrote.

    Attributes:
        spans: records written, running ones included.
        uris: where the parts lie: `s3://` addresses, or paths of an `OfflineRun`.
        bytes: size of the parts, JSON Lines before any compression.
        parameters: Run parameters set, by name.
        metrics: Run metrics logged, by name.
        scores: scores written.
        faults: what went wrong inside callbacks since the last flush, and how often; empty when all
            was recorded.
        duration_ms: wall time of the flush.
    """

    spans: int = 0
    uris: list[str] = field(default_factory=list)
    bytes: int = 0
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    scores: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    duration_ms: float = 0.0

    @staticmethod
    def sum(results: Sequence[FlushResult]) -> FlushResult:
        """Return one result of several flushes that were one call."""
        faults: dict[str, int] = {}
        for one in results:
            for what, count in one.faults.items():
                faults[what] = faults.get(what, 0) + count
        return FlushResult(
            spans=sum(one.spans for one in results),
            uris=[uri for one in results for uri in one.uris],
            bytes=sum(one.bytes for one in results),
            scores=sum(one.scores for one in results),
            parameters={k: v for one in results for k, v in one.parameters.items()},
            metrics={k: v for one in results for k, v in one.metrics.items()},
            faults=faults,
            duration_ms=round(sum(one.duration_ms for one in results), 3),
        )

    def __str__(self) -> str:
        where = f" to {self.uris[-1]}" if self.uris else ""
        more = f" (+{counted(len(self.uris) - 1, 'part')})" if len(self.uris) > 1 else ""
        size = f"{counted(self.spans, 'span')}, {self.bytes:,} bytes"
        text = f"{size} written{where}{more} in {self.duration_ms:.0f} ms"
        return text + (
            f"; {counted(sum(self.faults.values()), 'fault')}: {self.faults}" if self.faults else ""
        )

    def _repr_html_(self) -> str:
        from .._views.notebook import flush_html

        return flush_html(self.spans, self.bytes, self.uris, self.metrics, self.faults)
