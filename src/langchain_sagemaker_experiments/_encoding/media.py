"""Embedded images, sound and files: told by media type, size and SHA-256 in their place."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

_DATA_URL: Final = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=_-]{32,})", re.ASCII
)
"""A `data:` address with base64 content. Shorter ones than 32 characters are text, not media."""
_DATA_URL_BYTES: Final = re.compile(_DATA_URL.pattern.encode())


def describe_bytes(value: bytes | bytearray | memoryview) -> str:
    """Return the mark that stands for binary data: its size and SHA-256."""
    data = bytes(value)
    return f"<bytes {len(data)} bytes sha256={hashlib.sha256(data).hexdigest()}>"


def describe_media(media_type: str, data: str | bytes) -> str:
    """Return the mark that stands for embedded media: type, true size and SHA-256 of its bytes."""
    if isinstance(data, str):
        try:
            raw = base64.b64decode(data, validate=False)
        except ValueError:
            raw = data.encode("utf-8", "replace")
    else:
        raw = data
    return f"<media {media_type} {len(raw)} bytes sha256={hashlib.sha256(raw).hexdigest()}>"


def replace_media(data: bytes) -> bytes:
    """Return JSON with each base64 `data:` address replaced. Such an address holds no character
    that JSON writes as an escape, nor does its mark.
    """
    if b";base64," not in data:
        return data
    return _DATA_URL_BYTES.sub(
        lambda found: describe_media(
            found[1].decode("ascii", "replace"), found[2].decode("ascii")
        ).encode(),
        data,
    )


def replace_media_in_text(text: str) -> str:
    """Return a text with each base64 `data:` address replaced."""
    if ";base64," not in text:
        return text
    return _DATA_URL.sub(lambda found: describe_media(found[1], found[2]), text)
