"""`sagemaker-traces doctor`: what is installed, what AWS allows, what waits on disk, and what to
do.

What it prints may be pasted into an issue: no keys, no names of users, account numbers cut.
"""

from __future__ import annotations

import datetime
import email.utils
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console

from .._delivery.spool import default_spool_dir
from .._masking.text_masking import mask_text
from .._record.plurals import counted
from ..exceptions import SpanReadError, printable

State = Literal["ok", "note", "fault"]

EXPERIMENT: Final = "sagemaker-traces-doctor"
"""The experiment in which the actions are tried; it stays, and is used again the next time."""
_RUN: Final = "doctor"
_PACKAGES: Final = (
    "langchain-sagemaker-experiments",
    "langchain-core",
    "langchain",
    "langgraph",
    "boto3",
    "sagemaker",
    "sagemaker-core",
    "pandas",
    "pyarrow",
    "dask",
    "duckdb",
    "mlflow-skinny",
    "ahocorasick_rs",
)
_MAX_SKEW: Final = 240.0
"""Seconds: AWS refuses requests whose clock is more than five minutes off."""
_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
_BAD_CREDENTIALS: Final = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: `ok`, `note` (worth knowing) or `fault`.
        found: what was found.
        advice: what to do; empty where there is nothing to do.
    """

    what: str
    state: State
    found: str
    advice: str = ""


def run_doctor(
    console: Console, *, bucket: str | None, aws: bool, read_only: bool, as_json: bool
) -> bool:
    """Look at everything, print a line for each finding, and return True if there is no fault.

    Args:
        console: where to print.
        bucket: the bucket to try; the account's default one if None.
        aws: whether to ask AWS at all.
        read_only: try only the actions that change nothing.
        as_json: print JSON Lines.
    """
    healthy = True
    for finding in examine(bucket=bucket, aws=aws, read_only=read_only):
        healthy = healthy and finding.state != "fault"
        _print(console, finding, as_json)
    return healthy


def examine(
    *, bucket: str | None = None, aws: bool = True, read_only: bool = False
) -> Iterator[Finding]:
    """Yield the findings one by one; the arguments are those of `run_doctor`."""
    yield from _versions()
    yield from _spools(default_spool_dir())
    if aws:
        yield from _aws(bucket, read_only)


def _print(console: Console, finding: Finding, as_json: bool) -> None:
    words = {key: _safe(value) for key, value in vars(finding).items()}
    if as_json:
        from .show import print_json

        print_json(console, words)
        return
    styles = {"ok": "green", "note": "yellow", "fault": "red"}
    line = f"{words['state']:5}  {words['what']}: {words['found']}"
    console.print(line, style=styles[finding.state], highlight=False, soft_wrap=True)
    if finding.advice:
        console.print(f"       {words['advice']}", highlight=False, soft_wrap=True)


def _safe(text: str) -> str:
    """Return a text without secrets, account numbers and the user's home folder."""
    cut = re.sub(r"(?<!\d)\d{8}(\d{4})(?!\d)", r"…\1", text.replace(str(Path.home()), "~"))
    return printable(mask_text(cut))


# --- this machine ---------------------------------------------------------------------------------
def _versions() -> Iterator[Finding]:
    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    supported = sys.version_info >= (3, 10)
    yield Finding("Python", "ok" if supported else "fault", system)
    missing = []
    for package in _PACKAGES:
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        yield Finding("not installed", "note", ", ".join(missing))


def _spools(folder: Path) -> Iterator[Finding]:
    from .._sync.bundles import find_bundles

    try:
        bundles = find_bundles(folder) if folder.is_dir() else []
    except SpanReadError:
        bundles = []
    except OSError as error:
        yield Finding("spool", "fault", f"{type(error).__name__} at {folder}", "Mend its rights.")
        return
    parts = [part for bundle in bundles for part in bundle.parts()]
    if not parts:
        yield Finding("spool", "ok", f"nothing waits in {folder}")
        return
    size = sum(part.stat().st_size for part in parts)
    living = sum(bundle.writer() != "dead" for bundle in bundles)
    found = (
        f"{counted(len(parts), 'part')}, {size:,} bytes, {counted(len(bundles), 'spool')} in "
        f"{folder}"
    )
    ours = f" {living} of them may still be written." if living else ""
    yield Finding("spool", "note", found, f"Run sagemaker-traces sync to upload them.{ours}")


# --- AWS ------------------------------------------------------------------------------------------
def _aws(bucket: str | None, read_only: bool) -> Iterator[Finding]:
    import boto3

    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        advice = "Set them (aws configure, a role, AWS_PROFILE), or record with an OfflineRun."
        yield Finding("credentials", "fault", "there are none", advice)
        return
    yield Finding("credentials", "ok", f"found by {credentials.method}")
    region = session.region_name
    if region is None:
        yield Finding("region", "fault", "none is set", "Set AWS_DEFAULT_REGION.")
        return
    yield Finding("region", "ok", region)
    answer, finding = _identity(session)
    yield finding
    if answer is None:
        return
    yield _clock(answer)
    place = bucket or f"sagemaker-{region}-{answer['Account']}"
    yield _bucket(session, place)
    for action, call in _actions(session, place, read_only):
        yield _tried(action, call)


