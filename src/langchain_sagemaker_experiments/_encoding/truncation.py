"""JSON bytes too long to shorter ones with marks that tell what is missing. Knows JSON, and
nothing else.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def truncate_json(data: bytes, max_bytes: int) -> bytes:
    """Return JSON bytes of at most about `max_bytes`: the longest strings are cut first, all to the
    same length.

    Each cut string ends with a mark that tells its true size in bytes and its SHA-256. Where
    numbers or many small values make the bulk, lists and objects are cut instead, with a mark that
    counts what is missing.
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
    """Return the length that, as a cap on every string, makes their sum fit the budget (water
    filling).
    """
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
