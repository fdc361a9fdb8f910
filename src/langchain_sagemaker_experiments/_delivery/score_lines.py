"""A score record → its line of JSON, with secrets masked and the user's function applied."""

from __future__ import annotations

from typing import Any, Final

import orjson

from .._masking.masking import Redact, mask_secrets, redact_value
from .._record.score import Score

_USER_FIELDS: Final = ("score", "comment", "correction", "error", "author")
"""Fields that hold texts of the user, a human or a model."""


def score_line(score: Score, *, redact: Redact | None = None, mask: bool = True) -> bytes:
    """Return the line of a score, without the line end.

    Args:
        score: the record, from `make_score`.
        redact: the user's function over strings; a field for which it raises is withheld.
        mask: mask known secrets.

    Raises:
        ValueError: the correction has no JSON form.
    """
    record = dict(score)
    if redact is not None:
        for name in _USER_FIELDS:
            if record[name] is not None:
                record[name] = _redacted(name, record[name], redact)
    try:
        line = orjson.dumps(record, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise ValueError(f"The score can't be written as JSON: {error}.") from error
    return mask_secrets(line) if mask else line


def _redacted(name: str, value: Any, redact: Redact) -> Any:
    try:
        found = redact_value(value, redact)
        orjson.dumps(found, default=_plain)
    except Exception as error:
        mark = f"<withheld: the redact function raised {type(error).__name__}>"
        return {"type": mark, "message": mark} if name == "error" else mark
    return found


def _plain(value: Any) -> Any:
    """The JSON form of a Pydantic model, such as a LangChain message in a correction."""
    dump = getattr(value, "model_dump", None)
    if not callable(dump):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return dump()
