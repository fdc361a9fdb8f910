"""Masks secrets in values. The mark `[REDACTED]` takes their place.

Three things are masked: text of a known shape wherever it stands (see `secret_shapes`), the value
    of
a telling name in a text (`api_key=…`, a header, YAML), and what a dictionary holds under a telling
name (see `telling_names`). It works on decoded values, so what comes out is as valid as what went
in. JSON is decoded only where a word of a secret stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import orjson

from .._record.value import is_mark
from .secret_shapes import SHAPES
from .telling_names import RANDOM_VALUE, is_telling_name, is_weak_name, named_values
from .word_search import make_find

MARK: Final = "[REDACTED]"

Redact = Callable[[Any], Any]
"""The user's own function: sees each string that is recorded, and each key of a dictionary, and
returns what may be recorded in its place.
"""

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


def replace_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with the mark in the place of each span."""
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += (text[done:start], MARK)
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def mask_value(value: Any, under_telling: bool = False) -> Any:
    """Return a plain JSON value in which each secret is masked, in keys too.

    Args:
        value: dictionaries, lists, texts, numbers, booleans and None.
        under_telling: the value stands under a telling name.
    """
    if isinstance(value, str):
        if under_telling:
            return MARK if value.strip("*") else value
        return value if is_mark(value) else mask_text(value)
    if isinstance(value, dict):
        return _mask_dictionary(value, under_telling and not _is_description(value))
    if isinstance(value, list):
        return [mask_value(item, under_telling) for item in value]
    if under_telling and value is not None and not isinstance(value, bool):
        return MARK
    return value


def _mask_dictionary(value: dict[str, Any], under_telling: bool) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    for key, item in value.items():
        telling = under_telling or is_telling_name(key)
        if not telling and isinstance(item, str) and is_weak_name(key):
            telling = RANDOM_VALUE.fullmatch(item) is not None
        masked[free_key(mask_text(key), masked)] = mask_value(item, telling)
    return masked


def _is_description(value: dict[str, Any]) -> bool:
    """Return True for what describes a secret and is none: a JSON schema, LangChain's own mark."""
    return isinstance(value.get("type"), str) or any(key in value for key in ("$ref", "anyOf"))


def free_key(key: str, taken: dict[str, Any]) -> str:
    """Return a key under which nothing stands yet: two that were masked alike stay two."""
    if key not in taken:
        return key
    number = 2
    while (numbered := _numbered(key, number)) in taken:
        number += 1
    return numbered


def _numbered(key: str, number: int) -> str:
    return f"{MARK[:-1]}-{number}]" if key == MARK else f"{key}-{number}"


class Masker:
    """What everything that leaves memory goes through: the user's function, then known secrets.

    Args:
        redact: the user's function, or None.
        secrets: mask known secrets; False only where the user asked for it.
    """

    def __init__(self, redact: Redact | None = None, *, secrets: bool = True) -> None:
        self._redact = redact
        self._secrets = secrets

    def is_clean(self, data: bytes, start: int = 0) -> bool:
        """Return True if JSON, from a place on, goes out as it is."""
        if self._redact is not None:
            return False
        return not self._secrets or not is_suspicious(data[start:] if start else data)

    def text(self, text: str) -> str:
        """Return a text as it may be recorded.

        Raises:
            Exception: what the user's function raises.
        """
        if self._redact is not None:
            text = self._redacted(text)
        return mask_text(text) if self._secrets else text

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where known secrets stand in a text."""
        return secret_spans(text) if self._secrets else []

    def value(self, value: Any) -> Any:
        """Return a plain JSON value as it may be recorded.

        Raises:
            Exception: what the user's function raises.
        """
        if self._redact is not None:
            value = self._redact_within(value)
        return mask_value(value) if self._secrets else value

    def json(self, data: bytes) -> bytes:
        """Return the JSON of a value as it may be recorded.

        Raises:
            Exception: what the user's function raises, or orjson where it returned no JSON.
        """
        if self.is_clean(data):
            return data
        return orjson.dumps(self.value(orjson.loads(data)))

    def message(self, text: str) -> str:
        """Return a message of ours as it may be shown; where the user's function fails, without
        its details.
        """
        try:
            return self.text(text)
        except Exception as error:
            return f"<withheld: the redact function raised {type(error).__name__}>"

    def _redacted(self, text: str) -> str:
        result = self._redact(text) if self._redact is not None else text
        return result if isinstance(result, str) else str(result)

    def _redact_within(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if is_mark(value) or self._redact is None else self._redact(value)
        if isinstance(value, list):
            return [self._redact_within(item) for item in value]
        if isinstance(value, dict):
            redacted: dict[str, Any] = {}
            for key, item in value.items():
                redacted[free_key(self._redacted(key), redacted)] = self._redact_within(item)
            return redacted
        return value
