"""The target of an evaluation: any runnable, graph or function, called so that its trace has the
example.
"""

from __future__ import annotations

import contextvars
import datetime
import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from .._calls import recorded_by
from .._delivery.held_traces import HeldTraces
from .._reading.parse import parse_part
from .._recording.ids import new_id
from .._recording.nesting import innermost
from ..handler import SageMakerCallbackHandler
from .cases import Case, Spans
from .evaluators import is_async, name_of

Marks = dict[str, Any]


class Target:
    """Calls what is evaluated, under a trace of its own.

    Args:
        target: a runnable, a compiled graph, or a function of the inputs, sync or async.
        handler: records the calls.
        traces: holds the traces of the calls.

    Raises:
        TypeError: it can't be called.
    """

    def __init__(self, target: Any, handler: SageMakerCallbackHandler, traces: HeldTraces) -> None:
        self.is_runnable = callable(getattr(target, "invoke", None))
        if not self.is_runnable and not callable(target):
            raise TypeError(
                f"The target must be a runnable or a function, not {type(target).__name__}."
            )
        self.target = target
        self.name = target_name(target)
        self.is_async = not self.is_runnable and is_async(target)
        self._handler = handler
        self._traces = traces

    def call(self, example: dict[str, Any], marks: Marks) -> Case:
        """Call the target on the example's inputs."""
        return contextvars.copy_context().run(self._call, example, marks)

    def _call(self, example: dict[str, Any], marks: Marks) -> Case:
        call = self._begin(example, marks)
        try:
            if self.is_runnable:
                call.outputs = self.target.invoke(example["inputs"], self._config(call))
            else:
                with self._span(call):
                    call.outputs = self.target(example["inputs"])
                    call.end_span()
        except Exception as error:
            call.fail(error)
        return call.case()

    async def acall(self, example: dict[str, Any], marks: Marks) -> Case:
        """Call the target on the example's inputs, in a task of its own."""
        call = self._begin(example, marks)
        try:
            if self.is_runnable:
                call.outputs = await self.target.ainvoke(example["inputs"], self._config(call))
            else:
                with self._span(call):
                    result = self.target(example["inputs"])
                    call.outputs = await result if inspect.isawaitable(result) else result
                    call.end_span()
        except Exception as error:
            call.fail(error)
        return call.case()

    def _begin(self, example: dict[str, Any], marks: Marks) -> _Call:
        _leave_outer_trace()
        call = _Call(example, marks["repetition"], self._spans_of)
        self._traces.hold(call.trace_id, marks)
        return call

    def _spans_of(self, trace_id: str) -> Spans:
        data = b"\n".join(self._traces.lines(UUID(trace_id)))
        spans = parse_part("trace", data, [])
        return sorted(spans, key=lambda span: str(span["start_time"]))

    def _config(self, call: _Call) -> Any:
        return {"callbacks": [self._handler], "run_id": call.trace_id}

    @contextmanager
    def _span(self, call: _Call) -> Iterator[None]:
        span = self._handler.span(self.name, "chain", call.example["inputs"])
        span._id = call.trace_id
        with span, recorded_by(self._handler):
            call.span = span
            yield


class _Call:
    """A call of the target while it runs."""

    def __init__(self, example: dict[str, Any], repetition: int, load_trace: Any) -> None:
        self.example = example
        self._repetition = repetition
        self.outputs: Any = None
        self.trace_id = new_id()
        self.span: Any = None
        self._load_trace = load_trace
        self._error: dict[str, str] | None = None
        self._wall = datetime.datetime.now(datetime.timezone.utc)
        self._began = time.perf_counter_ns()

    def end_span(self) -> None:
        self.span.set_outputs(self.outputs)

    def fail(self, error: Exception) -> None:
        self._error = described(error)

    def case(self) -> Case:
        return Case(
            example=self.example,
            repetition=self._repetition,
            outputs=self.outputs,
            trace_id=str(self.trace_id),
            latency_ms=(time.perf_counter_ns() - self._began) / 1e6,
            started=self._wall,
            error=self._error,
            load_trace=self._load_trace,
        )


def described(error: BaseException) -> dict[str, str]:
    """Return type and message of an exception as records have them."""
    return {"type": type(error).__name__, "message": str(error)}


def target_name(target: Any) -> str:
    """Return what people call a target."""
    get_name = getattr(target, "get_name", None)
    if callable(get_name):
        return str(get_name())
    return name_of(target) or "target"


def _leave_outer_trace() -> None:
    """An evaluation inside a recorded call has traces of its own, not children of that call."""
    var_child_runnable_config.set(None)
    innermost.set(None)
