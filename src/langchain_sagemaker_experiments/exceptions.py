"""The errors this package raises on purpose; all of them derive from `TrackerError`.

Every message says what happened, what was kept, and what to do next. Callbacks never raise any of
these: faults inside a callback are counted and reported by the next `flush_tracker()`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "CompactionError",
    "DestinationError",
    "EvaluationError",
    "FlushError",
    "ForgetError",
    "MissingExtraError",
    "SpanReadError",
    "SpanReadWarning",
    "TrackerError",
]


def printable(text: str, keep: str = "") -> str:
    """Return text that a terminal shows and does not obey: what is not printable (line ends, escape
    sequences, characters that turn the direction of writing) becomes a blank.

    Args:
        text: any text, such as a name that came with data.
        keep: characters that stay, such as line ends in a message of several lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else " " for c in text)


class TrackerError(Exception):
    """Base of every error of this package. Its message holds nothing that a terminal would obey."""

    def __init__(self, message: str = "", **options: Any) -> None:
        super().__init__(printable(message, keep="\n"), **options)


class DestinationError(TrackerError, TypeError):
    """The object given as `run` can't take records (it is not a `Run` and does not offer
    `log_file`).
    """


class EvaluationError(TrackerError):
    """An evaluation can't go on: one of the same id has other examples, evaluators or prompts."""


class FlushError(TrackerError):
    """An upload failed. Nothing was lost: `kept_spans` spans wait in memory and in `spool_dir` for
    the next flush.

    Attributes:
        kept_spans: how many span records wait for the next flush.
        kept_bytes: their size in bytes, as JSON Lines.
        spool_dir: the folder that holds the part of them that is on disk, or None when all are in
            memory.
    """

    def __init__(
        self,
        message: str,
        *,
        kept_spans: int = 0,
        kept_bytes: int = 0,
        spool_dir: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kept_spans = kept_spans
        self.kept_bytes = kept_bytes
        self.spool_dir = spool_dir


class SpanReadError(TrackerError):
    """Spans can't be read: the source does not exist, access is denied, or it is of no kind we
    know.
    """


class CompactionError(TrackerError):
    """A compaction could not be done, or not to its end. Nothing is lost: what it did not finish
    does not count.
    """


class ForgetError(TrackerError):
    """Something could not be forgotten, or not all of it. What was forgotten before stays so, and
    the same call goes on with the rest.
    """


class MissingExtraError(TrackerError, ImportError):
    """An optional dependency is missing. The message names the command that installs it."""

    def __init__(self, module: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {module!r}, which is not installed. "
            f'Install it with: pip install "langchain-sagemaker-experiments[{extra}]"',
            name=module,
        )


class SpanReadWarning(UserWarning):
    """Some of the data could not be read (a torn line, a part of a newer version); the rest was."""


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Return a module of an optional package.

    Args:
        module: its name, such as `pyarrow.parquet`.
        extra: the extra of this package that installs it.
        purpose: what needs it, for the error.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], extra, purpose) from error
