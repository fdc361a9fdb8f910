"""How objects show themselves in a notebook, and the line a flush prints there. Every text is
escaped.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .._analysis.preview import one_line, preview
from .._storage.keys import is_s3_address, split_address

if TYPE_CHECKING:
    from .._delivery.flush_result import FlushResult
    from ..spans import Span


def in_notebook() -> bool:
    """Return True if this is a notebook's kernel: IPython is loaded, and its shell belongs to a
    kernel.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def announce(result: FlushResult) -> None:
    """Say in a notebook what a flush wrote, with a link to it; elsewhere nothing."""
    if result.uris and in_notebook():
        print(f"{result}\n{link_of(result.uris[-1])}")


def link_of(address: str) -> str:
    """Return an address a browser opens: the S3 console for an `s3://` address, a `file://` one for
    a path.
    """
    if is_s3_address(address):
        bucket, key = split_address(address)
        return f"https://console.aws.amazon.com/s3/object/{quote(bucket)}?prefix={quote(key)}"
    path = Path(address)
    return path.as_uri() if path.is_absolute() else ""


def flush_html(
    spans: int,
    size: int,
    uris: Sequence[str],
    metrics: Mapping[str, float],
    faults: Mapping[str, int],
) -> str:
    """Return what a flush wrote, with a link for each part."""
    links = "".join(f"<li>{_link(uri)}</li>" for uri in uris)
    numbers = ", ".join(f"{html.escape(name)} {value:g}" for name, value in metrics.items())
    told = f"<p>{numbers}</p>" if numbers else ""
    wrong = "".join(f"<li>{html.escape(what)}: {count}×</li>" for what, count in faults.items())
    return (
        f"<div><p><b>{spans:,} spans</b>, {size:,} bytes written</p>{told}<ul>{links}</ul>"
        + (f"<p>Recorded with faults:</p><ul>{wrong}</ul>" if wrong else "")
        + "</div>"
    )


def _link(uri: str) -> str:
    target = link_of(uri)
    shown = html.escape(uri)
    return (
        f'<a href="{html.escape(target, quote=True)}" target="_blank" rel="noopener">{shown}</a>'
        if target
        else shown
    )


def tree_html(root: Span) -> str:
    """Return a span tree as nested lists that fold."""
    return f'<div class="langchain-span-tree">{_node(root, 0)}</div>'


def _node(span: Span, depth: int) -> str:
    label = f"<b>{html.escape(one_line(span.name, 120))}</b> <i>{html.escape(span.kind)}</i>"
    if span.status != "ok":
        label += f" <span>{html.escape(span.status)}</span>"
    values = "".join(
        _value(name, value)
        for name, value in (("inputs", span.inputs), ("outputs", span.outputs))
        if value is not None
    )
    # A tree deeper than anybody unfolds would be deeper than Python calls.
    children = (
        "".join(_node(child, depth + 1) for child in span.children) if depth < 100 else "<i>…</i>"
    )
    inner = f"<summary>{label}</summary>{values}{children}"
    return f'<details open style="margin-left:1em">{inner}</details>'


def _value(name: str, value: Any) -> str:
    return f'<div style="margin-left:1em"><i>{name}</i> {html.escape(preview(value, 300))}</div>'
