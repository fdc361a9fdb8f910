"""Values of spans as one short line for the eye: what a person wants to see of inputs, outputs,
messages and answers.
"""

from __future__ import annotations

import json
from typing import Any

_MAX_STEPS = 8


def one_line(value: Any, limit: int = 80) -> str:
    """Return a value as one short line of text without control characters, which a terminal would
    obey.
    """
    if value is None or value != value:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Far more than can be shown: a long text is not to be walked through for its first words.
    text = text[: 4 * limit]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def preview(value: Any, limit: int = 200) -> str:
    """Return what a person wants to see of inputs or outputs: the one value of a dictionary, the
    text of a message or answer.
    """
    for _ in range(_MAX_STEPS):
        if isinstance(value, dict):
            inner = _told_by(value)
            if inner is _NOTHING:
                break
            value = inner
        elif isinstance(value, list) and len(value) == 1:
            value = value[0]
        else:
            break
    return one_line(value, limit)


_NOTHING = object()


def _told_by(value: dict[Any, Any]) -> Any:
    """The part of a dictionary that a person wants to see; `_NOTHING` where it is the whole."""
    if "generations" in value:
        return value["generations"]
    if "content" in value and "type" in value:
        return value["content"] or value.get("tool_calls") or ""
    messages = value.get("messages")
    if messages and isinstance(messages, list):
        return messages[-1]
    if "text" in value:
        if value["text"] and ("message" in value or "generation_info" in value):
            return value["text"]
        if "message" in value and value["text"] == "":
            return value["message"]
    return next(iter(value.values())) if len(value) == 1 else _NOTHING
