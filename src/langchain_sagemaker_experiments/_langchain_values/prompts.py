"""LangChain's prompt templates, in their serialized form → texts: a line a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .._record.text import clean_text

_MAX_DEPTH: Final = 20
MAX_PROMPTS: Final = 30
MAX_PROMPT: Final = 100_000
"""Characters of a prompt that are looked at."""
_TEXTS: Final = ("template", "content")
_PLACES: Final = ("variable_name",)
_MESSAGES: Final = ("MessagePromptTemplate", "Message", "Placeholder")


def prompts_among(components: Iterable[Any]) -> list[tuple[str, str]]:
    """Return name and text of the prompt templates among serialized objects."""
    return [
        (str(component.get("name") or component["id"][-1]), text)
        for component in components
        if is_prompt(component) and (text := prompt_text(component))
    ]


def add_prompt(prompts: dict[str, str], name: str, text: str, *, prefix: str = "") -> None:
    """Add a prompt under its name, with a number where another prompt has that name. Beyond
    `MAX_PROMPTS` none is added.
    """
    text, name = clean_text(text), clean_text(name)
    number, label = 1, f"{prefix}{name}"
    while label in prompts:
        if prompts[label] == text:
            return
        number += 1
        label = f"{prefix}{name} {number}"
    if len(prompts) < MAX_PROMPTS:
        prompts[label] = text


def is_prompt(component: Any) -> bool:
    """Return True if a serialized object is a prompt template."""
    path = component.get("id") if isinstance(component, Mapping) else None
    return isinstance(path, (list, tuple)) and "prompts" in path and bool(path[-1])


def prompt_text(component: Mapping[str, Any]) -> str:
    """Return what a serialized prompt template says: kind and text of each message, a line each."""
    return "\n".join(_lines(component, "", 0))[:MAX_PROMPT]


def _lines(value: Any, role: str, depth: int) -> Iterable[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _lines(item, role, depth + 1)
    elif isinstance(value, Mapping):
        role = _role(value) or role
        settings = value.get("kwargs")
        for name, item in (settings if isinstance(settings, Mapping) else value).items():
            if name in _TEXTS and isinstance(item, str):
                yield f"{role}: {item}" if role else item
            elif name in _PLACES and isinstance(item, str):
                yield f"{{{item}}}"
            elif isinstance(item, (Mapping, list, tuple)) and name != "id":
                yield from _lines(item, role, depth + 1)


def _role(value: Mapping[str, Any]) -> str:
    path = value.get("id")
    name = str(path[-1]) if isinstance(path, (list, tuple)) and path else ""
    for ending in _MESSAGES:
        if name.endswith(ending):
            return name.removesuffix(ending).lower()
    return ""
