"""Secrets are masked here, over the JSON bytes of a span, before they leave the process or reach a disk.

Two kinds are known: values that look like a secret wherever they stand (keys of well-known services, bearer tokens, private
key blocks, passwords in addresses), and values under a telling name (`password`, `api_key`, `authorization`, …), in JSON, in
JSON or Python text inside a string, in headers and in query strings. The mark `[REDACTED]` takes their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

Redact = Callable[[Any], Any]
"""The user's own function: sees each string of a span and returns what may be recorded in its place."""

MARK: Final = b"[REDACTED]"

_SHAPES: Final = (
    rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])",  # AWS access key ids
    rb"sk-ant-[A-Za-z0-9_-]{16,}",  # Anthropic
    rb"sk-(?:proj-|svcacct-|admin-|or-v1-)?(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{20,}",  # OpenAI and who follows its form
    rb"gh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
    rb"github_pat_[A-Za-z0-9_]{30,}",
    rb"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    rb"xapp-[0-9]-[A-Za-z0-9-]{10,}",
    rb"AIza[A-Za-z0-9_-]{35}",  # Google
    rb"ya29\.[A-Za-z0-9_-]{20,}",
    rb"GOCSPX-[A-Za-z0-9_-]{20,}",
    rb"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    rb"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}",  # LangSmith
    rb"glpat-[A-Za-z0-9_-]{20,}",  # GitLab
    rb"(?:sk|rk|pk)_live_[A-Za-z0-9]{16,}",  # Stripe
    rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",  # JSON web tokens
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^\"-]|-(?!----END))*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
)
# A word begins after what is no letter or digit; but in JSON a line break is `\\n`, whose last character is a letter.
_START: Final = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
_SHAPE: Final = re.compile(_START + rb"(?:" + rb"|".join(_SHAPES) + rb")")

_SCHEME_VALUE: Final = re.compile(_START + rb"(Bearer|Basic)(\s+)(?=[A-Za-z0-9._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(rb"([a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{0,128}:)([^\s/@\"'<>\\]{1,256})(@)")
_SIGNATURE: Final = re.compile(rb"((?:X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential)=)([^&\s\"\\]+)", re.IGNORECASE)

# Each name may carry any prefix (`db_password`, `x-api-key`, `clientSecret`) and must be whole at its end.
_NAME: Final = (
    rb"(?:pass(?:word|wd|phrase)|pwd|secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key|access[_-]?key(?:[_-]?id)?|"
    rb"(?:private|signing|encryption)[_-]?key|authorization|credentials?|" + _START + rb"(?:set-)?cookies?|"
    rb"(?:auth|access|refresh|session|security|id|bearer|api)[_-]?token)"
)
_INSIDE: Final = rb"(?:\\.|[^\\\"])"
"""One character, or one escape, of a JSON string: a match never runs over the string's end."""

# The name may stand in JSON ("name":), in JSON inside a string (\"name\":) or in Python text ('name':).
_NAMED_STRING: Final = re.compile(
    rb"(" + _NAME + rb"\\*[\"']\s*:\s*)(\\*[\"'])((?:(?!\2)" + _INSIDE + rb")+)(\2|(?=\"))", re.IGNORECASE
)
_NAMED_NUMBER: Final = re.compile(rb"(" + _NAME + rb"\"\s*:\s*)(-?[0-9][0-9.eE+-]*)", re.IGNORECASE)
_NAMED_TOKEN: Final = re.compile(
    rb"([\"']token\\*[\"']\s*:\s*)(\\*[\"'])((?=[A-Za-z0-9._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{16,})(\2)", re.IGNORECASE
)
# `password=…` says it plainly; after a colon, which prose has too, the value must look like no word.
_ASSIGNED: Final = re.compile(
    rb"(" + _NAME + rb"\s*=\s*)(\\?[\"'])?((?!\[REDACTED\]|\*{3}|None\b)[^\s\"'&,;\\(){}<>\[\]]{4,})", re.IGNORECASE
)
_HEADER: Final = re.compile(
    rb"(" + _NAME + rb":\s*)((?!\[REDACTED\])(?=[^\s\"'\\]*[0-9])[^\s\"'&,;\\(){}<>\[\]]{6,})", re.IGNORECASE
)
_WORDS: Final = re.compile(rb"pass|pwd|secret|key|auth|token|cookie|credential", re.IGNORECASE)


def mask_secrets(line: bytes) -> bytes:
    """Return one JSON value as bytes with every known secret masked; it stays valid JSON and as long as it can be."""
    line = _SHAPE.sub(MARK, line)
    if b"://" in line:
        line = _URL_PASSWORD.sub(rb"\1" + MARK + rb"\3", line)
    if b"mz-" in line:
        line = _SIGNATURE.sub(rb"\1" + MARK, line)
    if _WORDS.search(line):
        line = _NAMED_STRING.sub(rb"\1\2" + MARK + rb"\4", line)
        line = _NAMED_NUMBER.sub(rb'\1"' + MARK + rb'"', line)
        line = _NAMED_TOKEN.sub(rb"\1\2" + MARK + rb"\4", line)
        line = _ASSIGNED.sub(_mask_assigned, line)
        line = _HEADER.sub(rb"\1" + MARK, line)
    return _SCHEME_VALUE.sub(rb"\1\2" + MARK, line)


def _mask_assigned(match: re.Match[bytes]) -> bytes:
    return match[1] + (match[2] or b"") + MARK


def redact_value(value: Any, redact: Redact) -> Any:
    """Return a plain JSON value in which the user's function has seen every string. Raises what the function raises."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_value(item, redact) for item in value]
    if isinstance(value, dict):
        return {key: redact_value(item, redact) for key, item in value.items()}
    return value


_USER_FIELDS: Final = ("shared", "inputs", "outputs", "error", "events", "metadata", "tags", "attributes", "component", "name")


def apply_redact(line: bytes, redact: Redact) -> tuple[bytes, int]:
    """Run the user's function over each field of a span record that can hold the user's data.

    Returns:
        The new line, and how many fields were withheld because the function raised or returned what is no JSON.
    """
    record = orjson.loads(line)
    withheld = 0
    for field in _USER_FIELDS:
        if record.get(field) in (None, [], {}):
            continue
        try:
            value = redact_value(record[field], redact)
            orjson.dumps(value)
        except Exception as error:
            withheld += 1
            mark = f"<withheld: the redact function raised {type(error).__name__}>"
            value = _withheld(field, mark)
        record[field] = value
    return orjson.dumps(record), withheld


def _withheld(field: str, mark: str) -> Any:
    if field in ("tags", "events"):
        return []
    if field in ("metadata", "attributes", "component"):
        return {"<withheld>": mark}
    if field == "error":
        return {"type": mark, "message": mark, "stacktrace": mark}
    return mark
