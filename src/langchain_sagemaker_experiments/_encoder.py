"""Values → JSON bytes, within a size bound, never raising. Knows JSON and limits; what a LangChain object is, `convert` knows.

The fast way is one `orjson.dumps` with a conversion hook. What orjson refuses (cycles, lone surrogates, huge integers, keys
that are no strings) or would change without a word (NaN becomes null) goes the thorough way of `_plain.to_plain`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import orjson

from ._limits import DEFAULT_MAX_FIELD_BYTES
from ._plain import Convert, convert_object, describe_media, holds_non_finite, to_plain, type_name

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY

_DATA_URL: Final = re.compile(rb"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=_-]{32,})")
"""A `data:` address with base64 content inside a JSON string. Shorter ones than 32 characters are text, not media."""


class Encoder:
    """Turns one value into JSON bytes.

    Args:
        convert: one step from an object unknown to JSON towards a known one; must not raise.
        max_bytes: bound of one encoded value in bytes; longer ones are truncated with marks. None keeps them whole.
        keep_media: keep base64 data of images, sound and files instead of its media type, size and SHA-256.
    """

    def __init__(
        self,
        convert: Convert = convert_object,
        *,
        max_bytes: int | None = DEFAULT_MAX_FIELD_BYTES,
        keep_media: bool = False,
    ) -> None:
        self._convert = convert
        self._max_bytes = max_bytes if max_bytes is not None else 1 << 62
        self._keep_media = keep_media

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON bytes (UTF-8, one line), taken now: later changes of the value do not show."""
        try:
            data = orjson.dumps(value, self._convert, _OPTIONS)
            if b"null" in data and holds_non_finite(value, self._convert):
                data = self._encode_thoroughly(value)
        except Exception:
            data = self._encode_thoroughly(value)
        if len(data) > self._max_bytes:
            data = self._shorten(data)
        return data

    def _encode_thoroughly(self, value: Any) -> bytes:
        try:
            return orjson.dumps(to_plain(value, self._convert))
        except Exception as error:
            return orjson.dumps(f"<{type_name(value)}: can't be encoded: {type(error).__name__}>")

    def _shorten(self, data: bytes) -> bytes:
        if not self._keep_media:
            data = replace_media(data)
            if len(data) <= self._max_bytes:
                return data
        return truncate_json(data, self._max_bytes)


def replace_media(data: bytes) -> bytes:
    """Return JSON bytes with each base64 `data:` address replaced by its media type, size and SHA-256."""
    if b";base64," not in data:
        return data

    def describe(match: re.Match[bytes]) -> bytes:
        return describe_media(match[1].decode("ascii", "replace"), match[2].decode("ascii")).encode()

    return _DATA_URL.sub(describe, data)


def truncate_json(data: bytes, max_bytes: int) -> bytes:
    """Return JSON bytes of at most about `max_bytes`: the longest strings are cut first, all to the same length.

    Each cut string ends with a mark that tells its true size in bytes and its SHA-256. Where numbers or many small values
    make the bulk, lists and objects are cut instead, with a mark that counts what is missing.
    """
    value = orjson.loads(data)
    lengths: list[int] = []
    _collect_lengths(value, lengths)
    text_bytes = sum(lengths)
    rest = len(data) - text_bytes
    budget = max_bytes - rest
    if budget > max_bytes // 8:
        limit = _fill_level(lengths, budget)
        value = _cut_strings(value, limit)
        shortened = orjson.dumps(value)
        if len(shortened) <= max_bytes + 200 * len(lengths):
            return shortened
    digest = hashlib.sha256(data).hexdigest()
    remaining = [max_bytes]
    return orjson.dumps(
        {
            "<truncated>": f"{len(data)} bytes sha256={digest}",
            "value": _cut_containers(value, remaining),
        }
    )


def _collect_lengths(value: Any, lengths: list[int]) -> None:
    if isinstance(value, str):
        lengths.append(len(value.encode()))
    elif isinstance(value, list):
        for item in value:
            _collect_lengths(item, lengths)
    elif isinstance(value, dict):
        for item in value.values():
            _collect_lengths(item, lengths)


def _fill_level(lengths: list[int], budget: int) -> int:
    """Return the length that, as a cap on every string, makes their sum fit the budget (water filling)."""
    remaining = budget
    ordered = sorted(lengths)
    for position, length in enumerate(ordered):
        share = remaining // (len(ordered) - position)
        if length > share:
            return max(share, 0)
        remaining -= length
    return max(ordered, default=0)


def _cut_strings(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        raw = value.encode()
        if len(raw) <= max(limit, 200):
            return value
        mark = f"… <truncated: {len(raw)} bytes sha256={hashlib.sha256(raw).hexdigest()}>"
        return raw[: max(limit - len(mark), 0)].decode("utf-8", "ignore") + mark
    if isinstance(value, list):
        return [_cut_strings(item, limit) for item in value]
    if isinstance(value, dict):
        return {key: _cut_strings(item, limit) for key, item in value.items()}
    return value


def _cut_containers(value: Any, remaining: list[int]) -> Any:
    if isinstance(value, list):
        kept: list[Any] = []
        for position, item in enumerate(value):
            if remaining[0] <= 0:
                kept.append(f"<truncated: {len(value) - position} more items>")
                break
            kept.append(_cut_containers(item, remaining))
        return kept
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for position, (key, item) in enumerate(value.items()):
            if remaining[0] <= 0:
                fields["<truncated>"] = f"{len(value) - position} more keys"
                break
            remaining[0] -= len(key) + 4
            fields[key] = _cut_containers(item, remaining)
        return fields
    if isinstance(value, str):
        cut = _cut_strings(value, max(remaining[0], 0))
        remaining[0] -= len(cut) + 3
        return cut
    remaining[0] -= 20
    return value
