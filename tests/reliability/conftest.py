"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.programs import Zygote


@pytest.fixture(scope="session")
def programs() -> Iterator[Zygote]:
    """Programs in processes of their own."""
    zygote = Zygote()
    yield zygote
    zygote.close()
