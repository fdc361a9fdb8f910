"""A score record → its line of JSON, with secrets masked and the user's function applied."""

from __future__ import annotations

from typing import Any, Final

import orjson

from .._encoding.any_value import dump_json
from .._masking.masking import Masker
from .._record.score import Score

_OF_THE_USER: Final = ("score", "comment", "correction", "error", "author", "key")
"""Fields that hold texts of the user, a human or a model."""


def score_line(score: Score, *, masker: Masker) -> bytes:
    """Return the line of a score, without the line end.

    Args:
        score: the record, from `make_score`.
        masker: what everything goes through; a field for which the user's function raises is
            withheld.

    Raises:
        ValueError: the correction has no JSON form.
    """
    try:
        line = dump_json(dict(score), _plain, orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise ValueError(f"The score can't be written as JSON: {error}.") from error
    if masker.is_clean(line):
        return line
    record = orjson.loads(line)
    for name in _OF_THE_USER:
        if record.get(name) is not None:
            record[name] = _masked(name, record[name], masker)
    return orjson.dumps(record)


def _masked(name: str, value: Any, masker: Masker) -> Any:
    try:
        masked = masker.value(value)
        orjson.dumps(masked)
    except Exception as error:
        mark = f"<withheld: the redact function raised {type(error).__name__}>"
        return {"type": mark, "message": mark} if name == "error" else mark
    return masked


def _plain(value: Any) -> Any:
    """The JSON form of a Pydantic model, such as a LangChain message in a correction."""
    dump = getattr(value, "model_dump", None)
    if not callable(dump):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return dump()
