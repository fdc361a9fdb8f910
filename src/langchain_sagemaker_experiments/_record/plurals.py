"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 trace`, `1,000 traces`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
