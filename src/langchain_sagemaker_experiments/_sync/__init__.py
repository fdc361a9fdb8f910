"""Offline runs and spools → real Runs."""

from .upload import SyncResult, sync, sync_bundles, sync_offline_runs

__all__ = ["SyncResult", "sync", "sync_bundles", "sync_offline_runs"]
