"""Texts as JSON can hold them, and the length from which one is held by reference."""

from __future__ import annotations

from typing import Final

LARGE_TEXT: Final = 4_096
"""Characters from which a text is held by reference: copying it at each event that passes it on
would cost more than everything else.
"""


def clean_text(text: str) -> str:
    """Return `text` with lone surrogates, which UTF-8 can't hold, written as escapes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return str(text)


def dump_text(text: str) -> bytes:
    """Return a text as JSON; lone surrogates become escapes."""
    import orjson  # at the flush: a program that only imports the handler's name needs none of it

    try:
        return orjson.dumps(text)
    except orjson.JSONEncodeError:
        return orjson.dumps(clean_text(text))
