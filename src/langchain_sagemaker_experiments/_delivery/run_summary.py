"""Counts since the last flush: what becomes the Run's metrics and parameters. Knows the span
record, not where it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .._destinations.run_limits import bounded_parameters
from .._record.model_facts import MODEL_KINDS, tokens_of
from .._record.schema import ARCHITECTURE, ERROR_ORIGIN, LATE_END

Parameter = str | int | float
ParametersOf = Callable[[Mapping[str, Any]], Mapping[str, Parameter]]

_MAX_SETTINGS: Final = 256
"""Distinct sets of model settings kept; a Run has room for 300 parameters at all."""
_ANSWERS: Final = ("gen_ai.response.", "gen_ai.usage.", "langchain.", "gen_ai.conversation.")
"""Attributes of a call that are no settings of the model."""


_Settings = tuple[tuple[str, Parameter], ...]


class Summary:
    """Adds up finished spans.

    Args:
        parameters_of: attributes of a model's span → its settings under friendly names.
    """

    def __init__(self, parameters_of: ParametersOf) -> None:
        self._parameters_of = parameters_of
        # Shared by summaries of a kind: a summary of few spans sees what the one before has seen.
        self._last: list[tuple[list[tuple[str, Any]], _Settings]] = [([], ())]
        self._settings: dict[_Settings, None] = {}
        self.reset()

    def reset(self) -> None:
        """Begin to count anew; the settings seen so far are remembered, so that their names
        stay.
        """
        self.spans = 0
        self._traces = 0
        self._calls = 0
        self._errors = 0
        self._tokens = {"input_tokens": 0, "output_tokens": 0}
        self._latency_ms = 0.0

    def empty(self) -> Summary:
        """Return a summary of the same kind that has counted nothing."""
        found = Summary(self._parameters_of)
        found._last = self._last
        return found

    def plus(self, *others: Summary) -> Summary:
        """Return a new summary of what this one and the others have counted, settings included."""
        total = self.empty()
        for one in (self, *others):
            total.spans += one.spans
            total._traces += one._traces
            total._calls += one._calls
            total._errors += one._errors
            total._latency_ms += one._latency_ms
            for name, count in one._tokens.items():
                total._tokens[name] += count
            for settings in one._settings:
                if len(total._settings) < _MAX_SETTINGS:
                    total._settings[settings] = None
        return total

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one finished span, given as its record. A second end of a span that was counted is
        not counted again, and a record that is no call never.
        """
        if record["attributes"].get(LATE_END) or ARCHITECTURE in record["attributes"]:
            return
        self.spans += 1
        if record["status"] == "error" and ERROR_ORIGIN not in record["attributes"]:
            self._errors += 1
        if record["parent_span_id"] is None:
            self._traces += 1
            self._latency_ms += record["duration_ms"] or 0.0
        if record["kind"] not in MODEL_KINDS:
            return
        self._calls += 1
        attributes = record["attributes"]
        self._tokens["input_tokens"] += tokens_of(attributes, "input") or 0
        self._tokens["output_tokens"] += tokens_of(attributes, "output") or 0
        if len(self._settings) < _MAX_SETTINGS:
            self._add_settings(attributes)

    def _add_settings(self, attributes: Mapping[str, Any]) -> None:
        # Most calls have the settings of the one before: what they ask for looks the same, whatever
        # they were answered.
        asked = [item for item in attributes.items() if not item[0].startswith(_ANSWERS)]
        last_asked, settings = self._last[0]
        if asked != last_asked:
            # As a Run will hold them: they are kept as long as the handler, and compared with the
            # Run's.
            bounded = bounded_parameters(self._parameters_of(attributes), {})
            settings = tuple(sorted(bounded.items()))
            self._last[0] = (asked, settings)
        if settings:
            self._settings[settings] = None

    def metrics(self) -> dict[str, float]:
        """Return the metrics of what was counted: traces, model calls, errors, tokens, mean latency
        of a trace in ms.
        """
        if not self.spans:
            return {}
        metrics: dict[str, float] = {
            "traces": self._traces,
            "model_calls": self._calls,
            "errors": self._errors,
            **self._tokens,
        }
        if self._traces:
            metrics["latency_ms"] = round(self._latency_ms / self._traces, 3)
        return metrics

    def parameters(self, existing: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """Return the Run parameters for the model settings seen: the first set plain, further ones
        numbered `model_2.…`.

        Args:
            existing: what the Run has already, so that a second process does not write another
                model's settings over it.
        """
        taken: list[dict[str, Parameter]] = []
        first = {name: existing[name] for name in _known_names(self._settings) if name in existing}
        if first:
            taken.append(first)
        number = 2
        while numbered := {
            k.removeprefix(f"model_{number}."): v
            for k, v in existing.items()
            if k.startswith(f"model_{number}.")
        }:
            taken.append(numbered)
            number += 1
        parameters: dict[str, Parameter] = {}
        for settings in self._settings:
            named = dict(settings)
            if any(_same(named, known) for known in taken):
                continue
            taken.append(named)
            prefix = "" if len(taken) == 1 else f"model_{len(taken)}."
            parameters.update({f"{prefix}{name}": value for name, value in named.items()})
        return parameters


def _known_names(settings: Mapping[tuple[tuple[str, Parameter], ...], None]) -> set[str]:
    return {name for one in settings for name, _ in one}


def _same(settings: Mapping[str, Parameter], known: Mapping[str, Parameter]) -> bool:
    """Return True if `settings` are those known; the SDK gives numbers back as text once a Run is
    loaded.
    """
    return settings.keys() == known.keys() and all(
        str(value) == str(known[name]) for name, value in settings.items()
    )
