"""Finds and masks secrets in texts. The mark `[REDACTED]` takes their place.

Two things are masked: text of a known shape wherever it stands (see `secret_shapes`), and the value
of a telling name in a text (`api_key=…`, a header, YAML; see `telling_names`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from .secret_shapes import SHAPES
from .telling_names import is_telling_name, is_weak_name, named_values
from .word_search import make_find

MARK: Final = "[REDACTED]"

_STEMS: Final = (
    "password", "passwd", "passphrase", "passcode", "pwd", "pswd", "secret", "cred", "authori",
    "cookie", "key", "token", "jwt",
    *(f"{word}{end}" for word in ("pass", "pat", "string", "auth", "bearer", "pin", "otp", "sid")
      for end in "\"'`=:>%] \\0123456789_-"),
)  # fmt: skip
"""Each telling name holds one of these; common words count only where a name may end."""
_NAME_BYTES: Final = bytes(
    byte if (chr(byte).isalnum() and byte < 128) or byte in b"_.-" else 32 for byte in range(256)
)
"""Keeps what a name may consist of, and makes the rest spaces."""
_LONGEST_NAME: Final = 64
_URL_WITH_USER: Final = re.compile(rb"://[^\s\"]{0,400}?@|://[^\s\"]{0,200}contribsys")

_ANCHORS_OF: Final[dict[bytes, list[bytes]]] = {}
"""Word in lower case → the anchors that it stands for, in their own case."""
_SHAPES_OF: Final[dict[bytes, list[int]]] = {}
"""Anchor → the places of its shapes."""
for _place, _shape in enumerate(SHAPES):
    for _anchor in map(str.encode, _shape.anchors):
        if _anchor not in _SHAPES_OF:
            _ANCHORS_OF.setdefault(_anchor.lower(), []).append(_anchor)
        _SHAPES_OF.setdefault(_anchor, []).append(_place)
_WORDS: Final = tuple(dict.fromkeys((*_ANCHORS_OF, *map(str.encode, _STEMS))))
_EXACT: Final = tuple(tuple(_ANCHORS_OF.get(word, ())) for word in _WORDS)
_IS_STEM: Final = tuple(word.decode() in _STEMS for word in _WORDS)
_patterns: Final[dict[int, re.Pattern[str]]] = {}
_byte_patterns: Final[dict[bytes, re.Pattern[bytes] | None]] = {}
"""Anchor → what matches where it stands; None where its shapes start elsewhere."""
_find = make_find(_WORDS)


def is_suspicious(data: bytes) -> bool:
    """Return False if no secret stands in JSON or in a text, given as UTF-8.

    It may return True where there is none: then a closer look is taken at the decoded value.
    """
    for number, start, end in _find(data.lower()):
        exact = _EXACT[number]
        if exact and data[start:end] in exact and _may_be_secret(data, start, end):
            return True
        if (
            _IS_STEM[number]
            and data[start - _BEFORE : end + _AFTER] not in _ordinary
            and _is_telling_at(data, start, end)
        ):
            return True
    return False


def _may_be_secret(data: bytes, start: int, end: int) -> bool:
    """Return False where an anchor stands in no secret: in a plain address, in another word.

    What follows an anchor at the start of a secret has no character that JSON writes as an escape.
    """
    anchor = data[start:end]
    if anchor == b"://":
        return _URL_WITH_USER.match(data, start) is not None
    if anchor not in _byte_patterns:
        _byte_patterns[anchor] = _pattern_at(anchor)
    pattern = _byte_patterns[anchor]
    return pattern is None or pattern.match(data, start) is not None


def _pattern_at(anchor: bytes) -> re.Pattern[bytes] | None:
    shapes = [SHAPES[place] for place in _SHAPES_OF[anchor]]
    if not all(shape.starts_with_anchor for shape in shapes):
        return None
    return re.compile("|".join(f"(?:{shape.pattern})" for shape in shapes).encode())


def _is_telling_at(data: bytes, start: int, end: int) -> bool:
    """Return True if the name around a stem is a telling one, read with or without the letter of a
    JSON escape before it.
    """
    first = max(0, start - _LONGEST_NAME)
    around = data[first : end + _LONGEST_NAME].translate(_NAME_BYTES)
    begin = around.rfind(b" ", 0, start - first) + 1
    stop = around.find(b" ", start - first + 1)
    name = around[begin:] if stop < 0 else around[begin:stop]
    escaped = first + begin > 0 and data[first + begin - 1] == _BACKSLASH
    if _is_telling(name) or (escaped and (_is_telling(name[1:]) or _is_telling(name[5:]))):
        return True
    is_seen_whole = first + begin > start - _BEFORE and 0 <= stop < end - first + _AFTER
    if is_seen_whole and start >= _BEFORE and len(_ordinary) < _MAX_ORDINARY:
        _ordinary.add(data[start - _BEFORE : end + _AFTER])
    return False


_BACKSLASH: Final = 0x5C
_BEFORE: Final = 14
_AFTER: Final = 3
_MAX_ORDINARY: Final = 4_096
_ordinary: Final[set[bytes]] = set()
"""Stems with what stands around them, of ordinary names such as `"input_tokens"`: most records hold
the same ones.
"""


@lru_cache(maxsize=4_096)
def _is_telling(name: bytes) -> bool:
    whole = name.decode("ascii")
    # In a text a name may end before the word does: `api_key.value`, `--token-x`.
    return any(
        is_telling_name(part) or is_weak_name(part) for part in (whole, *_PUNCTUATION.split(whole))
    )


_PUNCTUATION: Final = re.compile(r"[.-]")


def mask_text(text: str) -> str:
    """Return a text with each secret in it masked."""
    spans = secret_spans(text)
    return replace_spans(text, spans) if spans else text


def secret_spans(text: str) -> list[tuple[int, int]]:
    """Return where secrets stand in a text, in order; two do not overlap."""
    data = text.encode("utf-8", "surrogatepass")
    shapes: set[int] = set()
    named = False
    for number, start, end in _find(data.lower()):
        named = named or _IS_STEM[number]
        anchor = data[start:end]
        if anchor in _EXACT[number]:
            shapes.update(_SHAPES_OF[anchor])
    spans: list[tuple[int, int]] = []
    for place in sorted(shapes):
        spans += _matches(place, text)
    if named:
        spans += [(value.start, value.end) for value in named_values(text)]
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if text[start:stop] == MARK:
            continue
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def _matches(place: int, text: str) -> list[tuple[int, int]]:
    pattern = _patterns.get(place)
    if pattern is None:
        pattern = _patterns[place] = re.compile(SHAPES[place].pattern)
    group = "secret" if "secret" in pattern.groupindex else 0
    return [match.span(group) for match in pattern.finditer(text) if match.span(group)[0] >= 0]


def mask_owned(text: str, owner: str) -> str:
    """Mask a text; the keys above it may name the service whose secret it is."""
    owner = owner[-_LONGEST_NAME:]
    if len(text) <= _MOST_OWNED and (places := _services_in(owner)):
        before = f"{owner}: "
        spans = [span for place in places for span in _matches(place, before + text)]
        if any(span == (len(before), len(before + text)) for span in spans):
            return MARK
    return mask_text(text)


@lru_cache(maxsize=4_096)
def _services_in(owner: str) -> tuple[int, ...]:
    """Return the places of the shapes that keys name, in which a key alone makes a secret."""
    data = owner.encode("utf-8", "surrogatepass")
    anchors = {data[start:end] for _, start, end in _find(data.lower())} & _SHAPES_OF.keys()
    places = {place for anchor in anchors for place in _SHAPES_OF[anchor]}
    return tuple(sorted(place for place in places if not SHAPES[place].starts_with_anchor))


_MOST_OWNED: Final = 512
"""Characters of a text that may be the secret of the service that its key names."""


def replace_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with the mark in the place of each span."""
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += (text[done:start], MARK)
        done = end
    pieces.append(text[done:])
    return "".join(pieces)
