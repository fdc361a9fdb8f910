"""What a user, or an exception, says to a run of ours: secrets are masked before it leaves
memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._record.limits import MAX_STATUS_MESSAGE
from .base import Parameter
from .run_limits import shorten


def masked_parameters(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return parameters with secrets masked, in names too, and where the name tells one."""
    from .._masking.masking import mask_value

    masked: dict[str, Parameter] = mask_value(dict(parameters))
    return masked


def masked_text(text: str) -> str:
    """Return a text with secrets masked."""
    from .._masking.text_masking import mask_text

    return mask_text(text)


def status_message(error: BaseException) -> str:
    """Return what an exception says, masked and within what SageMaker shows of a failed run."""
    try:
        said = str(error)
    except Exception:  # an exception of the user's that can't say what it is
        said = type(error).__name__
    return shorten(masked_text(said), MAX_STATUS_MESSAGE)
