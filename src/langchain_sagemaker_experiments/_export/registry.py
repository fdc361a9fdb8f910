"""`export_spans`: which format, and a file that is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from .._storage.atomic_files import whole_file
from . import chrome as _chrome
from . import json_lines as _lines
from . import otlp as _otlp
from . import tabular as _tabular

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["jsonl", "csv", "parquet", "chrome", "otlp"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)

_WRITERS: Final[dict[str, Callable[[pd.DataFrame, Path], None]]] = {
    "jsonl": _lines.write,
    "csv": _tabular.write_csv,
    "parquet": _tabular.write_parquet,
    "chrome": _chrome.write,
    "otlp": _otlp.write,
}
# The longest ending that fits decides; a bare .json says nothing of what is in it.
_ENDINGS: Final = {
    ".otlp.json": "otlp",
    ".trace.json": "chrome",
    ".perfetto.json": "chrome",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}


def export_spans(
    spans: pd.DataFrame, path: str | os.PathLike[str], format: Format | None = None
) -> Path:
    """Write spans for other programs.

    Args:
        spans: what `load_spans` gave, or a part of it.
        path: the file to write; its folder is made, an older file replaced.
        format: by default what the path's ending says.

            - `jsonl` (`.jsonl`): the span record, one a line; `load_spans` reads it back.
            - `csv` (`.csv`), `parquet` (`.parquet`): the columns of `load_spans`; what is nested is
              JSON text.
            - `chrome` (`.trace.json`): Chrome's Trace Event Format, for ui.perfetto.dev and
              chrome://tracing: a process a trace, concurrent spans on tracks of their own.
            - `otlp` (`.otlp.json`): OTLP JSON with the GenAI semantic conventions, as OpenTelemetry
              collectors read it.

    Returns:
        The path.

    Raises:
        ValueError: an unknown format, or a path whose ending names none.
        MissingExtraError: the format needs a package that is not installed.
        OSError: the file can't be written.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, export_spans, load_spans
        >>> from langchain_sagemaker_experiments import record_calls
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> export_spans(load_spans("runs"), "spans.csv").name
        'spans.csv'
    """
    target = Path(path).expanduser()
    chosen = format_of(target, format)
    with whole_file(target) as scratch:
        _WRITERS[chosen](spans, scratch)
    return target


def format_of(path: Path, format: str | None = None) -> str:
    """Return the format asked for, by name or by the ending of the path.

    Raises:
        ValueError: there is none such.
    """
    if format in _WRITERS:
        return format
    if format is not None:
        raise ValueError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")
    name = path.name.lower()
    for ending, found in _ENDINGS.items():
        if name.endswith(ending):
            return found
    raise ValueError(
        f"{path.name!r} does not say its format: end it in {', '.join(_ENDINGS)}, or name one of "
        f"{', '.join(FORMATS)} as format."
    )
