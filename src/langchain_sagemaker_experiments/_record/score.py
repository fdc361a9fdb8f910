"""The score record: what somebody or something thinks of a trace or a span.

A score has a key (`helpful`), a value (a number, yes or no, or a text), and a source: a human, code
or a model. Scores are immutable like spans: another opinion of the same author is a later record,
and a record with the value None withdraws. A record with `error` says that an evaluator failed.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from .text import clean_text
from .times import rfc3339_of_ns

SCORE_SCHEMA_VERSION: Final = 1
Source = Literal["human", "code", "model"]
SOURCES: Final = ("human", "code", "model")
MAX_KEY: Final = 200
"""Characters of a key. A key becomes a metric `score.{key}`, and SageMaker allows 255 for those."""
MAX_COMMENT: Final = 20_000
"""Characters of a comment or of a text used as a score; longer ones are cut."""
MAX_NUMBER: Final = 1e100
"""Bound of a score on both sides: sums of squares of a billion of them are still numbers."""

SCORE_FIELDS: Final = (
    "trace_id",
    "span_id",
    "key",
    "score",
    "comment",
    "correction",
    "source",
    "author",
    "evaluation_id",
    "example_id",
    "repetition",
    "error",
    "time",
    "score_id",
    "schema_version",
)
"""The fields of a score record, in the order in which tables show them."""

_ESSENTIAL: Final = ("score_id", "trace_id", "key", "source", "time")
_CUT: Final = " … <cut>"

Score = dict[str, Any]
Value = bool | int | float | str | None


def _new_id() -> str:
    """Return a random id. `uuid4` may be patched by an application's tests to give one id twice."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def make_score(
    trace_id: str,
    span_id: str | None = None,
    *,
    key: str,
    score: Value,
    comment: str | None = None,
    correction: Any = None,
    source: Source = "human",
    author: str | None = None,
    evaluation_id: str | None = None,
    example_id: str | None = None,
    repetition: int | None = None,
    error: Mapping[str, Any] | None = None,
    score_id: str | None = None,
) -> Score:
    """Return a score record with the time of now.

    Raises:
        ValueError: an argument is not what a score record can hold; it says what is allowed.
    """
    return {
        "schema_version": SCORE_SCHEMA_VERSION,
        "score_id": score_id or _new_id(),
        "trace_id": _checked_id("trace_id", trace_id),
        "span_id": None if span_id is None else _checked_id("span_id", span_id),
        "key": checked_key(key),
        "score": checked_value(score),
        "comment": None if comment is None else cut(str(comment)),
        "correction": correction,
        "source": _checked_source(source),
        "author": None if author is None else clean_text(str(author)),
        "evaluation_id": evaluation_id,
        "example_id": example_id,
        "repetition": repetition,
        "error": _plain_error(error),
        "time": now(),
    }


_last_ns = 0
_clock = threading.Lock()


def now() -> str:
    """Return the time of now as RFC 3339, UTC, microseconds; never the same twice in a process.

    Of two opinions of one author the later one counts, however quickly they follow each other.
    """
    global _last_ns
    with _clock:
        _last_ns = max(time.time_ns(), _last_ns + 1_000)
        return rfc3339_of_ns(_last_ns)


