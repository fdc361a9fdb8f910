"""Functions each call of which is a span: plain functions, coroutine functions, generators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

from .active_span import ActiveSpan

BeginSpan = Callable[[str, str, Any], ActiveSpan]
"""Name, kind and inputs → a span that is not open yet."""


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Arguments by name, without `self` and `cls`; as they are when they do not fit (the call
    itself will say so).
    """
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {"args": args, "kwargs": kwargs}
    return {name: value for name, value in bound.items() if name not in ("self", "cls")}


def traced_function(begin_span: BeginSpan, function: Any, name: str | None, kind: str) -> Any:
    span_name = name or str(getattr(function, "__name__", type(function).__name__))

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActiveSpan:
        return begin_span(span_name, kind, _arguments(function, args, kwargs))

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
    span.open()
    yielded: list[Any] = []
    result: Any = None
    failure: BaseException | None = None
    try:
        step = functools.partial(next, items)
        while True:
            span.activate()
            try:
                item = step()
            except StopIteration as stop:
                result = stop.value
                break
            finally:
                span.deactivate()
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
        span.close(failure)
    return result


async def _aiterate(span: ActiveSpan, items: Any) -> AsyncIterator[Any]:
    span.open()
    yielded: list[Any] = []
    failure: BaseException | None = None
    try:
        while True:
            span.activate()
            try:
                item = await items.__anext__()
            except StopAsyncIteration:
                break
            finally:
                span.deactivate()
            yielded.append(item)
            yield item
    except BaseException as error:
        failure = error
        await items.aclose()
        raise
    finally:
        span.set_outputs(yielded)
        span.close(failure)
