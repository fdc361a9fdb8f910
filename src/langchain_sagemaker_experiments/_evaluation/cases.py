"""What an evaluator sees of a call of the target: the call's values, and LangSmith's older
objects.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Spans = list[dict[str, Any]]


@dataclass
class Case:
    """One call of the target on an example, done.

    Attributes:
        example: the example, a dictionary.
        repetition: which repetition of it, from 0.
        outputs: what the target returned.
        trace_id: the trace of the call.
        latency_ms: how long the call took.
        started: when it began.
        error: type and message of what the target raised; None if it returned.
        load_trace: gives the spans of the call, as the record has them.
    """

    example: dict[str, Any]
    repetition: int
    outputs: Any
    trace_id: str
    latency_ms: float
    started: datetime.datetime
    error: dict[str, str] | None
    load_trace: Callable[[str], Spans]
    _spans: Spans | None = field(default=None, repr=False)

    @property
    def inputs(self) -> Any:
        """The example's inputs."""
        return self.example["inputs"]

    @property
    def reference_outputs(self) -> Any:
        """The example's reference outputs, None if it has none."""
        return self.example["reference_outputs"]

    @property
    def shown_outputs(self) -> Any:
        """The outputs as evaluators take them.

        LangSmith wraps what is no dictionary into `{"output": value}`, and its evaluators rely on
        it. It is done here too where the reference outputs are a dictionary, as LangSmith's are.
        """
        return as_dict(self.outputs) if self.has_dict_reference else self.outputs

    @property
    def has_dict_reference(self) -> bool:
        """Whether the reference outputs are a dictionary."""
        return isinstance(self.reference_outputs, Mapping)

    @property
    def trace(self) -> Spans:
        """The spans of the call, in order of their start, as the record has them."""
        if self._spans is None:
            self._spans = self.load_trace(self.trace_id)
        return self._spans


def as_dict(value: Any) -> Any:
    """Return a dictionary as it is, None as none, and anything else as `{"output": value}`."""
    if value is None or isinstance(value, Mapping):
        return value
    return {"output": value}


class ExampleView:
    """An example as an object, as LangSmith's older evaluators take it; a mapping as well."""

    def __init__(self, case: Case) -> None:
        self._example = case.example
        self.id = case.example["id"]
        self.inputs = as_dict(case.inputs)
        self.outputs = as_dict(case.reference_outputs)
        self.reference_outputs = case.reference_outputs
        self.metadata = case.example["metadata"]

    def __getitem__(self, name: str) -> Any:
        return self._example[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field of the example."""
        return self._example.get(name, default)


class RunView:
    """A call of the target as an object, as LangSmith's older evaluators take it."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.id = self.trace_id = case.trace_id
        self.name = "target"
        self.run_type = "chain"
        self.inputs = as_dict(case.inputs)
        self.outputs = as_dict(case.outputs)
        self.error = case.error["message"] if case.error else None
        self.start_time = case.started
        self.end_time = case.started + datetime.timedelta(milliseconds=case.latency_ms)
        self.latency_ms = case.latency_ms
        self.metadata = case.example["metadata"]
        self.extra: dict[str, Any] = {"metadata": self.metadata}

    @property
    def latency(self) -> float:
        """Seconds that the call took."""
        return self.latency_ms / 1e3

    @property
    def child_runs(self) -> list[SpanView]:
        """The calls directly below the root of the trace."""
        return _children(self._case.trace, self.trace_id)


class SpanView:
    """A span of the trace, with the attributes that LangSmith's runs have."""

    def __init__(self, span: dict[str, Any], spans: Spans) -> None:
        self._spans = spans
        self.id = span["span_id"]
        self.trace_id = span["trace_id"]
        self.name = span["name"]
        self.run_type = "llm" if span["kind"] == "chat_model" else span["kind"]
        self.inputs = as_dict(span["inputs"])
        self.outputs = as_dict(span["outputs"])
        self.error = span["error"]["message"] if span["error"] else None
        self.metadata = span["metadata"]

    @property
    def child_runs(self) -> list[SpanView]:
        """The calls directly below this one."""
        return _children(self._spans, self.id)


def _children(spans: Spans, parent: str) -> list[SpanView]:
    return [SpanView(span, spans) for span in spans if span["parent_span_id"] == parent]
