"""`sagemaker-traces evaluate`: an evaluation from the shell, and a gate for CI."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

import typer
from rich.console import Console

from .._analysis.scores import ScoreComparison, compare_scores
from .._destinations.boto_run import BotoRun
from .._destinations.offline_run import OfflineRun
from .._evaluation import built_in
from .._evaluation.results import EvaluationResults
from .._evaluation.runner import evaluate
from .show import print_json

WORSE: Final = 1
CANT_BE_TOLD: Final = 3
_BUILT_IN: Final = ("exact_match", "json_match", "contains", "tool_calls_match")


@dataclass(frozen=True)
class Gate:
    """What must hold for the code 0.

    Attributes:
        fail_under: key → the mean it must reach.
        no_worse_than: the run that the new one may not fall behind; None for no such demand.
        margin: what still counts as no worse.
        errors: "zero" counts a failure as a score of 0, "skip" leaves it out.
        keys: the keys that `no_worse_than` is about; None for all.
    """

    fail_under: dict[str, float]
    no_worse_than: str | None
    margin: float
    errors: Literal["skip", "zero"]
    keys: list[str] | None


def run_evaluate(
    console: Console,
    errors: Console,
    *,
    target: str,
    examples: str,
    evaluators: list[str],
    folder: Path | None,
    experiment: str,
    run_name: str,
    gate: Gate,
    settings: dict[str, Any],
    as_json: bool,
) -> int:
    """Evaluate, show what was found, and return the code to exit with."""
    loaded = load_object(target)
    functions = [load_evaluator(name) for name in evaluators]
    run = _open_run(folder, experiment, run_name)
    with run:
        results = evaluate(
            loaded, examples, functions, run=run, progress=errors.is_terminal, **settings
        )
    comparison = _compare(folder, experiment, run_name, gate)
    code, said = _answer(results, comparison, gate)
    if as_json:
        print_json(console, _as_json(results, comparison, code))
    else:
        console.print(_printable(str(results)), highlight=False, soft_wrap=True)
        if comparison is not None:
            console.print(_printable(str(comparison)), highlight=False, soft_wrap=True)
    for line in said:
        errors.print(_printable(line), highlight=False, soft_wrap=True)
    return code


def _printable(text: str) -> str:
    """Text without what a terminal would obey: keys and ids of examples are anybody's."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def load_object(name: str) -> Any:
    """Import `module:name`, from the working folder too.

    Raises:
        typer.BadParameter: there is no such module or name.
    """
    module_name, found, attribute = name.partition(":")
    if not found or not module_name or not attribute:
        raise typer.BadParameter(f"{name!r} must have the form module:name, such as app:chain.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        value: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that the user's own imports
        raise typer.BadParameter(f"There is no module {module_name!r} here.") from error
    for piece in attribute.split("."):
        try:
            value = getattr(value, piece)
        except AttributeError as error:
            raise typer.BadParameter(f"{module_name} has no {attribute!r}.") from error
    return value


def load_evaluator(name: str) -> Any:
    """Return an evaluator by `module:function`, or one that comes with the package by its name."""
    if ":" not in name and name in _BUILT_IN:
        return getattr(built_in, name)
    if ":" not in name:
        raise typer.BadParameter(
            f"{name!r} is neither module:function nor one of {', '.join(_BUILT_IN)}."
        )
    return load_object(name)


def parse_limits(given: list[str]) -> dict[str, float]:
    """Return key → number of `key=0.8`."""
    limits: dict[str, float] = {}
    for text in given:
        key, found, number = text.rpartition("=")
        try:
            limits[key] = float(number)
        except ValueError:
            found = ""
        if not found or not key:
            raise typer.BadParameter(f"--fail-under takes key=0.8, not {text!r}.")
    return limits


def _open_run(folder: Path | None, experiment: str, run_name: str) -> Any:
    if folder is not None:
        return OfflineRun(folder, experiment_name=experiment, run_name=run_name)
    return BotoRun(experiment, run_name)


def _compare(
    folder: Path | None, experiment: str, run_name: str, gate: Gate
) -> ScoreComparison | None:
    if gate.no_worse_than is None:
        return None
    return compare_scores(
        folder / experiment.lower() if folder is not None else None,
        baseline=gate.no_worse_than,
        candidate=run_name,
        keys=gate.keys,
        errors=gate.errors,
        experiment_name=experiment if folder is None else None,
    )


def _answer(
    results: EvaluationResults, comparison: ScoreComparison | None, gate: Gate
) -> tuple[int, list[str]]:
    """The code, and why it is not 0."""
    figures = results.figures()
    said: list[str] = []
    for key, limit in gate.fail_under.items():
        mean = figures[key]["mean"] if key in figures else math.nan
        if not mean >= limit:
            shown = "has no score" if math.isnan(mean) else f"is {mean:.4g}"
            said.append(f"{key} {shown}, under {limit:g}")
    if said:
        return WORSE, said
    if comparison is None:
        return 0, []
    answer = comparison.no_worse(gate.margin)
    if answer == "no worse":
        return 0, []
    told = f"Against {comparison.baseline}, with a margin of {gate.margin:g}: {answer}."
    if answer != "worse" and gate.margin <= 0:
        told += " Only a significant gain passes with this margin: give the loss you accept, as in "
        told += "--margin 0.05."
    return (WORSE if answer == "worse" else CANT_BE_TOLD), [told]


def _as_json(
    results: EvaluationResults, comparison: ScoreComparison | None, code: int
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "evaluation_id": results.evaluation_id,
        "calls": results.calls,
        "called": results.called,
        "failed": len(results.errors),
        "scores": results.figures(),
        "exit_code": code,
    }
    if comparison is not None:
        found["comparison"] = comparison.table.to_dict("records")
    return found
