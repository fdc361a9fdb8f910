"""What could not be read: named, not raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .._record.plurals import counted
from ..exceptions import printable

_MAX_SHOWN: Final = 5


@dataclass(frozen=True)
class Problem:
    """Something that could not be read: where, and why.

    Attributes:
        address: the file or object.
        reason: what is wrong with it.
        line: its line, where one line is meant.
    """

    address: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.address}, line {self.line}" if self.line is not None else self.address
        return printable(f"{place}: {self.reason}")


def describe(problems: Sequence[Problem]) -> str:
    """Return a few lines that say what was not read."""
    shown = "\n  ".join(str(problem) for problem in problems[:_MAX_SHOWN])
    more = f"\n  and {len(problems) - _MAX_SHOWN} more" if len(problems) > _MAX_SHOWN else ""
    count = counted(len(problems), "problem")
    return f"{count} while reading spans; everything else was read:\n  {shown}{more}"
