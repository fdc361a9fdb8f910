"""boto3 clients of a session, with the settings this package wants, and the default bucket of an account."""

from __future__ import annotations

from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

_RETRIES: Final = Config(retries={"mode": "standard", "total_max_attempts": 6})
"""Standard mode retries throttling, 5xx answers and connection errors with a growing pause."""


def boto_session_of(session: Any) -> Any:
    """Return the boto3 session of a `sagemaker_session`, `session` itself if it is one, or boto3's default.

    Args:
        session: a boto3 Session, a `Session` of the sagemaker SDK, or None.
    """
    if session is None:
        return boto3
    return getattr(session, "boto_session", None) or session


def sagemaker_client(session: Any) -> Any:
    """Return a client for SageMaker; a `Session` of the sagemaker SDK brings its own."""
    client = getattr(session, "sagemaker_client", None)
    return client or boto_session_of(session).client("sagemaker", config=_RETRIES)


def metrics_client(session: Any) -> Any:
    """Return a client for BatchPutMetrics."""
    client = getattr(session, "sagemaker_metrics_client", None)
    return client or boto_session_of(session).client("sagemaker-metrics", config=_RETRIES)


def s3_client(session: Any) -> Any:
    """Return a client for S3."""
    return boto_session_of(session).client("s3")


def account_of(session: Any) -> str:
    """Return the account number of the session's credentials. Asks STS."""
    account: str = boto_session_of(session).client("sts").get_caller_identity()["Account"]
    return account


def default_bucket(region: str, account: str) -> str:
    """Return the bucket that the sagemaker SDK uses where none is named (`Session.default_bucket`)."""
    return f"sagemaker-{region}-{account}"


def create_bucket(s3: Any, bucket: str) -> None:
    """Create a bucket in the client's region; a bucket that is there already is fine."""
    region = s3.meta.region_name
    # S3 refuses the name of its oldest region as a constraint.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    try:
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code not in ("BucketAlreadyOwnedByYou", "OperationAborted"):
            raise
