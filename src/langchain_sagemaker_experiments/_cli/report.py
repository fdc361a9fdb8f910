"""`sagemaker-traces report` and `export`: files made of spans."""

from __future__ import annotations

import contextlib
import webbrowser
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from .._destinations.sagemaker_sdk import load_sdk
from .._export import export_spans
from .._reading import spans_frame
from .._storage.failure_advice import explain
from .._views.report import Report, render_report, upload_report
from ..exceptions import DestinationError
from .progress import read_records
from .show import print_json


def run_report(
    console: Console,
    errors: Console,
    where: dict[str, Any],
    output: Path,
    *,
    title: str | None,
    show: bool,
    upload: bool,
    as_json: bool,
) -> None:
    """Write the report, say where it is, upload or open it as asked."""
    frame = spans_frame(read_records(errors, where))
    with errors.status("drawing the report") if errors.is_terminal else contextlib.nullcontext():
        report = render_report(frame, output, title=title)
    if upload:
        report = _uploaded(report, where)
    if as_json:
        print_json(console, {**vars(report), "path": str(report.path)})
    else:
        console.print(str(report), soft_wrap=True, highlight=False)
    if show:
        webbrowser.open(report.path.resolve().as_uri())


def _uploaded(report: Report, where: dict[str, Any]) -> Report:
    sdk = load_sdk("Uploading a report")
    try:
        with sdk.load_run(
            experiment_name=where["experiment_name"], run_name=where["run_name"]
        ) as run:
            return upload_report(report, run)
    except (ClientError, BotoCoreError) as error:
        what = explain(error, "upload it again")
        raise DestinationError(
            f"The report was written to {report.path}, but the Run can't be opened. {what}"
        ) from error


def run_export(
    console: Console,
    errors: Console,
    where: dict[str, Any],
    output: Path,
    format: Any,
    *,
    as_json: bool,
) -> None:
    """Write the export and say where it is."""
    frame = spans_frame(read_records(errors, where))
    path = export_spans(frame, output, format)
    size = path.stat().st_size
    if as_json:
        print_json(
            console, {"path": str(path), "format": format, "spans": len(frame), "bytes": size}
        )
        return
    console.print(f"{path}: {len(frame):,} spans, {size:,} bytes", soft_wrap=True, highlight=False)
