"""Frames of spans → tables and figures."""