def _identity(session: Any) -> tuple[dict[str, Any] | None, Finding]:
    """Ask STS who this is: the first request shows whether there is a network."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer: dict[str, Any] = session.client("sts").get_caller_identity()
    except ClientError as error:
        advice = "Renew the credentials, or set others."
        return None, Finding("account", "fault", f"STS answered {_code(error)}", advice)
    except BotoCoreError as error:
        advice = "Check the network, the proxy, or the VPC endpoints for STS, S3 and SageMaker."
        return None, Finding("network", "fault", type(error).__name__, advice)
    kind = answer["Arn"].split(":")[-1].split("/")[0]
    return answer, Finding("account", "ok", f"{answer['Account']}, as {kind}")


def _clock(answer: dict[str, Any]) -> Finding:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if date is None:
        return Finding("clock", "note", "AWS did not say what time it is")
    theirs = email.utils.parsedate_to_datetime(date)
    off = (datetime.datetime.now(datetime.timezone.utc) - theirs).total_seconds()
    if abs(off) > _MAX_SKEW:
        return Finding("clock", "fault", f"{off:+.0f} s off", "Set the clock of this machine.")
    return Finding("clock", "ok", f"{off:+.0f} s off")


def _bucket(session: Any, bucket: str) -> Finding:
    from botocore.exceptions import ClientError

    try:
        session.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if _code(error) in ("404", "NoSuchBucket"):
            advice = "The first Run makes it if it may (s3:CreateBucket); or name one: --bucket."
            return Finding("bucket", "note", f"{bucket} does not exist", advice)
        return Finding("bucket", "note", f"{bucket} answered {_code(error)}")
    return Finding("bucket", "ok", bucket)


def _actions(
    session: Any, bucket: str, read_only: bool
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each action of the README's policy with a request that needs it."""
    from .._experiments.clients import metrics_client, sagemaker_client
    from .._experiments.names import trial_name
    from .._storage.keys import DEFAULT_PREFIX, join, trial_component_name
    from .._storage.object_store import list_objects

    sagemaker, s3 = sagemaker_client(session), session.client("s3")
    trial, component = trial_name(EXPERIMENT), trial_component_name(EXPERIMENT, _RUN)
    key = join(DEFAULT_PREFIX, component, "doctor.txt")
    of_run = {"TrialComponentName": component}
    of_trial = {"TrialName": trial}
    metric = {"MetricName": "checked", "Value": 1.0, "Timestamp": datetime.datetime.now()}

    def tag() -> object:
        arn = sagemaker.describe_trial_component(**of_run)["TrialComponentArn"]
        return sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "checked-by", "Value": "doctor"}])

    writing: list[tuple[str, Callable[[], object]]] = [
        (
            "sagemaker:CreateExperiment",
            lambda: sagemaker.create_experiment(ExperimentName=EXPERIMENT),
        ),
        (
            "sagemaker:CreateTrial",
            lambda: sagemaker.create_trial(ExperimentName=EXPERIMENT, **of_trial),
        ),
        (
            "sagemaker:CreateTrialComponent",
            lambda: sagemaker.create_trial_component(**of_run),
        ),
        (
            "sagemaker:UpdateTrialComponent",
            lambda: sagemaker.update_trial_component(
                Parameters={"checked": {"StringValue": "yes"}}, **of_run
            ),
        ),
        (
            "sagemaker:AssociateTrialComponent",
            lambda: sagemaker.associate_trial_component(**of_trial, **of_run),
        ),
        ("sagemaker:AddTags", tag),
        (
            "sagemaker:BatchPutMetrics",
            lambda: metrics_client(session).batch_put_metrics(
                TrialComponentName=component, MetricData=[metric]
            ),
        ),
        ("s3:PutObject", lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"checked\n")),
    ]
    reading: list[tuple[str, Callable[[], object]]] = [
        (
            "sagemaker:DescribeExperiment",
            lambda: sagemaker.describe_experiment(ExperimentName=EXPERIMENT),
        ),
        ("sagemaker:DescribeTrial", lambda: sagemaker.describe_trial(**of_trial)),
        (
            "sagemaker:DescribeTrialComponent",
            lambda: sagemaker.describe_trial_component(**of_run),
        ),
        (
            "sagemaker:ListTrialComponents",
            lambda: sagemaker.list_trial_components(ExperimentName=EXPERIMENT, MaxResults=1),
        ),
        (
            "sagemaker:Search",
            lambda: sagemaker.search(Resource="ExperimentTrialComponent", MaxResults=1),
        ),
        ("s3:ListBucket", lambda: next(list_objects(s3, bucket, key), None)),
        ("s3:GetObject", lambda: s3.get_object(Bucket=bucket, Key=key)),
    ]
    yield from reading if read_only else writing + reading


def _tried(action: str, call: Callable[[], object]) -> Finding:
    """Make a request. What AWS refuses for another reason than its caller's rights is allowed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call()
    except ClientError as error:
        code, name = _code(error), error.operation_name
        if code in _DENIED and name == action.split(":")[1].replace("ListBucket", "ListObjectsV2"):
            return Finding(action, "fault", "denied", "Allow it; the README has a policy.")
        if code in _DENIED:
            return Finding(action, "note", f"not tried, {name} is denied")
        if code in _BAD_CREDENTIALS:
            return Finding(action, "fault", code, "Renew the credentials, or set others.")
        return Finding(action, "ok", "allowed")
    except BotoCoreError as error:
        return Finding(action, "fault", type(error).__name__, "Check the network.")
    return Finding(action, "ok", "allowed")


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
