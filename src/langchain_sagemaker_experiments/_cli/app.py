"""The command with all its subcommands."""

from __future__ import annotations

from . import show_commands, store_commands  # noqa: F401 (each registers its subcommands)
from .command import app

__all__ = ["app"]
