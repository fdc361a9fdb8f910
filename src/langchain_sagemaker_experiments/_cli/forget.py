"""`sagemaker-traces forget`."""

from __future__ import annotations

import contextlib
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from .._record.plurals import counted
from .._scale import forget
from .progress import tell_problems
from .show import print_json


def run_forget(
    console: Console,
    errors: Console,
    where: dict[str, Any],
    what: dict[str, Any],
    extra_args: dict[str, str],
    dry_run: bool,
    as_json: bool,
) -> bool:
    """Forget, then say what was taken out and where else it may be; return True if all files could
    be read.
    """
    with errors.status("forgetting") if errors.is_terminal else contextlib.nullcontext() as status:
        progress = (lambda line: status.update(Text(line))) if status is not None else None
        try:
            done = forget(
                **where, **what, dry_run=dry_run, extra_args=extra_args, progress=progress
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    tell_problems(errors, done.problems)
    if as_json:
        print_json(console, {**vars(done), "problems": [str(problem) for problem in done.problems]})
        return not done.problems
    would = "would be " if dry_run else ""
    console.print(
        f"{counted(done.spans, 'span')} and {counted(done.scores, 'score')} of "
        f"{counted(done.traces, 'trace')} {would}taken out of {counted(done.files, 'file')}",
        soft_wrap=True,
        highlight=False,
    )
    errors.print("Not reached, so look there too:", markup=False)
    for place in done.unreached:
        errors.print(f"  - {place}", soft_wrap=True, markup=False, highlight=False)
    return not done.problems
