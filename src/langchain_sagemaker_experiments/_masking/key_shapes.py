"""Secrets that are blocks of key material, and JSON Web Tokens."""

from __future__ import annotations

from typing import Final

from .shape import BASE64, HEX, URLSAFE, Part, Run, Shape, exactly, prefixed, starts_word, written

# A key block begins with a header, holds at least one run of key material, and ends with a header
# or where the material ends. The material may stand in quotes, one literal a line, with escaped
# line breaks.
_BEGIN: Final = r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_WITHIN: Final = r"(?:[^-]|-(?!----))"
_GAP: Final = r"(?:\\{1,4}[nrt]|[\s\"'\\,+;#|>()*]){0,40}"
_HEADERS: Final = (
    r"(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset):[^\n\\\"']{0,80}" + _GAP + r"){0,4}"
)
_MATERIAL: Final = r"[A-Za-z0-9+/=]{16,8192}"
_FIRST: Final = r"(?=[A-Za-z+/]{0,64}[0-9])[A-Za-z0-9+/]{16}"
"""The least that is key material: a long word of prose or code holds no digit."""
_TAIL: Final = (
    r"(?:(?:\\{1,4}[nr]|[\s\"'\\,+]){1,40}(?=[A-Za-z+/]{0,15}(?:[0-9=]|(?<=[a-z])[A-Z]))"
    r"[A-Za-z0-9+/]{1,15}={0,2}(?![\w]))?"
)
"""The last line of a key is short. Unlike a word it holds a digit, padding or a capital within."""
_PEM: Final = (
    f"{_BEGIN}(?:(?={_WITHIN}{{0,400}}?{_FIRST}){_WITHIN}{{16,16384}}"
    r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    f"|{_GAP}{_HEADERS}(?={_FIRST}){_MATERIAL}(?:{_GAP}{_MATERIAL}){{0,600}}{_TAIL})"
)
_LINE: Final = exactly(64, BASE64)
_PEM_WORDS: Final = ("PRIVATE KEY-----", "PRIVATE KEY BLOCK-----")


def _pem(name: str, kind: str, pieces: tuple[Part, ...]) -> Shape:
    return written(name, "Private keys", _PEM_WORDS, _PEM, (f"-----BEGIN {kind}-----", *pieces))


_JOINT: Final = starts_word("eyJ", URLSAFE)
_JWT: Final = (
    rf"eyJ{_JOINT}[A-Za-z0-9_-]{{10,4096}}\.eyJ[A-Za-z0-9_-]{{10,8192}}\.[A-Za-z0-9_-]{{10,2048}}"
)
_JWE: Final = (
    rf"eyJ{_JOINT}[A-Za-z0-9_-]{{10,4096}}"
    rf"(?:\.[A-Za-z0-9_-]{{0,8192}}){{3}}\.[A-Za-z0-9_-]{{10,2048}}"
)
KEY_SHAPES: Final[tuple[Shape, ...]] = (
    _pem("private-key", "PRIVATE KEY", ("\n", _LINE, "\n", _LINE, "\n-----END PRIVATE KEY-----")),
    _pem(
        "private-key-one-line",
        "RSA PRIVATE KEY",
        (r"\n", _LINE, r"\n", _LINE, r"\n-----END RSA PRIVATE KEY-----"),
    ),
    _pem(
        "private-key-literals",
        "EC PRIVATE KEY",
        ('\\n"\n"', _LINE, '\\n"\n"', _LINE, '\\n"\n"-----END EC PRIVATE KEY-----'),
    ),
    _pem("private-key-cut", "OPENSSH PRIVATE KEY", ("\n", _LINE, "\n", _LINE)),
    _pem(
        "private-key-encrypted",
        "RSA PRIVATE KEY",
        (
            "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,",
            exactly(32, HEX),
            "\n\n",
            _LINE,
            "\n-----END RSA PRIVATE KEY-----",
        ),
    ),
    _pem(
        "pgp-private-key",
        "PGP PRIVATE KEY BLOCK",
        (
            "\nVersion: GnuPG v2\n\n",
            _LINE,
            "\n",
            _LINE,
            "\n=",
            exactly(4, BASE64),
            "\n-----END PGP PRIVATE KEY BLOCK-----",
        ),
    ),
    written(
        "ssh2-private-key",
        "Private keys",
        ["SSH2 ENCRYPTED PRIVATE KEY"],
        r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?P<secret>(?:[^-]|-(?!---)){16,16384})",
        ("\n", _LINE, "\n"),
        before="---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
        after="---- END",
    ),
    written(
        "putty-private-key",
        "Private keys",
        ["Private-Lines:"],
        r"Private-Lines: {0,2}[0-9]{1,4}(?:\r?\n|\\{1,8}n)(?P<secret>"
        r"(?:[A-Za-z0-9+/=]{4,80}(?:\r?\n|\\{1,8}n|$|(?=\\{0,7}[\"']))){1,200})",
        (_LINE, "\n", _LINE, "\n"),
        before="Private-Lines: 2\n",
        after="Private-MAC: 0",
    ),
    written(
        "jwt",
        "JSON Web Token",
        ["eyJ"],
        _JWT,
        ("eyJ", exactly(30, URLSAFE), ".eyJ", exactly(40, URLSAFE), ".", exactly(43, URLSAFE)),
    ),
    written(
        "jwe",
        "JSON Web Token",
        ["eyJ"],
        _JWE,
        (
            "eyJ",
            exactly(30, URLSAFE),
            ".",
            exactly(40, URLSAFE),
            ".",
            exactly(16, URLSAFE),
            ".",
            exactly(60, URLSAFE),
            ".",
            exactly(22, URLSAFE),
        ),
    ),
    prefixed("jwt-base64", "JSON Web Token", "ZXlK", Run(BASE64, 80, 8192)),
)
