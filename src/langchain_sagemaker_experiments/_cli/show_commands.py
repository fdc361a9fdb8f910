"""Subcommands that show what was recorded, and their options; what they do lies in modules of its
own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .._version import __version__
from .command import (
    AsJson,
    Experiment,
    RunName,
    Source,
    app,
    err,
    out,
    where_to_read,
)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"sagemaker-traces {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    """Look at what LangChain applications did, from your own SageMaker Experiments or a folder."""


@app.command()
def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Also keep the JSON in this folder.", show_default=False
        ),
    ] = None,
) -> None:
    """Run the three scenarios on a local SageMaker. It needs no account, no key, no network."""
    from .demo import run_demo

    run_demo(out, output)


@app.command()
def doctor(
    bucket: Annotated[
        str | None,
        typer.Option(help="The bucket to try; the account's default one.", show_default=False),
    ] = None,
    aws: Annotated[bool, typer.Option("--aws/--no-aws", help="Ask AWS.")] = True,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Try only the actions that change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check versions, credentials, permissions, network, clock and spools. It says what to do, and
    prints nothing secret. Each action of the README's policy is tried in the experiment
    sagemaker-traces-doctor, which stays.
    """
    from .doctor import run_doctor

    if not run_doctor(out, bucket=bucket, aws=aws, read_only=read_only, as_json=as_json):
        raise typer.Exit(1)


@app.command("list")
def list_traces(
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    as_json: AsJson = False,
) -> None:
    """List traces, one row each. It shows status, inputs, outputs, tokens, latency and errors."""
    from .show import print_traces

    print_traces(out, err, where_to_read(source, experiment, run), as_json)


@app.command()
def show(
    trace_id: Annotated[
        str, typer.Argument(help="A trace's id, its beginning or its end; `last` for the newest.")
    ],
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    as_json: AsJson = False,
) -> None:
    """Show one trace as a tree, `last` the newest. Each span has its inputs, outputs, tokens,
    latency and errors.
    """
    from .show import print_trace

    print_trace(out, err, trace_id, where_to_read(source, experiment, run), as_json)


@app.command()
def report(
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "langchain-report.html"
    ),
    title: Annotated[
        str | None, typer.Option(help="What stands above it.", show_default=False)
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    upload: Annotated[
        bool,
        typer.Option(
            "--upload", help="Also upload it to the Run, as its artifact langchain-report."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write an HTML report. It has a trace table, timelines, architecture, and runs side by side;
    one file that needs no network.

    For instance: sagemaker-traces report --experiment my-experiment --open
    """
    from .report import run_report

    if upload and run is None:
        raise typer.BadParameter(
            "--upload goes with --experiment and --run, which say to which Run."
        )
    where = where_to_read(source, experiment, run)
    run_report(out, err, where, output, title=title, show=show, upload=upload, as_json=as_json)


@app.command()
def view(
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    port: Annotated[
        int | None,
        typer.Option(help="Where to listen; 8765 or a free one.", show_default=False),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Take no scores and no examples.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(help="The address to listen on; another one opens the window to a network."),
    ] = "127.0.0.1",
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url", help="Where a proxy shows this server to the browser.", show_default=False
        ),
    ] = None,
    examples: Annotated[
        str | None,
        typer.Option(
            help="A .jsonl file, folder or s3:// address that traces are added to as examples; "
            "examples.jsonl in the source by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Open a live window in the browser. It shows each trace as it is written, and ends with
    Ctrl-C. Without a source: what SAGEMAKER_TRACES_SOURCE names, else the folder runs.

    For instance: sagemaker-traces view runs
    """
    from .view import run_view

    where: dict[str, Any] = {"source": source, "experiment_name": experiment, "run_name": run}
    if source is not None or experiment is not None or run is not None:
        where = where_to_read(source, experiment, run)
    run_view(
        out,
        err,
        where,
        show=show,
        port=port,
        read_only=read_only,
        host=host,
        base_url=base_url,
        examples=examples,
    )


@app.command()
def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; its ending says the format.")
    ],
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="jsonl, csv, parquet, chrome or otlp.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write spans for other programs. As .jsonl, .csv, .parquet, .trace.json (ui.perfetto.dev) or
    .otlp.json (OpenTelemetry).

    For instance: sagemaker-traces export --experiment my-experiment -o spans.parquet
    """
    from .._export import format_of
    from .report import run_export

    where = where_to_read(source, experiment, run)
    try:
        chosen = format_of(output, format)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    run_export(out, err, where, output, chosen, as_json=as_json)
