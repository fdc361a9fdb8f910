"""Evaluators: plain functions that judge a call by the values they name as parameters.

The convention is the field's: a function names any of `inputs`, `outputs`, `reference_outputs`,
`run`, `example`, `trace`, and returns a bool, a number, a text, a dictionary with `key`, `score`,
`comment`, or a list of these. So evaluators written for LangSmith and openevals run unchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .._record.score import Value
from .cases import Case, ExampleView, RunView

_VALUES: Final[dict[str, Callable[[Case], Any]]] = {
    "inputs": lambda case: case.inputs,
    "outputs": lambda case: case.shown_outputs,
    "reference_outputs": lambda case: case.reference_outputs,
    "run": RunView,
    "example": ExampleView,
    "trace": lambda case: case.trace,
}
"""What an evaluator may name as a parameter."""
_RESERVED: Final = ("key", "score", "value", "results")


@dataclass(frozen=True)
class Judgement:
    """What an evaluator said under one key."""

    key: str
    score: Value
    comment: str | None = None


class Evaluator:
    """A function of the user with its name and the arguments it takes.

    Args:
        function: the function, or an object with LangSmith's `evaluate_run`.
        name: its name; the key of a result that names none.

    Raises:
        TypeError: it is not a function, or has parameters that nobody can fill.
    """

    def __init__(self, function: Any, name: str) -> None:
        judge = getattr(function, "evaluate_run", None)
        self.function: Callable[..., Any] = judge if callable(judge) else function
        if not callable(self.function):
            raise TypeError(f"An evaluator must be a function, not {type(function).__name__}.")
        self.name = name
        self.is_async = is_async(self.function)
        self._by_position, self._by_name = _arguments(self.function, name)

    def call(self, case: Case) -> Any:
        """Call the function; the result may be awaitable."""
        positional = [_VALUES[name](case) for name in self._by_position]
        named = {name: _VALUES[name](case) for name in self._by_name}
        return self.function(*positional, **named)

    def judgements(self, result: Any) -> list[Judgement]:
        """Return what a result of the function says.

        Raises:
            TypeError: it is none of what an evaluator may return.
        """
        return list(_judgements(result, self.name))


def make_evaluators(functions: Iterable[Any]) -> list[Evaluator]:
    """Return evaluators with names of their own: the second `correct` is `correct_2`."""
    found: list[Evaluator] = []
    taken: dict[str, int] = {}
    for number, function in enumerate(functions, 1):
        name = name_of(function) or f"evaluator_{number}"
        taken[name] = taken.get(name, 0) + 1
        found.append(Evaluator(function, name if taken[name] == 1 else f"{name}_{taken[name]}"))
    return found


def name_of(function: Any) -> str | None:
    """Return the name of a function, of what a `partial` calls, or of an object's class."""
    inner = getattr(function, "func", None)
    if callable(inner):
        return name_of(inner)
    name = getattr(function, "__name__", None) or getattr(function, "name", None)
    if name == "<lambda>":
        return None
    return str(name) if name else type(function).__name__


def is_async(function: Any) -> bool:
    """Return True if a call of the function gives something to await."""
    inner = getattr(function, "func", None)
    if callable(inner) and not inspect.isfunction(function):
        return is_async(inner)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object may be a coroutine function
    )


def _arguments(function: Callable[..., Any], name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the values to pass by position and by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ("run", "example"), ()
    known = [p for p in parameters if p.name in _VALUES and p.kind is not p.VAR_KEYWORD]
    needed = [p for p in parameters if p.default is p.empty and p.kind not in _VARIABLE]
    unknown = [p for p in needed if p.name not in _VALUES]
    if unknown:
        # LangSmith takes a function of two parameters of any names as one of run and example.
        positional = [p for p in needed if p.kind in _POSITIONAL]
        if known or not 1 <= len(positional) == len(needed) <= 2:
            names = ", ".join(_VALUES)
            raise TypeError(
                f"The evaluator {name!r} has the parameter {unknown[0].name!r}, which nobody can "
                f"fill. It may name {names}."
            )
        return ("run", "example")[: len(positional)], ()
    by_position = tuple(p.name for p in known if p.kind is p.POSITIONAL_ONLY)
    return by_position, tuple(p.name for p in known if p.kind is not p.POSITIONAL_ONLY)


_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def _judgements(result: Any, name: str) -> Iterable[Judgement]:
    if result is None:
        return
    if isinstance(result, (bool, int, float, str)) or hasattr(result, "item"):
        yield Judgement(name, result)
    elif isinstance(result, Mapping):
        yield from _of_mapping(result, name)
    elif isinstance(result, (list, tuple)):
        for one in result:
            yield from _judgements(one, name)
    elif hasattr(result, "score") or hasattr(result, "results"):
        names = (*_RESERVED, "comment")
        yield from _of_mapping({n: getattr(result, n) for n in names if hasattr(result, n)}, name)
    else:
        raise TypeError(
            f"The evaluator {name!r} returned {type(result).__name__}; it may return a bool, a "
            "number, a text, a dictionary with key, score and comment, or a list of these."
        )


def _of_mapping(result: Mapping[str, Any], name: str) -> Iterable[Judgement]:
    if result.get("results") is not None:
        yield from _judgements(list(result["results"]), name)
        return
    if not any(field in result for field in _RESERVED):
        # {"precision": 0.5, "recall": 0.7}
        for key, value in result.items():
            yield from _judgements(value, str(key))
        return
    score = result.get("score")
    value = score if score is not None else result.get("value")
    if value is not None:
        comment = result.get("comment")
        shown = str(comment) if comment is not None else None
        yield Judgement(str(result.get("key") or name), value, shown)
