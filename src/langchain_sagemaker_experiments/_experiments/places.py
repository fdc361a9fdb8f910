"""Where a run keeps its traces, as the run itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._storage.keys import (
    ARTIFACT_NAME,
    DEFAULT_PREFIX,
    is_s3_address,
    join,
    run_folder_of,
    split_address,
)
from .clients import account_of
from .components import Artifact, Parameter


def known_place(
    outputs: Mapping[str, Artifact], parameters: Mapping[str, Parameter]
) -> tuple[str, str] | None:
    """Return bucket and key prefix of a run's files, as its `langchain-traces` artifact tells or,
    for a run full of artifacts, the parameter of this name; None if neither does.

    Returns:
        The bucket, or an access point's ARN, and the prefix above the traces' folder, without a
        slash at its end.
    """
    artifact = outputs.get(ARTIFACT_NAME)
    for address in (artifact.value if artifact else None, parameters.get(ARTIFACT_NAME)):
        if isinstance(address, str) and is_s3_address(address):
            bucket, key = split_address(address)
            folder = run_folder_of(key)
            if folder != key:
                return bucket, folder
    return None


@dataclass(frozen=True)
class DefaultPlace:
    """Where runs without a place of their own keep their files.

    Attributes:
        bucket: the bucket's name.
        prefix: what the session puts before a run's own prefix; empty for nothing.
        owner: the account that must own the bucket, or None where the session names a bucket.
    """

    bucket: str
    prefix: str
    owner: str | None


def default_place(session: Any, region: str) -> DefaultPlace:
    """Return the place that a `Session` of the sagemaker SDK names, or the account's default
    bucket, for which STS is asked.

    Args:
        session: a boto3 Session, a `Session` of the sagemaker SDK, or None.
        region: the region of the account's default bucket.

    Raises:
        ClientError: STS refused.
    """
    prefix = str(getattr(session, "default_bucket_prefix", None) or "").strip("/")
    named = getattr(session, "_default_bucket", None) or getattr(
        session, "_default_bucket_name_override", None
    )
    if named:
        return DefaultPlace(named, prefix, None)
    account = account_of(session)
    # As `Session.default_bucket` of the SDK names it.
    return DefaultPlace(f"sagemaker-{region}-{account}", prefix, account)


def run_prefix(place: DefaultPlace, component: str) -> str:
    """Return the key prefix of a run's files in the default place, without a slash at its end."""
    return join(place.prefix or "", DEFAULT_PREFIX, component)
