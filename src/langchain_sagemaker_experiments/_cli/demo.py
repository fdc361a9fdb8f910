"""`sagemaker-traces demo`."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from .._analysis.traces import trace_table
from .._destinations.sagemaker_sdk import load_sdk
from .._reading import load_spans
from .._storage.keys import ARTIFACT_NAME, TRACES_FOLDER, split_address
from .._views.report import render_report
from ..demo._scenarios import EXPERIMENT_NAME, SCENARIOS, check_installed
from ..demo._stand_ins import FORCE, stand_ins
from ..handler import SageMakerCallbackHandler
from .show import trace_rows


def run_demo(console: Console, output: Path | None) -> None:
    """Run the three scenarios and show what was recorded."""
    check_installed()
    with _quiet(), contextlib.ExitStack() as stack:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("loading the sagemaker SDK", total=len(SCENARIOS) + 1)
            sdk = load_sdk("The demo")
            stack.enter_context(_environment())
            stack.enter_context(stand_ins(force=True))
            progress.advance(task)
            session = sdk.Session(default_bucket=None)
            addresses: dict[str, list[str]] = {}
            for run_name, title, scenario in SCENARIOS:
                progress.update(task, description=f"{run_name}: {title}")
                with sdk.Run(
                    experiment_name=EXPERIMENT_NAME, run_name=run_name, sagemaker_session=session
                ) as run:
                    handler = SageMakerCallbackHandler(run)
                    scenario(handler)
                    addresses[run_name] = handler.flush_tracker().uris
                progress.advance(task)
            progress.update(task, description=f"sagemaker {sdk.major}: three runs recorded")
        frame = sdk.ExperimentAnalytics(
            experiment_name=EXPERIMENT_NAME, sagemaker_session=session
        ).dataframe(force_refresh=True)
        spans = load_spans(experiment_name=EXPERIMENT_NAME, sagemaker_session=session)
        _print_runs(console, frame)
        title = f"trace_table: {len(spans)} spans in {spans['trace_id'].nunique()} traces"
        console.print(trace_rows(trace_table(spans), title, console.width))
        console.print("\nThe JSON of each run, one span a line:")
        for run_name, uris in addresses.items():
            for uri in uris:
                console.print(f"  {run_name}  {uri}", soft_wrap=True, highlight=False)
        if output is not None:
            _keep(console, session, addresses, output)
            report = render_report(spans, output / "report.html", title="The three scenarios")
            console.print(f"  the report: {report.path}", soft_wrap=True, highlight=False)
            console.print(
                f"\nLook at it live:\n  {_command()} view {output}", soft_wrap=True, highlight=False
            )
        else:
            console.print(
                "\nThis SageMaker lived in memory and is gone now; `sagemaker-traces demo --output "
                "FOLDER` keeps the JSON.",
                style="dim",
            )


def _command() -> str:
    """Return the command as it was called, so that the line can be copied."""
    called = sys.argv[0]
    return called if called.endswith("sagemaker-traces") else "sagemaker-traces"


def _keep(console: Console, session: Any, addresses: dict[str, list[str]], output: Path) -> None:
    client = session.boto_session.client("s3")
    for run_name, uris in addresses.items():
        folder = output / EXPERIMENT_NAME / run_name / TRACES_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for uri in uris:
            bucket, key = split_address(uri)
            client.download_file(bucket, key, str(folder / key.rsplit("/", 1)[-1]))
    console.print(
        f"\nKept in {output}; look at it with:\n  {_command()} list {output}",
        soft_wrap=True,
        highlight=False,
    )


def _print_runs(console: Console, frame: Any) -> None:
    table = Table(
        title=f"ExperimentAnalytics({EXPERIMENT_NAME!r}).dataframe(): {frame.shape[0]} rows, "
        f"{frame.shape[1]} columns"
    )
    frame = frame.sort_values("TrialComponentName")
    table.add_column("column", no_wrap=True)
    for name in frame["TrialComponentName"]:
        table.add_column(name.removeprefix(f"{EXPERIMENT_NAME}-"), overflow="fold")
    for name in _SHOWN_COLUMNS:
        table.add_row(name, *(_cell(value) for value in frame[name]))
    console.print(table)


_SHOWN_COLUMNS = (
    "model_name",
    "temperature",
    "traces - Last",
    "model_calls - Last",
    "errors - Last",
    "input_tokens - Last",
    "output_tokens - Last",
    "latency_ms - Last",
    f"{ARTIFACT_NAME} - MediaType",
)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    import os
    from unittest import mock

    with mock.patch.dict(os.environ, {FORCE: "1"}):
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the SDK's and LangChain's own remarks out of the demo's tables."""
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
