"""The handler's methods for what is not LangChain; `manual_spans` does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .manual_spans import ManualSpans
from .span_capture import SpanCapture

if TYPE_CHECKING:
    from .._record.schema import Kind
    from ..spans import Span
    from .active_span import ActiveSpan

F = TypeVar("F", bound=Callable[..., Any])


class SpansByHand:
    """Blocks of code, functions, trees of spans and the graphs of runnables."""

    def __init__(self, capture: SpanCapture, manual: ManualSpans) -> None:
        self._capture = capture
        self._manual = manual

    def span(
        self,
        name: str,
        kind: Kind | str = "custom",
        inputs: Any = None,
        *,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ActiveSpan:
        """Record a block of code as a span: `with handler.span("rank", kind="tool") as span:`.

        LangChain calls inside become its children; inside a LangChain run it becomes that run's
        child.

        Args:
            name: what is shown for it.
            kind: one of the record's kinds, in upper or lower case.
            inputs: any value, as it is now.
            tags: as LangChain's.
            metadata: as LangChain's; `session_id` in it names the session.

        Raises:
            ValueError: an unknown kind.
        """
        return self._manual.span(name, kind, inputs, tags, metadata)

    @overload
    def traced(self, function: F, /) -> F: ...
    @overload
    def traced(
        self, function: None = None, /, *, name: str | None = None, kind: Kind | str = "custom"
    ) -> Callable[[F], F]: ...
    def traced(
        self, function: Any = None, /, *, name: str | None = None, kind: Kind | str = "custom"
    ) -> Any:
        """Decorate a function, coroutine function or (async) generator: each call is a span,
        arguments in, result out.

        Use it bare, `@handler.traced`, or with arguments, `@handler.traced(name="rank",
        kind="tool")`. What a generator yields is recorded as a list; one that is closed early is
        recorded as cancelled.

        Raises:
            ValueError: an unknown kind.
        """
        manual = self._manual
        if function is None:
            return lambda decorated: manual.traced(decorated, name, kind)
        return manual.traced(function, name, kind)

    trace = traced
    """The older name of `traced`."""

    def log_trace(self, span: Span) -> str:
        """Record a tree of spans built by hand; return the id of its trace.

        Raises:
            TypeError: it is not a `Span`.
        """
        return self._manual.log_trace(span)

    def log_architecture(self, runnable: Any, name: str | None = None) -> str:
        """Record the graph of a runnable: its nodes and what they were built with, its edges, its
        subgraphs.

        It goes to the Run with the next flush, as a record with
        `attributes["langchain.architecture"]` and the graph in `component`; reports show it as a
        drawing. Traces show their own components without it.

        Args:
            runnable: a chain, a compiled LangGraph, an agent, any LangChain runnable.
            name: what is shown for it; the runnable's own name by default.

        Returns:
            The id of the record.

        Raises:
            TypeError: it is not a runnable.
        """
        from .architecture_log import log_architecture

        return log_architecture(self._capture, runnable, name)
