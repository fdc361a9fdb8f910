"""Where else what was forgotten may be: what `forget` says at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .._query.cache import clear_indexes
from .._reading.addresses import Place
from .._storage.keys import LEDGER, split_address


def clear_caches() -> list[str]:
    """Remove the indexes of the live window on this machine; return what is in the way."""
    held = clear_indexes()
    if not held:
        return []
    return [f"the index of a window that is open on this machine ({path})" for path in held]


def places_unreached(places: Sequence[Place]) -> list[str]:
    """Return where else the texts of places may be, one a line."""
    buckets = {split_address(p.folder)[0]: p.client for p in places if p.client is not None}
    told = [_versions(bucket, client) for bucket, client in sorted(buckets.items())]
    for place in places:
        if place.client is None and Path(place.folder, LEDGER).exists():
            told.append(f"the run that {place.folder} was synced to: forget there too")
    return [
        *told,
        "reports, exports and copies of parts",
        "spools of handlers on any machine: `sync` leaves out what was forgotten",
        "MLflow, CloudWatch and other backends that traces were forwarded to",
    ]


def _versions(bucket: str, client: Any) -> str:
    try:
        status = client.get_bucket_versioning(Bucket=bucket).get("Status")
    except (ClientError, BotoCoreError):
        status = "unknown"
    if status is None:
        return f"backups and replicas of the bucket {bucket} (it keeps no older versions)"
    kept = "may keep" if status == "unknown" else "keeps"
    return (
        f"the bucket {bucket} {kept} older versions of the objects: let a lifecycle rule expire "
        "noncurrent versions, or delete them; also its backups and replicas"
    )
