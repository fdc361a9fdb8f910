"""What goes wrong while recording: counted, logged once, and reported by the next flush."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .._encoding.foreign_code import is_from_signal
from .._masking.masked_logger import masked_logger

logger = masked_logger("langchain_sagemaker_experiments")

_MAX_LOGGED: Final = 20
"""Kinds of faults that are logged; further ones are only counted."""
_MAX_CHARS: Final = 300


class Faults:
    """Faults by kind.

    Args:
        mask: a message → the message without secrets.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self.mask = mask
        self.counts: dict[str, int] = {}
        """Kind of fault → how often it came since the last flush."""

    def note(self, where: str, error: BaseException) -> None:
        """Count an exception that must not reach the application.

        Raises:
            BaseException: the exception itself, where it is the application's: raised for a signal.
        """
        if is_from_signal(error):
            raise error
        try:
            message = str(error)
        except BaseException as failure:
            message = f"str failed: {type(failure).__name__}"
        fault = self.mask(f"{where}: {type(error).__name__}: {message}")[:_MAX_CHARS]
        if fault not in self.counts:
            if len(self.counts) < _MAX_LOGGED:
                # The traceback would show the application's values.
                logger.warning(
                    "SageMakerCallbackHandler could not record all of an event: %s", fault
                )
            else:
                fault = "other faults"
        self.count(fault)

    def count(self, fault: str, times: int = 1) -> None:
        """Count something that was not recorded."""
        self.counts[fault] = self.counts.get(fault, 0) + times

    def drain(self) -> dict[str, int]:
        """Return the counts and begin anew."""
        counts, self.counts = self.counts, {}
        return counts
