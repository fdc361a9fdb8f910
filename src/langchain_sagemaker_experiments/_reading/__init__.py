"""Spans back from S3 or a folder: finds the parts, takes what is whole, puts records of one span
together. Knows no handler.
"""

from .._record.schema import COLUMNS
from .frame import spans_frame, to_frame
from .load import load_records, load_spans
from .problems import Problem
from .scores import load_scores

__all__ = [
    "COLUMNS",
    "Problem",
    "load_records",
    "load_scores",
    "load_spans",
    "spans_frame",
    "to_frame",
]
