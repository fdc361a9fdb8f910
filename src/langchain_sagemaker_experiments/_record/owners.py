"""Whose a span is: the experiment and the run, as the place of its part tells them."""

from __future__ import annotations

from collections.abc import Iterable

from .schema import OWNERS, Record


def set_owner(records: Iterable[Record], experiment: str | None, run: str | None) -> None:
    """Note the experiment and the run in records. What the place of their part tells goes before
    what an exported record says of itself.
    """
    for record in records:
        for name, owner in zip(OWNERS, (experiment, run), strict=True):
            said = record.get(name)
            record[name] = owner or (said if isinstance(said, str) else None)
