"""Finding experiments, trials and trial components by name, and the errors where there is none.

SageMaker does not tell upper from lower case: names are keys in lower case here, and shown as they
were given.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from moto.sagemaker.exceptions import ResourceNotFound, ValidationError

STORES: Final = {
    "Experiment": "experiments",
    "Trial": "trials",
    "Trial component": "trial_components",
}
"""What a thing is called in messages → where moto's backend holds it."""


def find(backend: Any, kind: str, name: str) -> Any:
    """Return an experiment, trial or trial component.

    Raises:
        ResourceNotFound: there is none of this name.
    """
    found = getattr(backend, STORES[kind]).get(name.lower())
    if found is None:
        raise ResourceNotFound(f"{kind} '{name}' does not exist.")
    return found


def add(backend: Any, kind: str, name: str, thing: Any) -> None:
    """Store a new thing, under a name that must be free (see `refuse_taken`)."""
    getattr(backend, STORES[kind])[name.lower()] = thing


def remove(backend: Any, kind: str, name: str) -> None:
    """Remove a thing that is there."""
    del getattr(backend, STORES[kind])[name.lower()]


def refuse_taken(backend: Any, kind: str, name: str) -> None:
    """Refuse a name that another thing of this kind has.

    Raises:
        ValidationError: the name is taken.
    """
    if name.lower() in getattr(backend, STORES[kind]):
        titled = kind.title()
        raise ValidationError(
            f"{titled} names must be unique within an AWS account and region. "
            f"{kind} with name ({name}) already exists."
        )


def same(one: str, other: str) -> bool:
    """Return True if two names are one to SageMaker."""
    return one.lower() == other.lower()


def now() -> datetime.datetime:
    """Return the time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)
