"""Every secret format that is known, each made up at run time, and what of it must not come out."""

from __future__ import annotations

import re

from langchain_sagemaker_experiments._masking.secret_shapes import SHAPES

FORMATS = {shape.name: shape.sample() for shape in SHAPES}
"""Name of a format → a text that holds such a secret."""
_TELLS = {
    shape.name: max(re.findall(r"[A-Za-z0-9_.~/-]+", shape.masked()), key=len) for shape in SHAPES
}
"""Name of a format → the part of its secret that no encoding writes in another way."""


def leaked(written: bytes | str) -> list[str]:
    """Return the names of the formats whose secrets stand in what was written."""
    text = written.decode("utf-8", "replace") if isinstance(written, bytes) else written
    return [name for name, tell in _TELLS.items() if tell in text]
