"""The command's subcommands and their options; what they do lies in modules of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .._record.limits import DEFAULT_COMPACTION_GRACE
from .._version import __version__

app = typer.Typer(
    name="sagemaker-traces",
    help="Look at what LangChain applications did, from your own SageMaker Experiments or a folder.",
    epilog="Exit codes: 0 done, 1 the data or AWS said no, 2 the command's words are off, "
    "3 a package is missing (of evaluate also: can't be told from so few examples).",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# What is shown comes from prompts and names: `[/INST]` in it is no markup of rich's, and `:fish:`
# no emoji.
_out = Console(markup=False, emoji=False)
_err = Console(markup=False, emoji=False, stderr=True)

Source = Annotated[
    str | None,
    typer.Argument(
        help="An s3:// address, a folder or a .jsonl file. Without it, name an experiment.",
        show_default=False,
    ),
]
Experiment = Annotated[
    str | None,
    typer.Option(
        "--experiment", "-e", help="Read the runs of this experiment.", show_default=False
    ),
]
RunName = Annotated[
    str | None,
    typer.Option("--run", "-r", help="Only this run of the experiment.", show_default=False),
]
ExtraArgs = Annotated[
    list[str] | None,
    typer.Option(
        "--extra-arg",
        metavar="NAME=VALUE",
        help="An argument of every upload to S3, as boto3's ExtraArgs; may be repeated.",
        show_default=False,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON Lines for other programs instead of a table.")
]


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

    run_demo(_out, output)


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

    if not run_doctor(_out, bucket=bucket, aws=aws, read_only=read_only, as_json=as_json):
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

    print_traces(_out, _err, _where(source, experiment, run), as_json)


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

    print_trace(_out, _err, trace_id, _where(source, experiment, run), as_json)


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
    where = _where(source, experiment, run)
    run_report(_out, _err, where, output, title=title, show=show, upload=upload, as_json=as_json)


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
    read_only: Annotated[bool, typer.Option("--read-only", help="Take no scores.")] = False,
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
) -> None:
    """Open a live window in the browser. It shows each trace as it is written, and ends with
    Ctrl-C. Without a source: what SAGEMAKER_TRACES_SOURCE names, else the folder runs.

    For instance: sagemaker-traces view runs
    """
    from .view import run_view

    where: dict[str, Any] = {"source": source, "experiment_name": experiment, "run_name": run}
    if source is not None or experiment is not None or run is not None:
        where = _where(source, experiment, run)
    run_view(
        _out,
        _err,
        where,
        show=show,
        port=port,
        read_only=read_only,
        host=host,
        base_url=base_url,
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

    where = _where(source, experiment, run)
    try:
        chosen = format_of(output, format)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    run_export(_out, _err, where, output, chosen, as_json=as_json)


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
        _out,
        _err,
        _where(source, experiment, run),
        grace,
        _pairs(extra_arg, "--extra-arg"),
        as_json,
    )


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

    extra_args = _pairs(extra_arg, "--extra-arg")
    run_sync(_out, _err, folder, experiment, run, extra_args, abandoned, as_json)


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
    backend = backend_of(to, _pairs(header, "--header"), region)
    where = _where(source, experiment, run)
    if not run_forward(_out, _err, where, backend, since, until, timeout, as_json):
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

    As a gate: code 0 for no worse, 1 for worse or under a limit, 3 if that can't be told from so few examples.

    For instance: sagemaker-traces evaluate app:chain examples.jsonl --evaluator app:right --run prompt-2
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
        _out,
        _err,
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


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    for name, found, _ in pairs:
        if not name or not found:
            raise typer.BadParameter(f"{option} takes NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _where(source: str | None, experiment: str | None, run: str | None) -> dict[str, Any]:
    if (source is None) == (experiment is None):
        raise typer.BadParameter(
            "say what to read: either an address or folder, or --experiment (and --run)."
        )
    if run is not None and experiment is None:
        raise typer.BadParameter("--run goes with --experiment.")
    return {"source": source, "experiment_name": experiment, "run_name": run}
