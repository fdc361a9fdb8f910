"""`record_calls(run)`: every LangChain call inside is recorded, without a change in the
application's code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from langchain_core.tracers.context import register_configure_hook

from .handler import SageMakerCallbackHandler


class _Active:
    """What LangChain asks for the handler to add: the one of this context, else the innermost one
    of the process.

    A context variable alone would miss threads the application starts itself, which begin with an
    empty context.
    """

    name = "langchain_sagemaker_experiments"

    def __init__(self) -> None:
        self.here: ContextVar[SageMakerCallbackHandler | None] = ContextVar(
            "sagemaker_handler", default=None
        )
        self.process: list[SageMakerCallbackHandler] = []

    def get(self) -> SageMakerCallbackHandler | None:
        handler = self.here.get()
        if handler is None and self.process:
            handler = self.process[-1]
        return handler


_active = _Active()
_registered = False


def _register() -> None:
    global _registered
    if not _registered:
        _registered = True
        # LangChain only ever calls `get` of the variable it is given.
        register_configure_hook(_active, inheritable=True)  # type: ignore[arg-type]


@contextmanager
def recorded_by(handler: SageMakerCallbackHandler) -> Iterator[None]:
    """Record every LangChain call made inside, in this context, with a handler that is there."""
    _register()
    token = _active.here.set(handler)
    try:
        yield
    finally:
        _active.here.reset(token)


class RecordedCalls:
    """What `record_calls` returns: for `with` and for `async with`."""

    def __init__(self, run: Any, settings: dict[str, Any]) -> None:
        self._run = run
        self._settings = settings

    def __enter__(self) -> SageMakerCallbackHandler:
        handler = SageMakerCallbackHandler(self._run, **self._settings)
        self._handler = handler.__enter__()
        self._token = _active.here.set(handler)
        _active.process.append(handler)
        return handler

    def _leave(self) -> SageMakerCallbackHandler:
        _active.process.remove(self._handler)
        _active.here.reset(self._token)
        return self._handler

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave().__exit__(kind, error, trace)

    async def __aenter__(self) -> SageMakerCallbackHandler:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._leave().__aexit__(kind, error, trace)


def record_calls(run: Any = None, **settings: Any) -> RecordedCalls:
    """Record every LangChain and LangGraph call made inside, in this thread, in async tasks and in
    threads started inside.

    In a coroutine write `async with record_calls(run):`; leaving it does not block the event loop.

    Args:
        run: as for `SageMakerCallbackHandler`.
        settings: further arguments of `SageMakerCallbackHandler`.

    Returns:
        What `with` takes. It gives the handler, which is flushed when the block is left.

    Raises:
        FlushError: the flush at the end failed; what was recorded is kept.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls
        >>> with OfflineRun("runs", experiment_name="jokes", run_name="first") as run:
        ...     with record_calls(run):
        ...         answer = FakeListChatModel(responses=["Blub."]).invoke("a joke")
        >>> load_spans("runs")["kind"].tolist()
        ['chat_model']
    """
    _register()
    return RecordedCalls(run, settings)
