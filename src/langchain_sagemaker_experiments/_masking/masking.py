"""Secrets are masked here, over the JSON bytes of a span, before they leave the process or reach a
disk.

Two kinds are known: values that look like a secret wherever they stand (keys of well-known
    services, bearer tokens, private
key blocks, passwords in addresses), and values under a telling name (`password`, `api_key`,
`authorization`, …), in JSON, in JSON or Python text inside a string, in headers and in query
strings. The mark `[REDACTED]` takes their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import orjson

from .word_search import make_find

Redact = Callable[[Any], Any]
"""The user's own function: sees each string of a span and returns what may be recorded in its
place.
"""

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
# A word begins after what is no letter or digit; but in JSON a line break is `\\n`, whose last
# character is a letter.
_START: Final = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
_SHAPE: Final = re.compile(_START + rb"(?:" + rb"|".join(_SHAPES) + rb")")
# What every shape holds, so that a look for plain words tells the few lines that are worth an
# expression.
_SHAPE_WORDS: Final = (
    b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"sk-", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"xox", b"xapp-",
    b"AIza", b"ya29.", b"GOCSPX-", b"hf_", b"lsv2_", b"glpat-", b"eyJ",
)  # fmt: skip
"""Words a shape begins with."""
_SHAPE_MIDDLES: Final = (b"_live_", b"PRIVATE KEY")
"""Words that stand within a shape."""

_SCHEME_VALUE: Final = re.compile(
    _START + rb"(Bearer|Basic)(\s+)(?=[A-Za-z0-9._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{8,}",
    re.IGNORECASE,
)
_URL_PASSWORD: Final = re.compile(rb"(://[^\s/:@\"'<>\\]{0,128}:)([^\s/@\"'<>\\]{1,256})(@)")
_SIGNATURE: Final = re.compile(
    rb"((?:X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential)=)([^&\s\"\\]+)", re.IGNORECASE
)


def _ends(word: bytes, *before: bytes) -> bytes:
    """An expression for `word` where one of `before` stands before it, joined, by a hyphen or by an
    underscore.
    """
    kinds = [b"(?<=%b%b)|(?<=%b[_-]%b)" % (one, word, one, word) for one in before]
    return word + b"(?:" + b"|".join(kinds) + b")"


# Telling names, in lower case, by the word that is looked for first. A name may carry any prefix
# (`db_password`, `x-api-key`, `clientSecret`) and must be whole at its end.
_NAMES: Final = tuple(
    (word, re.compile(expression))
    for word, expression in (
        (
            b"key",
            _ends(b"key", b"api", b"access", b"secret", b"private", b"signing", b"encryption"),
        ),
        (
            b"token",
            _ends(
                b"token",
                b"auth",
                b"access",
                b"refresh",
                b"session",
                b"security",
                b"id",
                b"bearer",
                b"api",
            ),
        ),
        (b"pass", rb"pass(?:word|wd|phrase)"),
        (b"pwd", rb"pwd"),
        (b"secret", rb"secret"),
        (b"authorization", rb"authorization"),
        (b"credential", rb"credentials?"),
        (b"cookie", _START + rb"(?:set-)?cookies?"),
    )
)
_INSIDE: Final = rb"(?:\\.|[^\\\"])"
"""One character, or one escape, of a JSON string: a match never runs over the string's end."""
_PLAIN: Final = rb"[^\s\"'&,;\\(){}<>\[\]]"

# What may follow a name. The value stands in JSON ("name": "…"), in JSON inside a string (\"name\":
# \"…\"), in Python text ('name': '…'), after an equals sign, or, as in a header, after a colon;
# there, as prose has colons too, it must look like no word.
_VALUE: Final = re.compile(
    rb"(?:[_-]?id)?(?:"
    rb"\\*[\"']\s*:\s*(?P<quote>\\*[\"'])(?P<text>(?:(?!(?P=quote))" + _INSIDE + rb")+)"
    rb"|\"\s*:\s*(?P<number>-?[0-9][0-9.eE+-]*)"
    rb"|\s*=\s*(?:\\?[\"'])?(?P<assigned>(?!\*{3}|None\b)" + _PLAIN + rb"{4,})"
    rb"|:\s*(?P<header>(?=[^\s\"'\\]*[0-9])" + _PLAIN + rb"{6,})"
    rb")",
    re.IGNORECASE,
)
_NAMED_TOKEN: Final = re.compile(
    rb"([\"']token\\*[\"']\s*:\s*)(\\*[\"'])((?=[A-Za-z0-9._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{16,})(\2)",
    re.IGNORECASE,
)


