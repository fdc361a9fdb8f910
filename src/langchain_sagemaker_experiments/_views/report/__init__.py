"""A self-contained HTML report of spans: trace table, timelines, model architecture, comparison of
runs. Knows no handler.
"""

from .render import Report, render_report, upload_report

__all__ = ["Report", "render_report", "upload_report"]
