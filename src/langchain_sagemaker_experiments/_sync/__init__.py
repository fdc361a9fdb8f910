"""Offline runs and spools → real Runs."""

from .upload import SyncResult, sync, sync_bundles

__all__ = ["SyncResult", "sync", "sync_bundles"]
