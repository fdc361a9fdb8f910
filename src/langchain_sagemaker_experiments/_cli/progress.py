"""Reading for the command: a progress bar on standard error, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .._reading import load_records

_MAX_TOLD: Final = 5
"""Places that are named one by one: a file that is none of ours would fill the screen."""


def read_records(errors: Console, where: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the span records of a source, and tell on standard error how far it is and what could
    not be read.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=errors, transient=True, disable=not errors.is_terminal
    ) as progress:
        task = progress.add_task("reading parts", total=None)
        records, problems = load_records(
            **where, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    tell_problems(errors, problems)
    return records


def tell_problems(errors: Console, problems: Iterable[object]) -> None:
    """Tell on standard error what could not be read."""
    found = list(problems)
    for problem in found[:_MAX_TOLD]:
        errors.print(f"not read: {problem}", style="yellow", highlight=False)
    if len(found) > _MAX_TOLD:
        rest = f"not read: {len(found) - _MAX_TOLD:,} more places of the same sources"
        errors.print(rest, style="yellow", highlight=False)
