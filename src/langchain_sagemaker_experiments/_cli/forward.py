"""`sagemaker-traces forward`."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from .._delivery.forwarding import replay
from .._destinations.otlp import Backend, CloudWatch, Otlp, otlp_from_environment
from .._reading import load_records
from .._record.plurals import counted
from .._record.times import moment_of
from .progress import tell_problems
from .show import print_json


def backend_of(target: str, headers: dict[str, str], region: str | None) -> Backend:
    """Return the backend that `--to` names: an address, `cloudwatch` or `otel`."""
    if target == "cloudwatch":
        return CloudWatch(region=region)
    if target == "otel":
        return otlp_from_environment()
    return Otlp(target, headers)


def run_forward(
    console: Console,
    errors: Console,
    where: dict[str, Any],
    backend: Backend,
    since: str | None,
    until: str | None,
    timeout: float,
    as_json: bool,
) -> bool:
    """Send the spans of a range of time; return True if the backend took all of them."""
    begin, end = moment_of(since), moment_of(until)
    records, problems = load_records(**where)
    tell_problems(errors, problems)
    chosen = [
        record
        for record in records
        if (start := moment_of(record["start_time"])) is not None
        and (begin is None or start >= begin)
        and (end is None or start < end)
    ]
    done = replay(chosen, backend, timeout)
    if as_json:
        print_json(console, vars(done))
    else:
        console.print(
            f"{counted(done.spans, 'span')} in {counted(done.requests, 'request')}, sent to "
            f"{backend.name}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
    for reason, spans in done.refused.items():
        errors.print(f"{backend.name} {reason}: {counted(spans, 'span')}", markup=False)
    return not done.refused