_SCHEMES: Final = (b"bearer", b"basic")
_WORDS: Final = (
    *(word.lower() for word in _SHAPE_WORDS),
    *(word.lower() for word in _SHAPE_MIDDLES),
    b"://",
    b"mz-",
    *_SCHEMES,
    *(word for word, _ in _NAMES),
)
_MIDDLES_AT: Final = len(_SHAPE_WORDS)
_URL_AT: Final = _MIDDLES_AT + len(_SHAPE_MIDDLES)
_SIGNATURE_AT: Final = _URL_AT + 1
_SCHEMES_AT: Final = _SIGNATURE_AT + 1
_NAMES_AT: Final = _SCHEMES_AT + len(_SCHEMES)
_TOKEN_AT: Final = _NAMES_AT + [word for word, _ in _NAMES].index(b"token")
_find = make_find(_WORDS)


def mask_secrets(line: bytes) -> bytes:
    """Return one JSON value as bytes with every known secret masked; it stays valid JSON and as
    long as it can be.
    """
    lowered = line.lower()
    places = _find(lowered)
    if not places:
        return line
    masked = _mask_shapes(line, places)
    if masked is not line:
        line, lowered = masked, masked.lower()
        places = _find(lowered)
    line = _mask_named(line, lowered, places)
    for number, start, _ in places:
        # A mark may have moved the place: then the expression looks everywhere.
        if _SCHEMES_AT <= number < _NAMES_AT and (
            len(line) != len(lowered) or _SCHEME_VALUE.match(line, start)
        ):
            return _SCHEME_VALUE.sub(rb"\1\2" + MARK, line)
    return line


def _mask_shapes(line: bytes, places: list[tuple[int, int, int]]) -> bytes:
    """Mask what looks like a secret wherever it stands; each expression runs only where a word of
    it stands.
    """
    shape = url = signature = False
    for number, start, end in places:
        if number < _MIDDLES_AT:
            shape = shape or (
                line[start:end] == _SHAPE_WORDS[number] and _SHAPE.match(line, start) is not None
            )
        elif number < _URL_AT:
            shape = shape or line[start:end] == _SHAPE_MIDDLES[number - _MIDDLES_AT]
        elif number == _URL_AT:
            url = url or _URL_PASSWORD.match(line, start) is not None
        elif number == _SIGNATURE_AT:
            signature = True
    if shape:
        line = _SHAPE.sub(MARK, line)
    if url:
        line = _URL_PASSWORD.sub(rb"\1" + MARK + rb"\3", line)
    if signature:
        line = _SIGNATURE.sub(rb"\1" + MARK, line)
    return line


def _mask_named(line: bytes, lowered: bytes, places: list[tuple[int, int, int]]) -> bytes:
    """Mask the values that stand under telling names."""
    found: list[tuple[int, int, bytes]] = []
    token = False
    for number, start, _ in places:
        if number < _NAMES_AT:
            continue
        if number == _TOKEN_AT and not token:
            token = _NAMED_TOKEN.match(line, start - 1) is not None
        name = _NAMES[number - _NAMES_AT][1].match(lowered, start)
        value = _VALUE.match(line, name.end()) if name is not None else None
        if value is not None:
            kind = str(value.lastgroup)
            begin, end = value.span(kind)
            found.append((begin, end, b'"' + MARK + b'"' if kind == "number" else MARK))
    if found:
        pieces: list[bytes] = []
        done = 0
        for begin, end, mark in sorted(found):
            if begin >= done:
                pieces += (line[done:begin], mark)
                done = end
        line = b"".join((*pieces, line[done:]))
    if token:
        line = _NAMED_TOKEN.sub(rb"\1\2" + MARK + rb"\4", line)
    return line


@lru_cache(maxsize=1_024)
def is_telling(name: bytes) -> bool:
    """Tell whether any text under this name, as JSON has it, is masked: such a one is to stay under
    its name.
    """
    line = b'{"%b":"%b"}' % (name, b"a1" * 20)
    return mask_secrets(line) != line


def redact_value(value: Any, redact: Redact) -> Any:
    """Return a plain JSON value in which the user's function has seen every string. Raises what the
    function raises.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_value(item, redact) for item in value]
    if isinstance(value, dict):
        return {key: redact_value(item, redact) for key, item in value.items()}
    return value


_USER_FIELDS: Final = (
    "shared",
    "inputs",
    "outputs",
    "error",
    "events",
    "metadata",
    "tags",
    "attributes",
    "component",
    "name",
)


def apply_redact(line: bytes, redact: Redact) -> tuple[bytes, int]:
    """Run the user's function over each field of a span record that can hold the user's data.

    Returns:
        The new line, and how many fields were withheld because the function raised or returned what
        is no JSON.
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
