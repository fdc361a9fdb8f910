"""Lineage artifacts and associations, as far as `Run.log_precision_recall` and its like need
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ResourceNotFound, ValidationError

from ._names import now


def create_artifact(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateArtifact: one lineage artifact for each source."""
    source = request["Source"]["SourceUri"]
    arn = _lineage_arn(backend, "artifact", source)
    artifacts = _lineage(backend)["artifacts"]
    if arn in artifacts:
        raise ValidationError(f"Artifact with source ({source}) already exists.")
    artifacts[arn] = {**request, "ArtifactArn": arn, "CreationTime": now()}
    return {"ArtifactArn": arn}


def describe_artifact(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeArtifact."""
    artifacts = _lineage(backend)["artifacts"]
    if request["ArtifactArn"] not in artifacts:
        raise ResourceNotFound(f"Artifact '{request['ArtifactArn']}' does not exist.")
    artifact: dict[str, Any] = artifacts[request["ArtifactArn"]]
    return artifact


def add_association(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """AddAssociation between two lineage entities."""
    associations = _lineage(backend)["associations"]
    key = (request["SourceArn"], request["DestinationArn"])
    if key in associations:
        raise ValidationError("The association already exists.")
    associations[key] = {**request, "CreationTime": now()}
    return {"SourceArn": key[0], "DestinationArn": key[1]}


def list_associations(backend: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListAssociations by source or destination."""
    found = [
        one
        for one in _lineage(backend)["associations"].values()
        if all(request.get(name) in (None, one[name]) for name in ("SourceArn", "DestinationArn"))
    ]
    return {"AssociationSummaries": found, "NextToken": None}


def _lineage(backend: Any) -> dict[str, dict[Any, Any]]:
    if "local_lineage" not in backend.__dict__:
        backend.__dict__["local_lineage"] = {"artifacts": {}, "associations": {}}
    lineage: dict[str, dict[Any, Any]] = backend.__dict__["local_lineage"]
    return lineage


def _lineage_arn(backend: Any, kind: str, source: str) -> str:
    digest = hashlib.sha256(source.encode()).hexdigest()[:32]
    return f"arn:aws:sagemaker:{backend.region_name}:{backend.account_id}:{kind}/{digest}"
