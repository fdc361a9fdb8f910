"""`sagemaker-traces sync`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .._delivery.spool import default_spool_dir
from .._record.plurals import counted
from .._sync.bundles import find_bundles
from .._sync.upload import sync_bundles
from ..exceptions import printable
from .progress import tell_problems
from .show import print_json


def run_sync(
    console: Console,
    errors: Console,
    folder: Path | None,
    experiment: str | None,
    run: str | None,
    extra_args: dict[str, str],
    abandoned: bool,
    as_json: bool,
) -> None:
    """Upload with a progress bar on standard error, then say what was done."""
    bundles = find_bundles(folder if folder is not None else default_spool_dir())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(
            "uploading parts", total=sum(len(bundle.parts()) for bundle in bundles)
        )
        result = sync_bundles(
            bundles,
            experiment_name=experiment,
            run_name=run,
            extra_args=extra_args,
            abandoned=abandoned,
            progress=lambda name: progress.advance(task),
        )
    tell_problems(errors, result.problems)
    for left in result.left_alone:
        errors.print(f"left alone: {left}", style="yellow", highlight=False, soft_wrap=True)
    if as_json:
        print_json(
            console,
            {
                "runs": result.runs,
                "parts": result.parts,
                "spans": result.spans,
                "bytes": result.bytes,
                "skipped": result.skipped,
                "left_alone": [str(left) for left in result.left_alone],
            },
        )
        return
    before = f" ({result.skipped} had been sent before)" if result.skipped else ""
    parts = f"{counted(result.spans, 'span')} in {counted(result.parts, 'part')}"
    what = f"{parts}, {result.bytes:,} bytes{before}"
    where = f"sent to {', '.join(result.runs)}" if result.runs else "nothing was sent"
    console.print(printable(f"{what}, {where}"))
