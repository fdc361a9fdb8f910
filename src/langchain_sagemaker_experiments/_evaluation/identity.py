"""An evaluation's id and what all its workers must agree on, in `evaluation.json` of its folder."""

from __future__ import annotations

import re
from typing import Final

import orjson

from .._storage.object_store import Store
from ..exceptions import EvaluationError
from .claims import block_size
from .fingerprint import Facts, differences

_HEAD: Final = "evaluation.json"
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,119}")


def checked_id(evaluation_id: object) -> str:
    """Return the id of an evaluation, or raise ValueError if it can't name a folder."""
    if not isinstance(evaluation_id, str) or not _NAME.fullmatch(evaluation_id):
        raise ValueError(
            f"evaluation_id {evaluation_id!r} must be 1 to 120 letters, digits, hyphens, "
            "underscores and dots, beginning with a letter or digit."
        )
    return evaluation_id


def agree(store: Store, evaluation_id: str, facts: Facts, calls: int) -> int:
    """Create the evaluation, or see that the one there is the same; return its size of a block.

    Raises:
        EvaluationError: the evaluation there is another one; it says what differs.
    """
    size = block_size(calls)
    head = {"evaluation_id": evaluation_id, "facts": facts, "calls": calls, "block_size": size}
    if store.create(_HEAD, orjson.dumps(head, option=orjson.OPT_INDENT_2)):
        return size
    try:
        known = orjson.loads(store.get(_HEAD) or b"")
        told = differences(known["facts"], facts)
        size = int(known["block_size"])
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{store.address}/{_HEAD} can't be read ({error}). Remove it to go on, or give another "
            "evaluation_id."
        ) from error
    if told:
        raise EvaluationError(
            f"The evaluation {evaluation_id!r} in {store.address} is another one: "
            f"{'; '.join(told)}. Nothing was run. Give another run or evaluation_id for what was "
            "changed, or take the change back to go on with this one."
        )
    return size
