"""A secret shape, and builders that make one from a short description.

A description is a row of parts. Each part is a literal or a `Run` of characters. The expression
and a made-up sample come from the same parts, so no whole secret stands in a file.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

LONGEST: Final = 512
"""Most characters of a run whose length has no documented end: each repetition is bounded."""


class Shape(NamedTuple):
    """One kind of secret."""

    name: str
    """The name of the shape, for example `aws-access-key-id`."""
    service: str
    """The service or format that the secret belongs to."""
    anchors: tuple[str, ...]
    """Texts of at least 3 characters. Each match contains one of them, in exactly this case."""
    pattern: str
    """Regular expression over decoded text.

    The group `secret` is masked. Where the expression has no such group, the whole match is.
    """
    sample: Callable[[], str]
    """Return a made-up sample, with the context that the expression needs."""
    masked: Callable[[], str]
    """Return the part of the sample that is to be masked."""
    starts_with_anchor: bool = False
    """Each match starts with one of the anchors."""


class Run(NamedTuple):
    """A run of characters of one alphabet, `least` to `most` long."""

    alphabet: str
    """The inside of a character class of a regular expression."""
    least: int
    most: int


Part = str | Run

HEX: Final = "0-9a-f"
ANY_HEX: Final = "0-9a-fA-F"
DIGIT: Final = "0-9"
LOWER: Final = "0-9a-z"
UPPER: Final = "0-9A-Z"
ALNUM: Final = "0-9A-Za-z"
WORD: Final = "0-9A-Za-z_"
URLSAFE: Final = r"0-9A-Za-z_\-"
BASE64: Final = "0-9A-Za-z+/"
BASE64_PADDED: Final = "0-9A-Za-z+/="
DOTTED: Final = r"0-9A-Za-z_.\-"


def exactly(length: int, alphabet: str) -> Run:
    """Return a run of exactly this many characters."""
    return Run(alphabet, length, length)


def at_least(length: int, alphabet: str, most: int = LONGEST) -> Run:
    """Return a run of at least this many characters. Formats grow: longer runs match too."""
    return Run(alphabet, length, max(most, length))


UUID: Final[tuple[Part, ...]] = (
    exactly(8, HEX),
    "-",
    exactly(4, HEX),
    "-",
    exactly(4, HEX),
    "-",
    exactly(4, HEX),
    "-",
    exactly(12, HEX),
)


NO_PLACEHOLDER: Final = r"(?!x{4}|X{4}|your[_-]|YOUR[_-])"
"""What documentation puts in place of a secret is none."""


def starts_word(head: str, before: str = "A-Za-z0-9") -> str:
    """Return an expression that follows the literal `head` and matches where `head` starts a word.

    A word also starts after an escape in text that quotes JSON (backslash n) and after a URL
    escape (%3D). The check follows the literal because `re` finds a leading literal much faster
    than an assertion.
    """
    literal = re.escape(head)
    escapes = (r"\\[nrtbf]", r"\\u[0-9A-Fa-f]{4}", r"%[0-9A-Fa-f]{2}")
    after_escape = "".join(f"|(?<={escape}{literal})" for escape in escapes)
    return f"(?:(?<![{before}]{literal}){after_escape})"


def prefixed(
    name: str,
    service: str,
    heads: str | Sequence[str],
    *parts: Part,
    anchors: Sequence[str] = (),
    digit: bool = False,
) -> Shape:
    """Return the shape of a secret that starts with one of `heads`.

    The heads are the anchors, unless other anchors are given.

    With `digit`, the first part must hold a digit: for heads that ordinary words share.
    """
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    head = "|".join(re.escape(literal) + starts_word(literal) for literal in heads)
    demand = _demand_digit(parts) if digit else ""
    pattern = f"(?:{head}){NO_PLACEHOLDER}{demand}{expression(parts)}{_end(parts)}"
    secret = partial(_sample, name, (heads[0], *parts))
    return Shape(name, service, tuple(anchors) or heads, pattern, secret, secret, not anchors)


_NO_HASH: Final = (
    "(?!sha|SHA|Sha|hash|HASH|Hash|commit|COMMIT|digest|DIGEST|check|etag|ETag|md5|MD5"
    "|rev|[vV]ersion)"
)
_BETWEEN: Final = rf"(?:{_NO_HASH}[\w .-]){{0,24}}"
_ASSIGNED: Final = r"[\"'`\\\]]{0,4}\s{0,3}(?:=>|:=|\|\||[=:>,])[\"'`\\\s(]{0,6}"


def near(
    name: str,
    service: str,
    words: str | Sequence[str],
    *parts: Part,
    mixed: bool = False,
) -> Shape:
    """Return the shape of a secret that only counts where it is assigned to a word of its service.

    Each of `words` is taken in lower case, in upper case and with a capital. The value holds a
    digit. With `mixed` it also holds upper and lower case, so a hash does not match.
    """
    words = (words,) if isinstance(words, str) else tuple(words)
    anchors = tuple(
        dict.fromkeys(form for word in words for form in (word, word.upper(), _capital(word)))
    )
    keyword = "|".join(re.escape(form) + _starts_name(form) for form in anchors)
    demand = _demand_digit(parts)
    if mixed:
        demand += "(?=[^A-Z\\s]{0,99}[A-Z])(?=[^a-z\\s]{0,99}[a-z])"
    pattern = (
        f"(?:{keyword}){_BETWEEN}{_ASSIGNED}(?P<secret>{demand}{expression(parts)})"
        f"(?![0-9A-Za-z_+/-])"
    )
    secret = partial(_sample, name, parts)
    return Shape(name, service, anchors, pattern, partial(_assignment, words[0], secret), secret)


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def _starts_name(form: str) -> str:
    """A word starts where no letter precedes it. A capital also starts one in camel case."""
    return starts_word(form, "A-Za-z") if form.islower() or form.isupper() else ""


_DIGIT_WITHIN: Final = 100
"""Characters of a run in which its digit must stand: a bound for the look ahead."""


def _demand_digit(parts: Sequence[Part]) -> str:
    """A look ahead that is true where the first run of the parts holds a digit."""
    for number, part in enumerate(parts):
        if isinstance(part, Run):
            most = min(part.most - 1, _DIGIT_WITHIN)
            return f"(?={expression(parts[:number])}[{part.alphabet}]{{0,{most}}}?[0-9])"
    return ""


def _end(parts: Sequence[Part]) -> str:
    """A run of fixed length must not go on; a run of open length takes all that there is."""
    last = parts[-1] if parts else ""
    return f"(?![{last.alphabet}])" if isinstance(last, Run) and last.most < LONGEST else ""


def expression(parts: Sequence[Part]) -> str:
    """Return the regular expression of parts."""
    return "".join(re.escape(part) if isinstance(part, str) else _run(part) for part in parts)


def _run(run: Run) -> str:
    length = str(run.least) if run.least == run.most else f"{run.least},{run.most}"
    return f"[{run.alphabet}]{{{length}}}"


def characters(alphabet: str) -> str:
    """Return the letters and digits of an alphabet."""
    every = (chr(code) for code in range(128))
    member = re.compile(f"[{alphabet}]")
    return "".join(char for char in every if char.isalnum() and member.match(char))


def made_up(seed: str, run: Run) -> str:
    """Return a made-up run: the same for a seed, with each kind of character of its alphabet."""
    chosen = random.Random(seed)  # noqa: S311 (a generator of its own: nothing here is a secret)
    letters = characters(run.alphabet)
    kinds = ["".join(filter(kind, letters)) for kind in (str.isdigit, str.isupper, str.islower)]
    sure = [chosen.choice(kind) for kind in kinds if kind][: run.least]
    rest = [chosen.choice(letters) for _ in range(run.least - len(sure))]
    text = [*sure, *rest]
    chosen.shuffle(text)
    return "".join(text)


def _sample(name: str, parts: Sequence[Part]) -> str:
    return "".join(
        part if isinstance(part, str) else made_up(f"{name}-{number}", part)
        for number, part in enumerate(parts)
    )


def _assignment(word: str, secret: Callable[[], str]) -> str:
    return f"{word} = '{secret()}'"


def written(
    name: str,
    service: str,
    anchors: Sequence[str],
    pattern: str,
    sample: tuple[Part, ...],
    *,
    before: str = "",
    after: str = "",
) -> Shape:
    """Return a shape with a written-out expression; its sample stands between `before`, `after`."""
    masked = partial(_sample, name, sample)
    return Shape(
        name, service, tuple(anchors), pattern, partial(_around, before, masked, after), masked
    )


def _around(before: str, masked: Callable[[], str], after: str) -> str:
    return before + masked() + after
