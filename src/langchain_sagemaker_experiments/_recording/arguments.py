"""The handler's arguments: what each may be, told in one sentence when it is something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final


def _is_number(value: Any, least: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least


_RULES: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "spool_dir": (
        lambda value: value is None or isinstance(value, (str, os.PathLike)),
        "the path of a folder or None",
    ),
    "redact": (
        lambda value: value is None or callable(value) or value == "secrets",
        '"secrets", a function or None',
    ),
    "extra_args": (
        lambda value: value is None or isinstance(value, Mapping),
        "a dictionary, as boto3's ExtraArgs, or None",
    ),
    "max_field_bytes": (
        lambda value: value is None or _is_number(value, 1_024),
        "at least 1,024 bytes or None",
    ),
    "buffer_bytes": (lambda value: _is_number(value, 1_024), "at least 1,024 bytes"),
    "sample_rate": (lambda value: _is_number(value, 0) and value <= 1, "a number between 0 and 1"),
    "keep_slower_than": (
        lambda value: value is None or _is_number(value, 0),
        "a number of seconds, 0 or more, or None",
    ),
    "record_content": (
        lambda value: value is None or isinstance(value, bool),
        "True, False or None",
    ),
    "max_open_spans": (lambda value: _is_number(value, 1), "at least 1"),
    "abandoned_after": (lambda value: _is_number(value, 0), "a number of seconds, 0 or more"),
    "flush_interval": (
        lambda value: value is None or (_is_number(value, 0) and value > 0),
        "seconds, more than 0, or None",
    ),
    "flush_bytes": (lambda value: value is None or _is_number(value, 1), "at least 1 byte or None"),
}


def check_settings(**settings: Any) -> None:
    """Raise a ValueError that names the first argument that is not what it must be, and what that
    is.
    """
    for name, value in settings.items():
        is_right, what = _RULES[name]
        if not is_right(value):
            raise ValueError(f"{name} must be {what}, not {value!r}.")
    if settings["flush_bytes"] is not None and settings["flush_interval"] is None:
        raise ValueError(
            "flush_bytes goes with flush_interval, which starts the background flush; give both."
        )


CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's variable: `false` or `NO_CONTENT` for no content."""


def content_is_recorded(record_content: bool | None) -> bool:
    """Return what the argument says, else the environment; content is recorded by default."""
    if record_content is not None:
        return record_content
    return os.environ.get(CAPTURE_CONTENT, "").strip().lower() not in ("false", "no_content", "0")
