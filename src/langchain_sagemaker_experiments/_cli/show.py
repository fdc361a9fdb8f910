"""`sagemaker-traces list` and `show`: traces as rich tables and trees, or as JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from .._analysis.preview import one_line, preview
from .._analysis.traces import is_architecture, roots_of, trace_table
from .._reading import to_frame
from .._record.model_facts import tokens_of
from .._record.plurals import counted
from .._record.schema import Record
from ..exceptions import SpanReadError, printable
from .progress import read_records

_STATUS_STYLE: Final = {
    "ok": "green",
    "error": "red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "running": "cyan",
}
_KIND_STYLE: Final = {
    "chain": "blue",
    "agent": "magenta",
    "llm": "green",
    "chat_model": "green",
    "tool": "yellow",
    "retriever": "cyan",
}
_MAX_SHOWN: Final = 240
_NARROW: Final = 100
_WIDE_ONLY: Final = ("time", "spans")


def trace_rows(traces: Any, title: str, width: int) -> Table:
    """Return the trace table for a terminal of `width` columns; a narrow one has no room for the
    time and the count of spans.
    """
    table = Table(title=title, expand=True)
    narrow = width < _NARROW
    for name, options in (
        ("trace", {"no_wrap": True}),
        ("time", {"no_wrap": True}),
        ("name", {"no_wrap": True, "overflow": "ellipsis", "ratio": 2, "min_width": 12}),
        ("status", {"no_wrap": True}),
        ("inputs", {"no_wrap": True, "overflow": "ellipsis", "ratio": 2}),
        ("outputs", {"no_wrap": True, "overflow": "ellipsis", "ratio": 3}),
        ("tokens", {"justify": "right", "no_wrap": True}),
        ("ms", {"justify": "right", "no_wrap": True}),
        ("spans", {"justify": "right", "no_wrap": True}),
    ):
        if not (narrow and name in _WIDE_ONLY):
            table.add_column(name, **options)
    for row in traces.to_dict(orient="records"):
        duration = row["duration_ms"]
        cells: dict[str, str | Text] = {
            "trace": printable(row["trace_id"][-8:]),
            "time": f"{row['start_time']:%H:%M:%S}"
            if row["start_time"] == row["start_time"]
            else "",
            "name": one_line(row["name"], 40),
            "status": _status(row["status"]),
            "inputs": preview(row["inputs"]),
            "outputs": Text(one_line(row["error"], _MAX_SHOWN), style="red")
            if row["error"]
            else preview(row["outputs"]),
            "tokens": f"{row['input_tokens']}+{row['output_tokens']}",
            "ms": f"{duration:.0f}" if duration is not None and duration == duration else "",
            "spans": str(row["spans"]),
        }
        table.add_row(*(cells[str(column.header)] for column in table.columns))
    return table


def print_traces(console: Console, errors: Console, where: dict[str, Any], as_json: bool) -> None:
    """Print one row, or one JSON object, for each trace."""
    records = read_records(errors, where)
    traces = trace_table(to_frame(records))
    if as_json:
        for row in traces.to_dict(orient="records"):
            print_json(console, row)
        return
    console.print(
        trace_rows(
            traces,
            # Not of the records: how a run was made is one too.
            f"{counted(len(traces), 'trace')}, {counted(int(traces['spans'].sum()), 'span')}",
            console.width,
        )
    )


def print_trace(
    console: Console, errors: Console, trace_id: str, where: dict[str, Any], as_json: bool
) -> None:
    """Print one trace as a tree, or its span records as JSON Lines."""
    records = read_records(errors, where)
    chosen = _choose(records, trace_id)
    if as_json:
        for record in chosen:
            print_json(console, record)
        return
    for root in roots_of(chosen):
        tree = Tree(_label(root))
        _grow(tree, root, chosen)
        console.print(tree)


def _choose(records: Sequence[Record], trace_id: str) -> list[Record]:
    ids = dict.fromkeys(record["trace_id"] for record in records if not is_architecture(record))
    if trace_id == "last" and ids:
        fitting = [list(ids)[-1]]
    elif trace_id in ids:
        fitting = [trace_id]
    else:
        fitting = sorted(i for i in ids if i.startswith(trace_id) or i.endswith(trace_id))
    if not fitting:
        raise SpanReadError(
            f"There is no trace {trace_id!r} here; `sagemaker-traces list` shows those there are."
        )
    if len(fitting) > 1:
        shown = ", ".join(fitting[:5])
        raise SpanReadError(f"{trace_id!r} fits {len(fitting)} traces; give more of it: {shown}")
    return [record for record in records if record["trace_id"] == fitting[0]]


def _status(status: str) -> Text:
    return Text(one_line(status), style=_STATUS_STYLE.get(status, ""))


def _label(record: Record) -> Text:
    label = Text()
    label.append(one_line(record["kind"]), style=_KIND_STYLE.get(record["kind"], "white"))
    label.append(f" {one_line(record['name'], 60)} ", style="bold")
    label.append(_status(record["status"]))
    if record.get("duration_ms") is not None:
        label.append(f" {record['duration_ms']:.1f} ms", style="dim")
    read, written = (
        tokens_of(record["attributes"], "input"),
        tokens_of(record["attributes"], "output"),
    )
    if read is not None or written is not None:
        label.append(f" {read or 0}+{written or 0} tokens", style="dim")
    for name, style in (("inputs", "dim"), ("outputs", "")):
        if record.get(name) is not None:
            label.append(f"\n  {name}: ", style="italic dim")
            label.append(preview(record[name], _MAX_SHOWN), style=style)
    if record.get("error"):
        kind, message = record["error"].get("type"), record["error"].get("message")
        label.append(f"\n  {one_line(kind) or 'Error'}: {one_line(message, 400)}", style="red")
    return label


def _grow(tree: Tree, parent: Record, records: list[Record]) -> None:
    children: dict[Any, list[Record]] = {}
    for record in records:
        if record is not parent:  # where damage made a circle it ends here
            children.setdefault(record["parent_span_id"], []).append(record)
    waiting = [(tree, parent["span_id"])]
    while waiting:
        branch, span_id = waiting.pop()
        for record in children.pop(span_id, ()):
            waiting.append((branch.add(_label(record)), record["span_id"]))


def print_json(console: Console, value: Any) -> None:
    """Print one line of JSON, without any markup. What a terminal might obey is escaped."""
    line = orjson.dumps(
        value,
        default=str,
        option=orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z,
    )
    console.file.write(_UNPRINTABLE.sub(_escape, line.decode()) + "\n")


_UNPRINTABLE: Final = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""What JSON leaves as it is and a terminal may obey: control characters, directions of writing."""


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
