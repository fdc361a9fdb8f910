"""Gzip with a bound: a few megabytes can become gigabytes."""

from __future__ import annotations

import zlib
from typing import Final

from .._record.limits import MAX_EXPANDED_PART_BYTES

_GZIP: Final = b"\x1f\x8b"
_AUTO_HEADER: Final = 31
"""`wbits` of zlib for the gzip format with the largest window."""


class DecompressionError(ValueError):
    """The data is no whole gzip file, or too large."""


def decompressed(data: bytes, limit: int = MAX_EXPANDED_PART_BYTES) -> bytes:
    """Return data as it is, or what a gzip file, of one member or several, holds.

    Raises:
        DecompressionError: it is not whole, or holds more than `limit` bytes.
    """
    if data[:2] != _GZIP:
        return data
    pieces: list[bytes] = []
    size = 0
    while data[:2] == _GZIP:
        member = zlib.decompressobj(_AUTO_HEADER)
        try:
            piece = member.decompress(data, limit - size + 1)
        except zlib.error as error:
            raise DecompressionError(f"not a whole gzip file ({error})") from error
        size += len(piece)
        if size > limit:
            raise DecompressionError(
                f"more than {limit / 1024**2:,.0f} MiB when decompressed; decompress it to a file "
                "and read that, if it is meant"
            )
        if not member.eof:
            raise DecompressionError("not a whole gzip file (it ends too early)")
        pieces.append(piece)
        data = member.unused_data
    if data.strip(b"\0"):
        raise DecompressionError("not a whole gzip file (there is something behind its end)")
    return b"".join(pieces)
