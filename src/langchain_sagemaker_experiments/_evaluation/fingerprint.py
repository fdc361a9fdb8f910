"""The fingerprint of an evaluation: what must be the same for two processes to share it.

Facts by name: the version of the examples, the code of each evaluator, the parts the target is
built of, its prompts. Where facts differ, their names and the difference of texts are told.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import re
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import orjson

from .._analysis.examples import Examples
from .._encoding.any_value import dump_json
from .._langchain_values import graph_of
from .._langchain_values.prompts import MAX_PROMPT, add_prompt, is_prompt, prompt_text
from .._masking.text_masking import mask_text
from .._record.plurals import counted
from .._record.provenance import prompt_hash
from .evaluators import Evaluator

Facts = dict[str, str]

_PROMPT: Final = "prompt "
_DEPTH: Final = 3
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def make_facts(
    examples: Examples, repetitions: int, evaluators: list[Evaluator], target: Any
) -> Facts:
    """Return the facts of an evaluation, with secrets masked."""
    facts = {
        "examples": f"{counted(len(examples), 'example')}, version {examples.version}",
        "repetitions": str(repetitions),
    }
    for evaluator in evaluators:
        facts[f"evaluator {evaluator.name}"] = digest(code_of(evaluator.function))
    facts.update(target_facts(target))
    return facts


def target_facts(target: Any) -> Facts:
    """Return the facts of a target: the text of each prompt, a hash of everything else."""
    prompts: Facts = {}
    if not callable(getattr(target, "get_graph", None)):
        described: Any = code_of(target, prompts)
    else:
        described = _described_runnable(target, prompts)
    return {"target": digest(described), **prompts}


def _described_runnable(runnable: Any, prompts: Facts, depth: int = 0) -> Any:
    try:
        nodes = graph_of(runnable)["nodes"]
        drawn = list(_draw(runnable).nodes.values())
    except Exception:
        return [type(runnable).__name__]  # a graph that can't be drawn
    found: list[Any] = []
    for node, own in zip(nodes, drawn, strict=False):
        component = node["component"]
        if node["kind"] == "prompt":
            _add_prompt(prompts, str(node["name"]), _prompt_text(own.data))
        function = _function_of(own.data)
        code = code_of(function, prompts, depth + 1) if function is not None else None
        found.append([node["name"], node["kind"], node["type"], component, code])
    return found


def _draw(runnable: Any) -> Any:
    try:
        return runnable.get_graph(xray=True)
    except TypeError:
        return runnable.get_graph()


def prompts_of(facts: Facts) -> dict[str, str]:
    """Return name → text of the prompts among facts."""
    return {
        name.removeprefix(_PROMPT): text for name, text in facts.items() if name.startswith(_PROMPT)
    }


def without_texts(facts: Facts) -> Facts:
    """Return facts with the hash of each prompt in place of its text."""
    return {
        name: prompt_hash(text) if name.startswith(_PROMPT) else text
        for name, text in facts.items()
    }


def _prompt_text(prompt: Any) -> str:
    from langchain_core.load import dumpd

    serialized = dumpd(prompt)
    text = prompt_text(serialized) if is_prompt(serialized) else ""
    if text:
        return text
    pretty = getattr(prompt, "pretty_repr", None)
    try:
        return str(pretty()) if callable(pretty) else repr(prompt)
    except Exception:
        return repr(prompt)


def _add_prompt(prompts: Facts, name: str, text: str) -> None:
    add_prompt(prompts, name, mask_text(text[:MAX_PROMPT]), prefix=_PROMPT)


def _function_of(data: Any) -> Any:
    """The user's function in a node: of a RunnableLambda, of a node of LangGraph."""
    for name in ("func", "afunc"):
        function = getattr(data, name, None)
        if function is not None:
            return function
    bound = getattr(data, "bound", None)
    return _function_of(bound) if bound is not None and bound is not data else None


