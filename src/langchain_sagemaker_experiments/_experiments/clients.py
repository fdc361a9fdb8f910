"""boto3 clients of a session, with the settings this package wants, and the default bucket of an
account.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .._storage.failure_advice import explain
from ..exceptions import DestinationError

_RETRIES: Final = Config(retries={"mode": "standard", "total_max_attempts": 6})
"""Standard mode retries throttling, 5xx answers and connection errors with a growing pause."""


def boto_session_of(session: Any) -> Any:
    """Return the boto3 session of a `sagemaker_session`, `session` itself if it is one, or boto3's
    default.

    Args:
        session: a boto3 Session, a `Session` of the sagemaker SDK, or None.
    """
    if session is None:
        import boto3  # a tenth of a second, which runs in folders can spare

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


def clients_of_run(session: Any) -> tuple[Any, Any, Any]:
    """Return what a run asks: clients for SageMaker, S3 and metrics.

    Raises:
        DestinationError: no region is set, or there is no such profile.
    """
    try:
        return sagemaker_client(session), s3_client(session), metrics_client(session)
    except BotoCoreError as error:
        raise DestinationError(explain(error, "open the run again")) from error


def account_of(session: Any) -> str:
    """Return the account number of the session's credentials. Asks STS."""
    account: str = boto_session_of(session).client("sts").get_caller_identity()["Account"]
    return account


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


_SETTINGS: Final = (
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
)


class Access:
    """The credentials of a session, for whoever reads later, here or on another machine.

    In this process they are the session's own. Pickled, the names of its profile and region go
    along, never its keys: another process uses that profile, or the credentials that boto3 finds
    there.

    Args:
        session: a boto3 Session, a `Session` of the sagemaker SDK, or None for boto3's default one.
    """

    def __init__(self, session: Any) -> None:
        self._session = None if session is None else boto_session_of(session)
        profile = getattr(self._session, "profile_name", None)
        # boto3 says "default" where no profile is named, and then keys in the environment count.
        self._profile: str | None = None if profile == "default" else profile
        self._region: str | None = getattr(self._session, "region_name", None)
        self._client: Any = None

    def __getstate__(self) -> dict[str, str | None]:
        return {"profile": self._profile, "region": self._region}

    def __setstate__(self, state: dict[str, str | None]) -> None:
        self._session = self._client = None
        self._profile, self._region = state["profile"], state["region"]

    def s3_client(self) -> Any:
        """Return a client for S3, the same one at each call."""
        if self._session is None:
            settings = (os.environ.get(name) for name in _SETTINGS)
            return _client_of(self._profile, self._region, *settings)
        if self._client is None:
            self._client = s3_client(self._session)
        return self._client


@lru_cache(maxsize=4)
def _client_of(profile: str | None, region: str | None, *settings: str | None) -> Any:
    """One client for each profile, region and environment, as long as the process lives."""
    import boto3

    return boto3.Session(profile_name=profile, region_name=region).client("s3")
