"""A pytest plugin that hides packages, as if they were not installed: `WITHOUT="pandas moto" pytest
-p support.without …`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

HIDDEN = frozenset(os.environ.get("WITHOUT", "").split())


class _Hides:
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r} (hidden for this test)", name=name)
        return None


sys.meta_path.insert(0, _Hides())  # type: ignore[arg-type]
