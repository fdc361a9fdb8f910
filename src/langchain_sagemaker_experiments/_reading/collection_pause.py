"""For the time of a bulk load: millions of new values, none of them garbage, are not searched for
garbage over and over.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Pause Python's cyclic collector, which takes two thirds of the time of reading 100,000 spans,
    and let it go on after.

    Nothing read is a cycle, and what is dropped meanwhile is freed by its reference count as ever.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
