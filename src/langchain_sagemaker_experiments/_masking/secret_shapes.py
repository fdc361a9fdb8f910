"""The table of secret shapes: each row has anchors, an expression and a made-up sample.

To add a kind of secret, add a row to the table that fits:

- `prefix_shapes_ai`, `prefix_shapes_cloud`, `prefix_shapes_apps`: a prefix marks the secret;
- `context_shapes`: only the name of the service before the secret marks it;
- `key_shapes`: blocks of key material and JSON Web Tokens;
- `text_shapes`: headers, addresses, connection strings, configuration files, commands.

The tests run the sample of each row.
"""

from __future__ import annotations

from typing import Final

from .context_shapes import CONTEXT_SHAPES
from .key_shapes import KEY_SHAPES
from .prefix_shapes_ai import AI_SHAPES
from .prefix_shapes_apps import APP_SHAPES
from .prefix_shapes_cloud import CLOUD_SHAPES
from .shape import Shape
from .text_shapes import TEXT_SHAPES

__all__ = ["ANCHORS", "SHAPES", "Shape"]

SHAPES: Final[tuple[Shape, ...]] = (
    *KEY_SHAPES,
    *TEXT_SHAPES,
    *AI_SHAPES,
    *CLOUD_SHAPES,
    *APP_SHAPES,
    *CONTEXT_SHAPES,
)
"""Each known shape. The order matters where two overlap: what takes more text stands first."""

ANCHORS: Final[tuple[str, ...]] = tuple(
    dict.fromkeys(anchor for shape in SHAPES for anchor in shape.anchors)
)
"""Each anchor once. A text without any of them holds no secret of a known shape."""
