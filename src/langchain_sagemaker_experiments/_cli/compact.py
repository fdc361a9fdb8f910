"""`sagemaker-traces compact`."""

from __future__ import annotations

import contextlib
from typing import Any

from rich.console import Console
from rich.text import Text

from .._scale import compact
from .progress import tell_problems
from .show import print_json


def run_compact(
    console: Console,
    errors: Console,
    where: dict[str, Any],
    grace: float,
    extra_args: dict[str, str],
    as_json: bool,
) -> None:
    """Compact, tell on standard error how far it is, then say what was done."""
    with errors.status("compacting") if errors.is_terminal else contextlib.nullcontext() as status:
        progress = (lambda line: status.update(Text(line))) if status is not None else None
        done = compact(**where, grace=grace, extra_args=extra_args, progress=progress)
    tell_problems(errors, done.problems)
    counts = {name: value for name, value in vars(done).items() if name != "problems"}
    if as_json:
        print_json(console, counts)
        return
    console.print(
        f"{done.spans:,} spans of {done.parts:,} parts put into {done.files:,} Parquet files; "
        f"{done.removed:,} older files removed; {done.open_spans:,} spans are still open",
        soft_wrap=True,
        highlight=False,
    )
