"""`local_sagemaker()`: starts moto, closes its gaps, and puts everything back afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from unittest import mock

from ..exceptions import MissingExtraError

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_SECURITY_TOKEN": "testing",
    # No look at the machine's own identity or configuration: nothing may reach a real account from
    # here.
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


_ACCOUNT = "123456789012"
"""moto's account (moto.core.DEFAULT_ACCOUNT_ID)."""


@dataclass
class LocalSageMaker:
    """What `local_sagemaker()` gives.

    Attributes:
        region: the AWS region that is stood in for.
        bucket: the default bucket of the account; in server mode it is there from the start.
        endpoint_url: where the server listens; None in process.
        environment: variables that let another process, or a boto3 client made by hand, reach it.
        requests: how many requests of each operation were answered since the start, such as
            `{"PutObject": 3}`.
    """

    region: str
    bucket: str = ""
    endpoint_url: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)


_active: list[LocalSageMaker] = []


@contextmanager
def local_sagemaker(
    *,
    server: bool = False,
    region: str = "us-east-1",
    port: int = 0,
    enforce_limits: bool = True,
    search_lag: float = 0.0,
    rates: Mapping[str, float] | None = None,
) -> Iterator[LocalSageMaker]:
    """Stand in for SageMaker Experiments, S3 and what else moto knows, with an empty account.

    Args:
        server: listen on loopback, for other processes too; else requests of this process are
            caught before they leave it.
        region: the AWS region to stand in for.
        port: port of the server, 0 for a free one.
        enforce_limits: refuse what the service would refuse for its length, number or form.
        search_lag: seconds by which Search, and so `ExperimentAnalytics` and `list_runs`, tells
            things later than the other operations, as SageMaker's does.
        rates: requests a second that are answered, by operation, such as
            `{"DescribeTrialComponent": 20}`; what comes faster gets a ThrottlingException.

    Yields:
        A `LocalSageMaker`. While it is open, boto3 clients of this process find it by environment
        variables.

    Raises:
        MissingExtraError: moto is not installed.
    """
    try:
        from moto import mock_aws

        from ._patch import Settings, patched_moto
    except ModuleNotFoundError as error:
        raise MissingExtraError("moto", "local", "The local SageMaker") from error
    except ImportError as error:  # names that older ones do not have
        raise MissingExtraError("moto>=5.2.5", "local", "The local SageMaker") from error
    settings = Settings(enforce_limits, search_lag, rates or {})
    local = LocalSageMaker(region, f"sagemaker-{region}-{_ACCOUNT}")
    with ExitStack() as stack:
        stack.enter_context(patched_moto(local.requests, settings))
        environment = {**_CREDENTIALS, "AWS_DEFAULT_REGION": region, "AWS_REGION": region}
        config = stack.enter_context(_sdk_config(local.bucket if server else None))
        environment["SAGEMAKER_USER_CONFIG_OVERRIDE"] = config
        if server:
            local.endpoint_url = stack.enter_context(_serve(port))
            environment["AWS_ENDPOINT_URL"] = local.endpoint_url
            stack.enter_context(_environment(environment))
            _create_bucket(local)
        else:
            stack.enter_context(
                _environment(environment, remove=("AWS_ENDPOINT_URL", "AWS_PROFILE"))
            )
            stack.enter_context(mock_aws())
        local.environment = environment
        _active.append(local)
        stack.callback(_active.remove, local)
        yield local


def current_local_sagemaker() -> LocalSageMaker | None:
    """Return the local SageMaker that is open in this process, or None: boto3 then talks to AWS
    itself.
    """
    return _active[-1] if _active else None


def _create_bucket(local: LocalSageMaker) -> None:
    import boto3

    location = (
        {}
        if local.region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": local.region}}
    )
    boto3.client("s3").create_bucket(Bucket=local.bucket, **location)


@contextmanager
def _sdk_config(bucket: str | None) -> Iterator[str]:
    """Settings of the sagemaker SDK for the time being, as a file's path: no telemetry, and the
    default bucket's name.

    The SDK asks STS for the account behind the default bucket at an address of its own making, past
    AWS_ENDPOINT_URL; a named bucket spares the question. Versions that have no telemetry yet refuse
    the setting, so it is left out for them.
    """
    modules = [f"Session: {{DefaultS3Bucket: {bucket}}}"] if bucket else []
    if _has_telemetry():
        modules.append("TelemetryOptOut: true")
    lines = [
        "SchemaVersion: '1.0'",
        f"SageMaker: {{PythonSDK: {{Modules: {{{', '.join(modules)}}}}}}}",
    ]
    with tempfile.TemporaryDirectory(prefix="local-sagemaker-") as folder:
        path = os.path.join(folder, "config.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        yield path


def _has_telemetry() -> bool:
    for package, first in (("sagemaker-core", (2, 0)), ("sagemaker", (2, 233))):
        try:
            major, minor = metadata.version(package).split(".")[:2]
        except metadata.PackageNotFoundError:
            continue
        if (int(major), int(minor)) >= first:
            return True
    return False


@contextmanager
def _serve(port: int) -> Iterator[str]:
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise MissingExtraError(
            "moto[server]", "local", "The local SageMaker as a server"
        ) from error
    import logging

    import moto.backends

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # An address, not a name: botocore then leaves the bucket in the path, where the server looks
    # for it.
    moto_server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    moto_server.start()
    try:
        host, number = moto_server.get_host_and_port()
        yield f"http://{host}:{number}"
    finally:
        moto_server.stop()
        for service in ("s3", "sagemaker", "sagemaker-metrics", "sagemakermetrics", "sts", "iam"):
            try:
                backends_of = moto.backends.get_backend(service)  # type: ignore[call-overload]
                for backends in backends_of.values():
                    for backend in backends.values():
                        backend.reset()
            except (ImportError, KeyError, ValueError):
                continue


@contextmanager
def _environment(
    variables: Mapping[str, str], remove: tuple[str, ...] = ("AWS_PROFILE",)
) -> Iterator[None]:
    import boto3

    with mock.patch.dict(os.environ, variables):
        for name in remove:
            os.environ.pop(name, None)
        # A default session made before would keep its credentials and region.
        before, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, None
        try:
            yield
        finally:
            boto3.DEFAULT_SESSION = before
