"""`render_report`: spans → one HTML file that needs nothing but itself."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..._analysis.preview import one_line
from ..._analysis.runs import compare_groups
from ..._analysis.traces import group_by_trace, is_architecture, rows_of
from ..._record.plurals import counted
from ..._record.provenance import MADE_WITH, prompts_by_run
from ..._record.schema import Record
from ..._storage.atomic_files import whole_file
from ...exceptions import DestinationError
from .calls import calls_by
from .comparison import comparison
from .data import Blocks, dump, index_rows, pack, whose
from .page import snapshot_page
from .score_pairs import score_pairs
from .structure import architectures

if TYPE_CHECKING:
    import pandas as pd

REPORT_NAME: Final = "langchain-report"
"""The artifact a report is in a Run, and, with `.html`, its file: a newer one takes its place."""
_LARGEST_INLINE: Final = 8 * 1024 * 1024
"""A notebook keeps what it shows: larger reports are linked, not held in it."""


@dataclass(frozen=True)
class Report:
    """A report that was written. It is a path to `open()`, and shows itself in a notebook.

    Attributes:
        path: the file.
        traces: how many traces it shows.
        spans: how many spans they have.
        bytes: the file's size.
        uri: where it was uploaded to, when it was.
    """

    path: Path
    traces: int
    spans: int
    bytes: int
    uri: str | None = None

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        uploaded = f", uploaded to {self.uri}" if self.uri else ""
        return (
            f"{self.path}: {counted(self.traces, 'trace')}, {counted(self.spans, 'span')}, "
            f"{self.bytes:,} bytes{uploaded}"
        )

    def _repr_html_(self) -> str:
        link = (
            f'<p><a href="{html.escape(str(self.path), quote=True)}" '
            f'target="_blank">{html.escape(str(self))}</a></p>'
        )
        if self.bytes > _LARGEST_INLINE or not self.path.is_file():
            return link
        page = html.escape(self.path.read_text("utf-8"), quote=True)
        return (
            f'{link}<iframe srcdoc="{page}" style="width:100%;height:640px;border:1px solid '
            f'#ccc;border-radius:8px"></iframe>'
        )


def render_report(
    spans: pd.DataFrame,
    path: str | os.PathLike[str] = "langchain-report.html",
    *,
    title: str | None = None,
    run: Any = None,
    extra_args: Mapping[str, Any] | None = None,
) -> Report:
    """Write a report of spans: trace table, timelines, model architecture, comparison of runs, in
    one HTML file.

    The file needs no network and runs nothing but its own scripts (a Content-Security-Policy names
    them by their hashes): prompts and answers are shown as text, whatever they hold. It opens from
    a disk, from a web server, or from a presigned link to S3.

    Args:
        spans: what `load_spans` gave, or a part of it.
        path: the file to write; its folder is made, an older file replaced.
        title: what stands above it; the names of the runs by default.
        run: a `Run`, `BotoRun` or `OfflineRun` to upload the report to, as its artifact
            `langchain-report`; a `Run` must be open.
        extra_args: boto3's ExtraArgs for the upload, such as `ServerSideEncryption`.

    Returns:
        What was written; its `uri` tells where it was uploaded to.

    Raises:
        TypeError: `spans` is not what `load_spans` returns.
        MissingExtraError: jinja2 or pandas is not installed.
        DestinationError: the upload to `run` failed; the file is there.
        OSError: the file can't be written.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls
        >>> from langchain_sagemaker_experiments import render_report
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> render_report(load_spans("runs"), "report.html").path.name
        'report.html'
    """
    if not hasattr(spans, "columns"):
        raise TypeError(
            f"render_report takes what load_spans returns, not {type(spans).__name__} "
            f"{spans!r:.80}: render_report(load_spans(…), …)."
        )
    records = rows_of(spans)
    groups = group_by_trace(records)
    made_with = spans.attrs.get(MADE_WITH, [])
    blocks = Blocks()
    rows = index_rows(groups, blocks)
    calls = calls_by(groups.values())
    index = {
        "traces": rows,
        "blocks": len(blocks.packed),
        "calls": calls,
        "pairs": score_pairs(spans, groups.values()),
        "unpriced": calls["unpriced"],
        "comparison": comparison(compare_groups(groups, made_with), prompts_by_run(made_with)),
        "architectures": architectures(
            groups, (record for record in records if is_architecture(record))
        ),
    }
    shown = one_line(title or _title(groups), 200)
    count = sum(len(group) for group in groups.values())
    summary = f"{counted(len(groups), 'trace')}, {counted(count, 'span')}"
    packed = [("index", pack(dump(index)))]
    packed += [(f"block-{number}", data) for number, data in enumerate(blocks.packed)]
    page = snapshot_page(shown, summary, packed)
    target = Path(path).expanduser()
    data = page.encode("utf-8", "replace")
    with whole_file(target) as scratch:
        scratch.write_bytes(data)
    report = Report(target, len(groups), count, len(data))
    return upload_report(report, run, extra_args) if run is not None else report


def _title(groups: Mapping[str, list[Record]]) -> str:
    runs = {
        whose(group[0].get("experiment_name"), group[0].get("run_name"))
        for group in groups.values()
    }
    experiments, names = (
        ({name for name in column if name} for column in zip(*runs, strict=True))
        if runs
        else (set(), set())
    )
    where = experiments.pop() if len(experiments) == 1 else ""
    what = names.pop() if len(names) == 1 else f"{len(names)} runs" if names else ""
    return ": ".join(filter(None, (where, what))) or "LangChain traces"


def upload_report(report: Report, run: Any, extra_args: Mapping[str, Any] | None = None) -> Report:
    """Upload a report to a run as its artifact `langchain-report`, and return it with its `uri`.

    Raises:
        DestinationError: the run takes no files, is not open, or the upload failed; the file stays.
    """
    from ..._destinations import destination_for
    from ..._storage.failure_advice import explain

    destination = destination_for(run, extra_args)
    try:
        destination.check()
        uri = destination.write_file(
            f"{REPORT_NAME}.html", report.path.read_bytes(), REPORT_NAME, "text/html"
        )
    except Exception as error:
        what = explain(error, "upload it again")
        raise DestinationError(
            f"The report was written to {report.path}, but could not be uploaded. {what}"
        ) from error
    return replace(report, uri=uri)
