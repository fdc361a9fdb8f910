"""Ids of spans: random, from a source of our own.

Python's global generator belongs to the application. A seeded application would get other numbers
with this handler than without it, and two workers with one seed would give their spans the same
ids.
"""

from __future__ import annotations

import os
import random
import uuid
from uuid import UUID

_source = random.Random()  # noqa: S311 (seeded by the operating system; ids are no secrets)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_source.seed)

_bits = _source.getrandbits


def new_id() -> UUID:
    """Return a random id (UUID version 4).

    Cheaper than `uuid4`, which asks the operating system each time.
    """
    return UUID(int=(_bits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (4 << 76) | (2 << 62))


def as_uuid(value: object) -> UUID:
    """Return a run id as UUID: ids given by hand may be text, and text that is no UUID maps to the
    same one each time.
    """
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, str(value))
