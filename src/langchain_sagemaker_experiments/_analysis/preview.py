"""Values of spans as one short line for the eye: what a person wants to see of inputs, outputs,
messages and answers.
"""

from __future__ import annotations

import json
from typing import Any

_MAX_STEPS = 8


def plain(value: Any, limit: int = 80) -> str:
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
        if isinstance(value, dict) and "generations" in value:
            value = value["generations"]
        elif isinstance(value, dict) and "content" in value and "type" in value:
            value = value["content"] or value.get("tool_calls") or ""
        elif (
            isinstance(value, dict)
            and isinstance(value.get("messages"), list)
            and value["messages"]
        ):
            value = value["messages"][-1]
        elif (
            isinstance(value, dict)
            and value.get("text")
            and ("message" in value or "generation_info" in value)
        ):
            value = value["text"]
        elif isinstance(value, dict) and "message" in value and value.get("text") == "":
            value = value["message"]
        elif isinstance(value, (dict, list)) and len(value) == 1:
            value = next(iter(value.values())) if isinstance(value, dict) else value[0]
        else:
            break
    return plain(value, limit)
