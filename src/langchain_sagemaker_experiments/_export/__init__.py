"""Spans in other people's formats: JSON Lines, CSV, Parquet, Chrome trace (Perfetto), OTLP JSON. A
file for each format.
"""

from .registry import FORMATS, export_spans, format_of

__all__ = ["FORMATS", "export_spans", "format_of"]
