"""Masks secrets in values. The mark `[REDACTED]` takes their place.

Three things are masked: text of a known shape wherever it stands (see `secret_shapes`), the value
of a telling name in a text (`api_key=…`, a header, YAML), and what a dictionary holds under a
telling name (see `telling_names`) or under the name of a service. It works on decoded values, so
what comes out is as valid as what went in. JSON is decoded only where a word of a secret stands in
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import orjson

from .._record.value import is_mark
from .telling_names import (
    RANDOM_VALUE,
    is_telling_name,
    is_telling_pair,
    is_weak_name,
    named_item,
)
from .text_masking import MARK, is_suspicious, mask_owned, mask_text, secret_spans

Redact = Callable[[Any], Any]
"""The user's own function: sees each string that is recorded, and each key of a dictionary, and
returns what may be recorded in its place.
"""


def mask_value(value: Any, under_telling: bool = False, owner: str = "") -> Any:
    """Return a plain JSON value in which each secret is masked, in keys too.

    Args:
        value: dictionaries, lists, texts, numbers, booleans and None.
        under_telling: the value stands under a telling name.
        owner: the keys under which the value stands, with dots between them.
    """
    if isinstance(value, str):
        if under_telling:
            return MARK if value.strip("*") else value
        return value if is_mark(value) else mask_owned(value, owner)
    if isinstance(value, dict):
        return _mask_dictionary(value, under_telling and not _is_description(value), owner)
    if isinstance(value, list):
        if not under_telling and is_telling_pair(value):
            return [mask_text(value[0]), MARK]
        return [mask_value(item, under_telling, owner) for item in value]
    if under_telling and value is not None and not isinstance(value, bool):
        return MARK
    return value


def _mask_dictionary(value: dict[str, Any], under_telling: bool, owner: str) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    named = named_item(value)
    for key, item in value.items():
        name = named[1] if named and key == named[0] else key
        telling = under_telling or is_telling_name(name)
        if not telling and isinstance(item, str) and is_weak_name(name):
            telling = RANDOM_VALUE.fullmatch(item) is not None
        path = f"{owner}.{name}" if owner else name
        masked[free_key(mask_text(key), masked)] = mask_value(item, telling, path)
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
        if redact is not None:
            _redacting[id(self)] = self

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


_redacting: WeakValueDictionary[int, Masker] = WeakValueDictionary()
"""Those with a function of the user. Most messages of the log belong to no handler, so the
function of each handler that lives sees them all.
"""


def redact_for_log(text: str) -> str:
    """Return a text as the log may show it: as every function of a user's wants it."""
    for reference in _redacting.valuerefs():
        masker = reference()
        if masker is not None:
            text = masker.message(text)
    return text
