"""Evaluators that come with the package."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from .._record.model_facts import MODEL_KINDS, model_of, tokens_of

_NOT_GIVEN: Final = object()
Order = Literal["strict", "any", "superset"]


def exact_match(outputs: Any = _NOT_GIVEN, reference_outputs: Any = None) -> Any:
    """Return True if the outputs equal the reference outputs.

    Messages are compared by their content, and `{"output": value}` with a plain value by the value.
    Called without arguments, it returns itself.
    """
    if outputs is _NOT_GIVEN:
        return exact_match
    found, wanted = _comparable(outputs, reference_outputs)
    return found == wanted


def json_match(outputs: Any = _NOT_GIVEN, reference_outputs: Any = None) -> Any:
    """Return True if outputs and reference outputs are the same JSON value.

    Texts are parsed, also within a fenced block of code; the order of keys does not count. Text
    that is no JSON matches nothing. Called without arguments, it returns itself.
    """
    if outputs is _NOT_GIVEN:
        return json_match
    found, wanted = _comparable(outputs, reference_outputs)
    try:
        return _parsed(found) == _parsed(wanted)
    except ValueError:
        return False


def contains(
    outputs: Any = _NOT_GIVEN, reference_outputs: Any = None, *, ignore_case: bool = True
) -> Any:
    """Return True if the text of the outputs contains the reference text, or each of a list.

    Called without outputs, it returns an evaluator with these settings.
    """
    if outputs is _NOT_GIVEN:
        return functools.partial(contains, ignore_case=ignore_case)
    found, wanted = _comparable(outputs, reference_outputs)
    text = _text(found)
    pieces = [_text(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
    if ignore_case:
        text, pieces = text.casefold(), [piece.casefold() for piece in pieces]
    return all(piece in text for piece in pieces)


def latency_within(seconds: float) -> Callable[..., dict[str, Any]]:
    """Return an evaluator: whether the call took at most `seconds`."""

    def latency_within(run: Any) -> dict[str, Any]:
        took = run.latency
        return {"key": "latency_within", "score": took <= seconds, "comment": f"{took:.3f} s"}

    return latency_within


def cost_within(
    amount: float, prices: Mapping[str, tuple[float, float]]
) -> Callable[..., dict[str, Any]]:
    """Return an evaluator: whether the model calls of the trace cost at most `amount`.

    Args:
        amount: in the currency of the prices.
        prices: model → price of 1,000,000 input tokens and of 1,000,000 output tokens. A model
            without a price is an error of the evaluator: nothing is guessed.
    """

    def cost_within(trace: Any) -> dict[str, Any]:
        cost = sum(_cost(span, prices) for span in trace if span["kind"] in MODEL_KINDS)
        return {"key": "cost_within", "score": cost <= amount, "comment": f"{cost:.6g}"}

    return cost_within


def _cost(span: Mapping[str, Any], prices: Mapping[str, tuple[float, float]]) -> float:
    attributes = span["attributes"]
    model = model_of(attributes)
    if model is None or model not in prices:
        raise ValueError(f"There is no price for the model {model!r}.")
    of_input, of_output = prices[model]
    tokens_in, tokens_out = tokens_of(attributes, "input"), tokens_of(attributes, "output")
    return ((tokens_in or 0) * of_input + (tokens_out or 0) * of_output) / 1e6


def tool_calls_match(
    trace: Any = _NOT_GIVEN,
    reference_outputs: Any = None,
    *,
    order: Order = "strict",
    arguments: bool = True,
) -> Any:
    """Return whether the tools that were called are those expected: the trajectory of an agent.

    `reference_outputs["tool_calls"]` (or a plain list) has the names, or `{"name", "args"}`, in the
    order expected. Called without a trace, it returns an evaluator with these settings.

    Args:
        trace: the spans of the call; the evaluation passes them.
        reference_outputs: what is expected; the evaluation passes it.
        order: "strict": these calls in this order; "any": these calls in any order; "superset":
            further calls are allowed too.
        arguments: compare the arguments where the reference has some.
    """
    if trace is _NOT_GIVEN:
        return functools.partial(tool_calls_match, order=order, arguments=arguments)
    if order not in ("strict", "any", "superset"):
        raise ValueError(f'order must be "strict", "any" or "superset", not {order!r}.')
    wanted = _expected_calls(reference_outputs)
    called = [_tool_call(span) for span in trace if span["kind"] == "tool"]
    right = _same_calls(called, wanted, order, arguments)
    shown = " → ".join(name for name, _ in called) or "no tool was called"
    return {"key": "tool_calls_match", "score": right, "comment": shown}


Call = tuple[str, Any]


def _expected_calls(reference: Any) -> list[Call]:
    found = reference.get("tool_calls") if isinstance(reference, Mapping) else reference
    if not isinstance(found, list):
        raise ValueError("reference_outputs must have a list `tool_calls`.")
    return [
        (one, None) if isinstance(one, str) else (str(one["name"]), one.get("args"))
        for one in found
    ]


def _tool_call(span: Mapping[str, Any]) -> Call:
    inputs = span["inputs"]
    if isinstance(inputs, Mapping) and set(inputs) == {"input"}:
        inputs = inputs["input"]
    if isinstance(inputs, str):
        try:
            inputs = _parsed(inputs)
        except ValueError:
            return str(span["name"]), inputs
    return str(span["name"]), inputs


def _same_calls(called: list[Call], wanted: list[Call], order: Order, arguments: bool) -> bool:
    def same(call: Call, expected: Call) -> bool:
        ignored = not arguments or expected[1] is None
        return call[0] == expected[0] and (ignored or call[1] == expected[1])

    if order == "strict":
        pairs = zip(called, wanted, strict=False)
        return len(called) == len(wanted) and all(same(*pair) for pair in pairs)
    rest = list(called)
    # Calls that must have certain arguments choose first.
    for expected in sorted(wanted, key=lambda call: call[1] is None):
        found = next((call for call in rest if same(call, expected)), None)
        if found is None:
            return False
        rest.remove(found)
    return order == "superset" or not rest


def _comparable(outputs: Any, reference: Any) -> tuple[Any, Any]:
    """Outputs and reference as plain values. A dictionary with one entry stands for the entry where
    the other side is no dictionary, or has the name that wrapping gives (`output`).
    """
    found, wanted = _plain(outputs), _plain(reference)
    both = isinstance(found, dict) and isinstance(wanted, dict)
    if both and (found.keys() == wanted.keys() or "output" not in found):
        return found, wanted
    return _single(found), _single(wanted)


def _single(value: Any) -> Any:
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


def _plain(value: Any) -> Any:
    """The value without LangChain's classes: of a message its content."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    content = getattr(value, "content", None)
    if content is not None and hasattr(value, "type"):
        return content
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else value


_FENCE: Final = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    fenced = _FENCE.search(value)
    return json.loads(fenced[1] if fenced else value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