def code_of(function: Any, prompts: Facts | None = None, depth: int = 0) -> Any:
    """Return what a function is made of: its source, and the values it refers to by name.

    Texts it refers to count as prompts where `prompts` takes them.
    """
    prompts = prompts if prompts is not None else {}
    inner = getattr(function, "func", None)
    if callable(inner) and not inspect.isfunction(function):  # functools.partial
        settings = [getattr(function, "args", ()), getattr(function, "keywords", {})]
        return [code_of(inner, prompts, depth), _value(settings, "ARGUMENTS", prompts, depth)]
    if not inspect.isroutine(function):
        held = getattr(function, "__dict__", {})
        fields = {k: _value(v, k, prompts, depth) for k, v in sorted(held.items())}
        return [type(function).__qualname__, _source(type(function)), fields]
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    if code is None:
        return [getattr(function, "__qualname__", str(function))]
    cells = getattr(function, "__closure__", None) or ()
    names: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, cells, strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue
    for name in code.co_names:
        if name in function.__globals__:
            names[name] = function.__globals__[name]
    values = {name: _value(value, name, prompts, depth) for name, value in sorted(names.items())}
    defaults = _value(function.__defaults__, "DEFAULTS", prompts, depth)
    return [_source(function), values, defaults]


def _source(function: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            return str(getattr(function, "__qualname__", type(function).__qualname__))
        constants = [c for c in code.co_consts if isinstance(c, (str, int, float, bool))]
        return f"{code.co_code.hex()} {constants} {code.co_names}"


def _value(value: Any, name: str, prompts: Facts, depth: int) -> Any:
    """A value that code refers to, as far as it is the same in another process.

    Texts are: prompts and names of models. Numbers are where their name says that they are
    constants; else they may be counters, as what is in lists and dictionaries may be.
    """
    if isinstance(value, str):
        if len(value.split()) > 1:
            _add_prompt(prompts, name, value)
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return value if name.isupper() else type(value).__qualname__
    if depth >= _DEPTH:
        return type(value).__qualname__
    if isinstance(value, Mapping):
        if not name.isupper():
            return type(value).__qualname__
        found = {str(k): _value(v, "item", prompts, depth + 1) for k, v in value.items()}
        return dict(sorted(found.items()))
    if isinstance(value, tuple) or (isinstance(value, list) and name.isupper()):
        return [_value(item, name, prompts, depth + 1) for item in value]
    if callable(getattr(value, "get_graph", None)) and not isinstance(value, type):
        return _described_runnable(value, prompts, depth + 1)
    if inspect.isfunction(value) and not _is_library(value):
        return code_of(value, prompts, depth + 1)
    return getattr(value, "__qualname__", type(value).__qualname__)


def _is_library(function: Any) -> bool:
    path = getattr(getattr(function, "__code__", None), "co_filename", "")
    return "site-packages" in path or "/lib/python" in path


def digest(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a value's JSON."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    data = dump_json(value, lambda one: _ADDRESS.sub("", repr(one)), options)
    return hashlib.sha256(data).hexdigest()[:16]


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between two sets of facts, one sentence each."""
    told: list[str] = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if old is None:
            told.append(f"{name} is new")
        elif new is None:
            told.append(f"{name} is gone")
        elif name.startswith(_PROMPT):
            told.append(f"{name} was changed: {_text_difference(old, new)}")
        elif name in ("examples", "repetitions"):
            told.append(f"{name}: {old} before, {new} now")
        else:
            told.append(f"{name} was changed")
    # A changed prompt changes the target's hash too: the prompt says more.
    prompts = any(one.startswith(_PROMPT) for one in told)
    return [one for one in told if not (prompts and one == "target was changed")]


def _text_difference(old: str, new: str) -> str:
    before, after = old.split(), new.split()
    pieces: list[str] = []
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            pieces.append(f"{' '.join(before[a:b])!r} → {' '.join(after[c:d])!r}")
    return ", ".join(pieces[:5])[:500] + (" …" if len(pieces) > 5 else "")
