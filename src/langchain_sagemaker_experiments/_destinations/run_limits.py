"""Parameters cut to what SageMaker accepts: at most 300, keys of 320 and text of 2,500
characters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .._record.limits import MAX_PARAMETER_KEY, MAX_PARAMETER_STRING, MAX_PARAMETERS
from .base import Parameter


def shorten(text: str, limit: int) -> str:
    """Return `text` within `limit` characters; a longer one ends with a mark that tells its true
    length.
    """
    if len(text) <= limit:
        return text
    mark = f"… [{len(text)} characters, whole in the JSON]"
    return text[: limit - len(mark)] + mark


def bounded_parameters(
    new: Mapping[str, Parameter], existing: Mapping[str, object]
) -> dict[str, Parameter]:
    """Return what of `new` may be sent to a run that has `existing`: shortened, finite, and within
    the number allowed.
    """
    accepted: dict[str, Parameter] = {}
    count = len(existing)
    for name, value in new.items():
        if isinstance(value, float) and not math.isfinite(value):
            continue
        key = shorten(name, MAX_PARAMETER_KEY)
        if key not in existing and key not in accepted:
            if count >= MAX_PARAMETERS:
                continue
            count += 1
        accepted[key] = shorten(value, MAX_PARAMETER_STRING) if isinstance(value, str) else value
    return accepted
