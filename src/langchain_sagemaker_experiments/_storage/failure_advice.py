"""What an exception of an upload means for the user: what happened, and what to do about it."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from ..exceptions import TrackerError

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_INVALID_KEYS = (
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
)
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "SlowDown",
    "RequestLimitExceeded",
    "503",
)

_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "BatchPutMetrics": "sagemaker:BatchPutMetrics",
}
_S3_OPERATIONS = ("PutObject", "GetObject", "CreateBucket", "DeleteObject")


def explain(error: BaseException, again: str = "flush again") -> str:
    """Return what happened and what to do next, in a sentence or two, for an exception of boto3,
    the SDK or the system.

    Args:
        error: what was raised.
        again: what the user does once the cause is mended.
    """
    original = error
    while not isinstance(error, (ClientError, BotoCoreError)) and error.__cause__ is not None:
        error = error.__cause__
    if not isinstance(error, (ClientError, BotoCoreError)) and original.__context__ is not None:
        context = original.__context__
        error = context if isinstance(context, (ClientError, BotoCoreError)) else original
    if isinstance(error, ClientError):
        return _explain_client(error, again)
    if isinstance(
        error, (NoCredentialsError, PartialCredentialsError, TokenRetrievalError, ProfileNotFound)
    ):
        return (
            f"There are no usable AWS credentials ({error}). Set them (aws configure, a role, "
            f"AWS_PROFILE), then {again}."
        )
    if isinstance(error, NoRegionError):
        return (
            f"No AWS region is set. Set AWS_DEFAULT_REGION or give the session a region, then "
            f"{again}."
        )
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return f"AWS could not be reached ({error}). Wait for the network, then {again}."
    if isinstance(error, TrackerError):
        return str(error)
    if isinstance(error, RuntimeError) and "inside context of 'with'" in str(error):
        return (
            "The Run is not open: a Run takes records only inside its `with Run(...)` statement. "
            "Flush inside the `with`, or open the Run again with load_run and flush there."
        )
    return f"{type(error).__name__}: {error}"


def _explain_client(error: ClientError, again: str) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    operation = error.operation_name
    said = f"{operation} answered {code}: {message}" if message else f"{operation} answered {code}"
    if code in _DENIED:
        return (
            f"{said}. The credentials need the action {_action(operation)}; allow it (the "
            f"README has a policy), then {again}."
        )
    if code in _EXPIRED:
        return f"{said}. The credentials have expired; renew them, then {again}."
    if code in _INVALID_KEYS:
        return f"{said}. AWS does not accept these credentials; set others, then {again}."
    if code in ("NoSuchBucket", "404", "NotFound"):
        return (
            f"{said}. The bucket does not exist; create it or give the Run another "
            f"artifact_bucket, then {again}."
        )
    if code in _THROTTLED:
        return f"{said}. AWS is throttling; botocore's retries were used up. Wait, then {again}."
    return f"{said}. Mend the cause, then {again}."


def _action(operation: str) -> str:
    known = _ACTIONS.get(operation)
    if known is not None:
        return known
    return f"s3:{operation}" if operation in _S3_OPERATIONS else f"sagemaker:{operation}"
