"""Names given beside a source, which itself says what is meant."""

from __future__ import annotations

from typing import Any


def names_beside(source: Any, experiment_name: str | None, run_name: str | None) -> str | None:
    """Return what is wrong with names given beside a source; None if nothing is.

    A source says itself what is meant. Names that were ignored beside it would let a caller read,
    or remove, what the names were to leave out.
    """
    given = {"experiment_name": experiment_name, "run_name": run_name}
    asked = {name: value for name, value in given.items() if value is not None}
    if source is None or not asked:
        return None
    if all(str(getattr(source, name, "")).lower() == asked[name].lower() for name in asked):
        return None
    names = " and ".join(asked)
    return (
        f"{names} can't be given beside a source: {source!r:.80} already says what is meant. Give "
        "the folder or the address of the run itself, or the names alone."
    )
