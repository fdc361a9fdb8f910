"""Spans by hand on a handler: `span`, `trace`, `log_trace`. They nest with LangChain's runs in
either direction.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, TypeVar, overload
from uuid import UUID

from .._record.schema import Kind
from ..spans import Span, checked_kind
from .live_span import LiveSpan
from .open_spans import attribute, new_id
from .span_capture import Capture, innermost

F = TypeVar("F", bound=Callable[..., Any])

# LangChain's own variable of the configuration that nested calls inherit.
_child_config: ContextVar[Any] = ContextVar("no_langchain_yet", default=None)


def connect() -> None:
    """Find LangChain's variable. Done when a handler is made: its module loads much that an import
    of this one need not.
    """
    global _child_config
    from langchain_core.runnables.config import var_child_runnable_config

    _child_config = var_child_runnable_config


def _langchain_run() -> UUID | None:
    """The LangChain run whose code is being executed in this context."""
    config = _child_config.get()
    return getattr(config.get("callbacks"), "parent_run_id", None) if config else None


class ActiveSpan:
    """A span that is open: what `with handler.span(...) as span` gives. Its methods say what else
    is to be recorded.
    """

    def __init__(
        self, handler: ManualSpans, name: str, kind: str, inputs: Any, tags: Any, metadata: Any
    ) -> None:
        self._handler = handler
        self._name = name
        self._kind = kind
        self._inputs = inputs
        self._tags = tags
        self._metadata = metadata
        self._id = new_id()
        self._outputs: Any = None
        self._live: LiveSpan | None = None
        self._token: Token[tuple[UUID, UUID | None] | None] | None = None

    @property
    def span_id(self) -> str:
        """The id of the span record."""
        return str(self._id)

    def set_outputs(self, outputs: Any) -> None:
        """Record what came out: any value, usually a dictionary of named outputs."""
        self._outputs = outputs

    def set_attribute(self, name: str, value: Any) -> None:
        """Record a fact about this span, by preference under a name of the OpenTelemetry GenAI
        conventions.
        """
        if self._live is not None:
            attribute(self._live, str(name), self._handler._as_it_is(value))

    def add_event(self, name: str, data: Any = None) -> None:
        """Record that something happened now."""
        if self._live is not None:
            self._handler._recorder.add_event(
                self._live, name, self._handler._encode(data) if data is not None else None
            )

    def _open(self) -> None:
        try:
            parent = self._handler._parent_here()
            self._live = self._handler._start(
                self._id,
                parent,
                self._kind,
                self._name,
                None,
                self._inputs,
                self._tags,
                self._metadata,
            )
        except Exception as error:
            self._handler._fault("span", error)

    def _activate(self) -> None:
        # A run that this handler does not see is no parent, here as in _parent_here.
        running = _langchain_run()
        seen = running is not None and running.int in self._handler._recorder.open
        self._token = innermost.set((self._id, running if seen else None))

    def _deactivate(self) -> None:
        if self._token is not None:
            # An abandoned async generator is closed in another context than it was opened in.
            with contextlib.suppress(ValueError):
                innermost.reset(self._token)
            self._token = None

    def _close(self, error: BaseException | None) -> None:
        try:
            if error is None:
                live = self._handler._end(self._id, None, (self._kind,), self._outputs)
            else:
                live = self._handler._fail(self._id, None, (self._kind,), error, self._outputs)
            self._handler._recorder.close(live)
        except Exception as fault:
            self._handler._fault("span", fault)

    def __enter__(self) -> ActiveSpan:
        self._open()
        self._activate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deactivate()
        self._close(error)

    async def __aenter__(self) -> ActiveSpan:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


class ManualSpans(Capture):
    """The part of the handler that records what is not LangChain."""

    def _parent_here(self, parent_run_id: UUID | None = None) -> UUID | None:
        """The parent of what starts in this context and, as LangChain says, lies in
        `parent_run_id`.

        LangChain names none where a call was given callbacks of its own, as `with_fallbacks` does
        with those of the outer call; it still lies in the run whose code makes it. A span by hand
        that was opened in that very run goes between.
        """
        known = self._recorder.open
        if parent_run_id is None:
            running = _langchain_run()
            if running is not None and running.int in known:
                parent_run_id = running
        by_hand = innermost.get()
        if by_hand is not None and by_hand[1] == parent_run_id and by_hand[0].int in known:
            return by_hand[0]
        return parent_run_id

    def span(
        self,
        name: str,
        kind: Kind | str = "custom",
        inputs: Any = None,
        *,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ActiveSpan:
        """Record a block of code as a span: `with handler.span("rank", kind="tool", inputs={...})
        as span:`.

        LangChain calls inside become its children; inside a LangChain run it becomes that run's
        child.

        Args:
            name: what is shown for it.
            kind: one of the record's kinds, in upper or lower case.
            inputs: any value, taken now.
            tags: as LangChain's.
            metadata: as LangChain's; `session_id` in it names the session.

        Raises:
            ValueError: an unknown kind.
        """
        return ActiveSpan(self, name, checked_kind(kind), inputs, tags, metadata)

    @overload
    def trace(self, function: F, /) -> F: ...
    @overload
    def trace(
        self, function: None = None, /, *, name: str | None = None, kind: Kind | str = "custom"
    ) -> Callable[[F], F]: ...
    def trace(
        self, function: Any = None, /, *, name: str | None = None, kind: Kind | str = "custom"
    ) -> Any:
        """Decorate a function, coroutine function or (async) generator: each call is a span,
        arguments in, result out.

        Use it bare, `@handler.trace`, or with arguments, `@handler.trace(name="rank",
        kind="tool")`. What a generator yields is recorded as a list; one that is closed early is
        recorded as cancelled.

        Raises:
            ValueError: an unknown kind.
        """
        kind = checked_kind(kind)
        if function is None:
            return lambda decorated: _decorate(self, decorated, name, kind)
        return _decorate(self, function, name, kind)

    def log_trace(self, span: Span) -> str:
        """Record a tree of spans built by hand; return the id of its trace.

        Raises:
            TypeError: it is no `Span`.
        """
        if not isinstance(span, Span):
            raise TypeError(f"log_trace takes a Span of this package, not {type(span).__name__}.")
        parent = self._parent_here()
        return str(self._log_tree(span, parent))

    def _log_tree(self, root: Span, parent: UUID | None) -> UUID:
        ends = _end_times(root)
        waiting: list[tuple[Span, UUID | None]] = [(root, parent)]
        trace_ids: list[UUID] = []
        opened: list[tuple[Span, LiveSpan]] = []
        while waiting:
            span, parent = waiting.pop()
            live = self._start(
                new_id(), parent, span.kind, span.name, None, span.inputs, span.tags, span.metadata
            )
            trace_ids.append(live.trace_id)
            live.start_wall_ns = span.start_ns
            live.attributes = {
                str(name): self._as_it_is(value) for name, value in span.attributes.items()
            } or None
            opened.append((span, live))
            waiting.extend((child, live.run_id) for child in reversed(span.children))
        for span, live in reversed(opened):
            error = span.error if isinstance(span.error, BaseException) else None
            if error is not None:
                self._fail(live.run_id, None, (live.kind,), error, span.outputs)
            else:
                self._end(live.run_id, None, (live.kind,), span.outputs, span.status)
                if span.error is not None:
                    live.error = {"type": "Error", "message": str(span.error), "stacktrace": ""}
            live.end_ns = live.start_ns + max(ends[id(span)] - span.start_ns, 0)
            self._recorder.close(live)
        return trace_ids[0]


def _end_times(root: Span) -> dict[int, int]:
    """End of each span: as set, else the end of its last child, else its own start."""
    ends: dict[int, int] = {}
    for span in reversed(list(root.walk())):
        ends[id(span)] = span.end_ns or max(
            [span.start_ns, *(ends[id(child)] for child in span.children)]
        )
    return ends


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Arguments by name, without `self` and `cls`; as they are when they do not fit (the call
    itself will say so).
    """
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {"args": args, "kwargs": kwargs}
    return {name: value for name, value in bound.items() if name not in ("self", "cls")}


