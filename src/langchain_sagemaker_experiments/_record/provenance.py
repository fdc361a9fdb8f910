"""With what a process made its traces: commit, versions, prompts. A record of its own among the
spans, marked as no call, with the facts as attributes and the texts of prompts as component.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

PROVENANCE: Final = "langchain.provenance"
"""Attribute that marks the record, and its name."""
PROMPT: Final = "prompt."
"""Before the name of a prompt, in the name of the parameter that holds its hash."""
MADE_WITH: Final = "made_with"
"""Of a frame's attributes, the one that holds such records."""
_FACTS: Final = ("git.", "version.", PROMPT)

Owner = tuple[Any, Any]
"""Names of an experiment and a run."""


def is_provenance(record: Mapping[str, Any]) -> bool:
    """Return True if a record tells with what traces were made."""
    return (record["attributes"] or {}).get(PROVENANCE) is True


def facts_in(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts among the attributes of such a record."""
    return {name: value for name, value in attributes.items() if name.startswith(_FACTS)}


def prompts_in(record: Mapping[str, Any]) -> dict[str, str]:
    """Return name → text of the prompts of such a record, as far as texts were recorded."""
    component = record["component"]
    prompts = component.get("prompts") if isinstance(component, Mapping) else None
    if not isinstance(prompts, Mapping):
        return {}
    return {str(name): text for name, text in prompts.items() if isinstance(text, str)}


def owner_of(record: Mapping[str, Any]) -> Owner:
    """Return the names of a record's experiment and run; None where a frame holds none."""
    names = [record.get(name) for name in ("experiment_name", "run_name")]
    experiment, run = (name if isinstance(name, str) else None for name in names)
    return experiment, run


def prompts_by_run(records: Iterable[Mapping[str, Any]]) -> dict[Owner, dict[str, str]]:
    """Return the prompts of each run, the latest text of each name."""
    found: dict[Owner, dict[str, str]] = {}
    for record in records:
        found.setdefault(owner_of(record), {}).update(prompts_in(record))
    return found


def prompt_hash(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