def evaluation_score_id(evaluation_id: str, example_id: str, repetition: int, key: str) -> str:
    """Return the id of an evaluation's score: the same for each try, so that none is doubled."""
    named = f"{evaluation_id}\n{example_id}\n{repetition}\n{key}".encode()
    digest = hashlib.blake2b(named, digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def _checked_id(name: str, value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be the id of a recorded trace or span, not {value!r}.")
    return value


def checked_key(key: object) -> str:
    """Return a key, or raise ValueError if it is none."""
    if not isinstance(key, str) or not key.strip() or len(key) > MAX_KEY:
        raise ValueError(f"key must be a text of 1 to {MAX_KEY} characters, not {key!r:.80}.")
    return clean_text(key)


def checked_value(value: object) -> Value:
    """Return a score's value as JSON can hold it, or raise ValueError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return cut(value)
    number = _as_number(value)
    if number is None or not math.isfinite(number) or abs(number) > MAX_NUMBER:
        raise ValueError(
            f"score must be a finite number (within {MAX_NUMBER:g}), a bool, a text or None, "
            f"not {_shown(value)}."
        )
    return number


def _as_number(value: Any) -> bool | int | float | None:
    """Numbers of numpy too, without importing it."""
    if not isinstance(value, (int, float)):
        item = getattr(value, "item", None)
        value = item() if callable(item) and getattr(value, "ndim", 1) == 0 else value
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)  # of a class of its own: numpy.float64
    if not isinstance(value, int):
        return None
    # A whole number beyond 53 bits is no longer the same number in other programs.
    whole = int(value)
    if abs(whole) <= 2**53:
        return whole
    return float(whole) if abs(whole) <= MAX_NUMBER else math.inf


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a {type(value).__name__} of that many digits"


def _plain_error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Messages of exceptions as JSON can hold them: a file's name may be no valid text."""
    if not error:
        return None
    texts = {name: clean_text(one) for name, one in error.items() if isinstance(one, str)}
    return {**error, **texts}


def _checked_source(source: object) -> str:
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, not {source!r}.")
    return str(source)


def cut(text: str) -> str:
    """Return a text within the bound of a comment."""
    text = clean_text(text)
    return text if len(text) <= MAX_COMMENT else text[: MAX_COMMENT - len(_CUT)] + _CUT


RESULT: Final = "result"
"""`record` of a line among scores that says that an evaluation is done with an example."""


def make_result(
    evaluation_id: str,
    example: Mapping[str, Any],
    repetition: int,
    trace_id: str,
    *,
    error: Mapping[str, Any] | None = None,
    failed_keys: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the record that an evaluation is done with a repetition of an example.

    It names the trace that counts: the trace of an attempt that was interrupted has no such record.
    """
    return {
        "schema_version": SCORE_SCHEMA_VERSION,
        "record": RESULT,
        "evaluation_id": evaluation_id,
        "example_id": example["id"],
        "example_hash": example["content_hash"],
        "repetition": repetition,
        "trace_id": trace_id,
        "error": _plain_error(error),
        "failed_keys": list(failed_keys),
        "time": now(),
    }


def is_result(record: object) -> bool:
    """Return True if a parsed line is a result record."""
    if not isinstance(record, dict) or record.get("record") != RESULT:
        return False
    names = ("evaluation_id", "example_id", "trace_id", "time")
    texts = all(isinstance(record.get(name), str) for name in names)
    return texts and isinstance(record.get("repetition"), int)


def merge_results(records: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, int], Any]:
    """Return the newest result of each (evaluation, example, repetition)."""
    found: dict[tuple[str, str, int], Any] = {}
    for record in records:
        key = (record["evaluation_id"], record["example_id"], record["repetition"])
        known = found.get(key)
        if known is None or (record["time"], record["trace_id"]) > (
            known["time"],
            known["trace_id"],
        ):
            found[key] = record
    return found


def is_score(record: object) -> bool:
    """Return True if a parsed line is a score record as far as readers need it."""
    if not isinstance(record, dict):
        return False
    if any(not isinstance(record.get(name), str) for name in _ESSENTIAL):
        return False
    return isinstance(record.get("score"), (bool, int, float, str, type(None)))


def identity(record: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return what makes two records opinions of one author on one thing."""
    return (
        record["trace_id"],
        record.get("span_id") or "",
        record["key"],
        record["source"],
        record.get("author") or record.get("evaluation_id") or "",
    )


def merge_scores(records: Iterable[Score], *, withdrawn: bool = False) -> list[Score]:
    """Return the records that count, in order of their time.

    Of records with one `score_id`, and then of those with one identity, the greatest (time,
    score_id) wins. A winner whose score is None and that has no error withdraws, and is left out
    unless `withdrawn`.
    """
    by_id = _greatest(records, lambda record: record["score_id"])
    standing = _greatest(by_id, identity)
    if not withdrawn:
        standing = [r for r in standing if r.get("score") is not None or r.get("error")]
    return sorted(standing, key=_order)


def _greatest(records: Iterable[Score], key_of: Any) -> list[Score]:
    found: dict[Any, Score] = {}
    for record in records:
        key = key_of(record)
        known = found.get(key)
        if known is None or _order(record) >= _order(known):
            found[key] = record
    return list(found.values())


def _order(record: Score) -> tuple[str, str]:
    return record["time"], record["score_id"]


def number_of(value: object) -> float | None:
    """Return a score as a number, yes and no as 1 and 0; None of a text or of nothing."""
    return float(value) if isinstance(value, (bool, int, float)) and value == value else None


def mean_scores(records: Iterable[Score]) -> dict[str, float]:
    """Return the mean of each key's numbers."""
    values: dict[str, list[float]] = {}
    for record in records:
        number = number_of(record.get("score"))
        if number is not None:
            values.setdefault(record["key"], []).append(number)
    return {key: math.fsum(found) / len(found) for key, found in sorted(values.items())}
