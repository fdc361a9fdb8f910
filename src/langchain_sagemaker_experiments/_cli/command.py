"""What all subcommands share: the command itself, where it prints, options of several of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(
    name="sagemaker-traces",
    help="Look at what LangChain applications did, from your own SageMaker Experiments or a "
    "folder.",
    epilog="Exit codes: 0 done, 1 data or AWS error, 2 usage error, 3 evaluate can't tell from so "
    "few examples, 4 a package is missing.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# What is shown comes from prompts and names: `[/INST]` in it is no markup of rich's, and `:fish:`
# no emoji.
out = Console(markup=False, emoji=False)
err = Console(markup=False, emoji=False, stderr=True)

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


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Return the NAME=VALUE texts of an option as a dictionary, or refuse them."""
    pairs = [text.partition("=") for text in given or ()]
    for name, found, _ in pairs:
        if not name or not found:
            raise typer.BadParameter(f"{option} takes NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def where_to_read(source: str | None, experiment: str | None, run: str | None) -> dict[str, Any]:
    """Return what to read, as the readers take it, or refuse words that do not fit."""
    if (source is None) == (experiment is None):
        raise typer.BadParameter(
            "say what to read: either an address or folder, such as FOLDER/EXPERIMENT/RUN, or "
            "--experiment (and --run), which read from SageMaker."
        )
    if run is not None and experiment is None:
        raise typer.BadParameter(
            f"--run goes with --experiment, which reads from SageMaker. For one run in {source}, "
            "give the run's own folder or address, such as FOLDER/EXPERIMENT/RUN."
        )
    return {"source": source, "experiment_name": experiment, "run_name": run}
