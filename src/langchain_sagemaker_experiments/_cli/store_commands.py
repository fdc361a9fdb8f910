"""Subcommands that change or bring what was recorded, and their options; what they do lies in
modules of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._record.limits import DEFAULT_COMPACTION_GRACE
from .command import (
    AsJson,
    Experiment,
    ExtraArgs,
    RunName,
    Source,
    app,
    err,
    out,
    pairs,
    where_to_read,
)


@app.command()
def compact(
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    grace: Annotated[
        float,
        typer.Option(help="Seconds after which parts that an earlier compaction took are removed."),
    ] = DEFAULT_COMPACTION_GRACE,
    extra_arg: ExtraArgs = None,
    as_json: AsJson = False,
) -> None:
    """Put many small parts into Parquet. They lie beside the parts, for Athena, DuckDB, Spark. Safe
    to interrupt, and to repeat.

    For instance: sagemaker-traces compact --experiment my-experiment
    """
    from .compact import run_compact

    run_compact(
        out,
        err,
        where_to_read(source, experiment, run),
        grace,
        pairs(extra_arg, "--extra-arg"),
        as_json,
    )


@app.command()
def forget(
    source: Source = None,
    experiment: Experiment = None,
    run: RunName = None,
    trace: Annotated[
        list[str] | None,
        typer.Option("--trace", help="A trace's id; may be repeated.", show_default=False),
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="All traces of this session.", show_default=False)
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(help="All traces of this user (metadata.user_id).", show_default=False),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Traces that started before this time, such as 2026-01-31. Also narrows --session "
            "and --user.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    extra_arg: ExtraArgs = None,
    as_json: AsJson = False,
) -> None:
    """Take traces and their scores out of all files of runs, for good. What arrives of them later
    is not read, sent or compacted. Safe to interrupt, and to repeat. Try it with --dry-run first.

    For instance: sagemaker-traces forget --experiment my-experiment --session 4711 --dry-run
    """
    from .forget import run_forget

    what = {"trace_ids": trace, "session_id": session, "user_id": user, "before": before}
    where = where_to_read(source, experiment, run)
    extra_args = pairs(extra_arg, "--extra-arg")
    if not run_forget(out, err, where, what, extra_args, dry_run, as_json):
        raise typer.Exit(1)


@app.command()
def ddl(
    address: Annotated[
        str, typer.Argument(help="What the runs lie below: s3://bucket/trial-component-artifacts.")
    ],
    experiment: Annotated[
        list[str], typer.Option("--experiment", "-e", help="An experiment; may be repeated.")
    ],
    run: Annotated[list[str], typer.Option("--run", "-r", help="A run; may be repeated.")],
    table: Annotated[str, typer.Option(help="The table's name.")] = "langchain_spans",
    since: Annotated[str, typer.Option(help="The first day.")] = "2025-01-01",
    scores_table: Annotated[
        str | None,
        typer.Option(help="Also a table of the scores, of this name.", show_default=False),
    ] = None,
) -> None:
    """Print the table definition for Athena. With partition projection, so that no crawler is
    needed.
    """
    from .._scale import athena_ddl

    try:
        typer.echo(
            athena_ddl(
                address,
                table=table,
                experiments=experiment,
                runs=run,
                since=since,
                scores_table=scores_table,
            ),
            nl=False,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def sync(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="An OfflineRun's folder or a spool. Default: this user's spools.",
            show_default=False,
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", "-e", help="Experiment to sync into.", show_default=False),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", "-r", help="Run to sync into.", show_default=False)
    ] = None,
    extra_arg: ExtraArgs = None,
    abandoned: Annotated[
        bool,
        typer.Option(
            "--abandoned",
            help="Also what was written on another machine, by a process that you know has ended.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload what was recorded offline. Also what was kept when a process ended; safe to interrupt
    and to repeat.
    """
    from .sync import run_sync

    extra_args = pairs(extra_arg, "--extra-arg")
    run_sync(out, err, folder, experiment, run, extra_args, abandoned, as_json)