def _decorate(handler: ManualSpans, function: Any, name: str | None, kind: str) -> Any:
    span_name = name or str(getattr(function, "__name__", type(function).__name__))

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActiveSpan:
        return handler.span(span_name, kind, _arguments(function, args, kwargs))

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            span = begin(args, kwargs)
            async for item in _aiterate(span, function(*args, **kwargs)):
                yield item

        return async_generator
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _iterate(begin(args, kwargs), function(*args, **kwargs)))

        return generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with begin(args, kwargs) as span:
                result = await function(*args, **kwargs)
                span.set_outputs(result)
                return result

        return coroutine

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as span:
            result = function(*args, **kwargs)
            span.set_outputs(result)
            return result

    return call


def _iterate(span: ActiveSpan, items: Any) -> Generator[Any, Any, Any]:
    """Run a generator step by step; its span is the innermost one only while its own code runs."""
    span._open()
    yielded: list[Any] = []
    result: Any = None
    failure: BaseException | None = None
    try:
        step = functools.partial(next, items)
        while True:
            span._activate()
            try:
                item = step()
            except StopIteration as stop:
                result = stop.value
                break
            finally:
                span._deactivate()
            yielded.append(item)
            try:
                sent = yield item
                step = functools.partial(items.send, sent)
            except GeneratorExit:
                items.close()
                raise
            except BaseException as error:
                step = functools.partial(items.throw, error)
    except BaseException as error:
        failure = error
        raise
    finally:
        span.set_outputs(yielded if result is None else {"yielded": yielded, "returned": result})
        span._close(failure)
    return result


async def _aiterate(span: ActiveSpan, items: Any) -> AsyncIterator[Any]:
    span._open()
    yielded: list[Any] = []
    failure: BaseException | None = None
    try:
        while True:
            span._activate()
            try:
                item = await items.__anext__()
            except StopAsyncIteration:
                break
            finally:
                span._deactivate()
            yielded.append(item)
            yield item
    except BaseException as error:
        failure = error
        await items.aclose()
        raise
    finally:
        span.set_outputs(yielded)
        span._close(failure)
