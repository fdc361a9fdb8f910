"""What evaluators call is recorded apart: traces of the kind `evaluator`, with figures of their
own.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook

from .._destinations import Destination
from .._record.evaluation_marks import EVALUATED_TRACE, EVALUATOR_KIND
from .._recording.nesting import innermost
from ..handler import SageMakerCallbackHandler
from .cases import Case

_PREFIX = "judge."


class _Judging:
    """One call of an evaluator. Its span opens when the evaluator first calls LangChain: most
    evaluators are plain code and need none.
    """

    def __init__(self, handler: SageMakerCallbackHandler, name: str, case: Case) -> None:
        self._handler = handler
        self._name = name
        self._case = case
        self._lock = threading.Lock()
        self.span: Any = None

    def handler(self) -> SageMakerCallbackHandler:
        """Return the handler for a call that begins in this context."""
        with self._lock:
            if self.span is None:
                case = self._case
                values = {"inputs": case.inputs, "outputs": case.outputs}
                marks = {EVALUATED_TRACE: case.trace_id, "example_id": case.example["id"]}
                self.span = self._handler.span(self._name, EVALUATOR_KIND, values, metadata=marks)
                self.span.open()
        if innermost.get() is None:
            self.span.activate()
        return self._handler

    def close(self, result: Any, error: BaseException | None) -> None:
        if self.span is not None:
            self.span.set_outputs(result)
            self.span.close(error)


class _Hook:
    """What LangChain asks for a handler to add to a call that begins."""

    name = "langchain_sagemaker_experiments_judges"

    def __init__(self) -> None:
        self.here: ContextVar[_Judging | None] = ContextVar("sagemaker_judging", default=None)

    def get(self) -> SageMakerCallbackHandler | None:
        judging = self.here.get()
        return judging.handler() if judging is not None else None


_hook = _Hook()
_registering = threading.Lock()
_registered = False


class Judges:
    """Calls evaluators, each with a trace of its own if it calls LangChain.

    Args:
        handler: records what evaluators call.
    """

    def __init__(self, handler: SageMakerCallbackHandler) -> None:
        global _registered
        self.handler = handler
        with _registering:
            if not _registered:
                _registered = True
                # LangChain only ever calls `get` of the variable it is given.
                register_configure_hook(_hook, inheritable=True)  # type: ignore[arg-type]

    def call(self, evaluator: Any, case: Case) -> tuple[Any, BaseException | None, bool]:
        """Return an evaluator's result, or what it raised, and whether it called a model."""
        return contextvars.copy_context().run(self._call, evaluator, case)

    def _call(self, evaluator: Any, case: Case) -> tuple[Any, BaseException | None, bool]:
        judging = self._enter(evaluator.name, case)
        try:
            result, error = evaluator.call(case), None
        except Exception as raised:
            result, error = None, raised
        judging.close(result, error)
        return result, error, judging.span is not None

    async def acall(self, evaluator: Any, case: Case) -> tuple[Any, BaseException | None, bool]:
        """Do the same with an evaluator whose result is awaited, in a task of its own."""
        judging = self._enter(evaluator.name, case)
        error: BaseException | None = None
        try:
            result = await evaluator.call(case)
        except Exception as raised:
            result, error = None, raised
        judging.close(result, error)
        return result, error, judging.span is not None

    def _enter(self, name: str, case: Case) -> _Judging:
        judging = _Judging(self.handler, name, case)
        var_child_runnable_config.set(None)
        innermost.set(None)
        _hook.here.set(judging)
        return judging


class JudgeDestination:
    """A run to which judges' traces go: their figures bear names of their own (`judge.traces`).

    Args:
        inner: the run's destination.
    """

    def __init__(self, inner: Destination) -> None:
        self._inner = inner
        self.workers = inner.workers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters of judges that the run has."""
        found = self._inner.parameters().items()
        return {k.removeprefix(_PREFIX): v for k, v in found if k.startswith(_PREFIX)}

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Set the judges' parameters."""
        self._inner.log_parameters({f"{_PREFIX}{k}": v for k, v in parameters.items()})

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log the judges' metrics."""
        self._inner.log_metrics({f"{_PREFIX}{k}": v for k, v in metrics.items()}, step)