@app.command()
def forward(
    source: Source = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="Where to: an address for OTLP over HTTP, cloudwatch, or otel for what "
            "OpenTelemetry's environment variables name.",
        ),
    ] = "otel",
    experiment: Experiment = None,
    run: RunName = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only spans that started at this time (ISO 8601) or later."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only spans that started before this time.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="NAME=VALUE", help="A header; may be repeated."),
    ] = None,
    region: Annotated[str | None, typer.Option(help="CloudWatch's region.")] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds for which one request is tried again.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Send recorded spans to another backend. Safe to repeat: a span sent twice is one span there.

    For instance: sagemaker-traces forward --experiment my-experiment --to cloudwatch
    """
    from .._record.times import moment_of
    from .forward import backend_of, run_forward

    for text in (since, until):
        if text is not None and moment_of(text) is None:
            raise typer.BadParameter(f"{text!r} is not a time, as in 2026-11-25T10:00:00Z.")
    backend = backend_of(to, pairs(header, "--header"), region)
    where = where_to_read(source, experiment, run)
    if not run_forward(out, err, where, backend, since, until, timeout, as_json):
        raise typer.Exit(1)


@app.command()
def evaluate(
    target: Annotated[str, typer.Argument(help="What is evaluated: module:name.")],
    examples: Annotated[
        str, typer.Argument(help="A .jsonl, .csv or .parquet file, a folder, or an s3:// address.")
    ],
    run: Annotated[str, typer.Option("--run", "-r", help="The run to evaluate in.")],
    experiment: Annotated[
        str, typer.Option("--experiment", "-e", help="The run's experiment.")
    ] = "evaluations",
    folder: Annotated[
        Path | None,
        typer.Option(help="Record in this folder, in place of SageMaker.", show_default=False),
    ] = None,
    evaluator: Annotated[
        list[str] | None,
        typer.Option(
            help="module:function, or exact_match, json_match, contains, tool_calls_match; "
            "may be repeated.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls at a time.")] = 4,
    repetitions: Annotated[int, typer.Option(min=1, help="Calls of each example.")] = 1,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Make failed calls again.")
    ] = False,
    evaluation_id: Annotated[
        str | None,
        typer.Option(help="Name of the evaluation. Default: the run's.", show_default=False),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=MEAN", help="Code 1 if the mean is lower.", show_default=False),
    ] = None,
    no_worse_than: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="A run of the same experiment.", show_default=False),
    ] = None,
    margin: Annotated[float, typer.Option(min=0, help="What still counts as no worse.")] = 0.0,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Keys that --no-worse-than is about. Default: all.", show_default=False),
    ] = None,
    errors: Annotated[
        str, typer.Option(help="zero: a failure counts as a score of 0; skip: it is left out.")
    ] = "zero",
    as_json: AsJson = False,
) -> None:
    """Evaluate a target on examples. Traces and scores go to a run; started again, it goes on.

    As a gate: code 0 for no worse, 1 for worse or under a limit, 3 if that can't be told from so
        few examples.

    For instance: sagemaker-traces evaluate app:chain examples.jsonl --evaluator app:right --run
        prompt-2
    """
    from .evaluate import Gate, parse_limits, run_evaluate

    if errors not in ("zero", "skip"):
        raise typer.BadParameter("--errors takes zero or skip.")
    gate = Gate(
        parse_limits(fail_under or []),
        no_worse_than,
        margin,
        "zero" if errors == "zero" else "skip",
        key or None,
    )
    code = run_evaluate(
        out,
        err,
        target=target,
        examples=examples,
        evaluators=evaluator or [],
        folder=folder,
        experiment=experiment,
        run_name=run,
        gate=gate,
        settings={
            "max_concurrency": concurrency,
            "repetitions": repetitions,
            "retry_errors": retry_errors,
            "evaluation_id": evaluation_id,
        },
        as_json=as_json,
    )
    raise typer.Exit(code)
