"""The live window: a server on this machine for one page and one reader. Knows no handler."""

from .live_window import Window, view

__all__ = ["Window", "view"]
