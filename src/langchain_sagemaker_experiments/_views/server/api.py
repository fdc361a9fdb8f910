"""Answers to the page: questions to the index, whole records, scores. Everything is JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..._query.filters import FILTERS
from ...exceptions import TrackerError
from ..report.data import dump
from .model import Model

_WAIT: Final = 20.0
"""Seconds for which a request for news waits at the server."""
_LONGEST_TEXT: Final = 2_000


def routes(model: Model, news: News) -> list[Route]:
    """Return the routes below `api/`."""
    api = _Api(model, news)
    reads: dict[str, Callable[[Request], Any]] = {
        "traces": api.traces,
        "trace/{trace_id}": api.trace,
        "trace/{trace_id}/find": api.find,
        "span/{span_id}": api.span,
        "overview": api.overview,
        "sessions": api.sessions,
        "chat": api.chat,
        "compare": lambda request: model.comparison(),
        "pair": api.pair,
        "architectures": lambda request: model.architectures(),
    }
    return [
        Route("/api/state", api.state),
        Route("/api/search", api.search),
        Route("/api/refresh", api.refresh, methods=["POST"]),
        Route("/api/scores", _writing("A score", model.score), methods=["POST"]),
        Route("/api/examples", _writing("An example", model.add_example), methods=["POST"]),
        *(Route(f"/api/{path}", _answering(answer)) for path, answer in reads.items()),
    ]


class News:
    """Tells waiting requests, in the server's event loop, that something changed."""

    def __init__(self) -> None:
        self.version = 1
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the requests wait in."""
        self._loop = loop

    def tell(self) -> None:
        """Wake all who wait; from any thread."""
        self.version += 1
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self.closed = True
        self.tell()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait(self, since: int) -> None:
        """Return when there is something newer than `since`, or after a while."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            if self.version == since and not self.closed:
                await asyncio.wait_for(event.wait(), _WAIT)
        except asyncio.TimeoutError:
            pass
        finally:
            self._waiting.discard(event)


def _answering(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def respond(request: Request) -> Response:
        try:
            return _json(await run_in_threadpool(answer, request))
        except (ValueError, TrackerError) as error:
            return _json({"error": str(error)}, 400)
        except LookupError as error:
            return _json({"error": str(error.args[0]) if error.args else "not found"}, 404)

    return respond


def _writing(
    what: str, write: Callable[[Mapping[str, Any]], Any]
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a request that writes the JSON object in its body."""

    async def respond(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPException(415, f"{what} is JSON.")
        try:
            given = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return _json({"error": "This is no JSON."}, 400)
        if not isinstance(given, Mapping):
            return _json({"error": f"{what} is an object."}, 400)
        answer: Response = await _answering(lambda _: write(given))(request)
        return answer

    return respond


def _json(value: Any, status: int = 200) -> Response:
    return Response(dump(value), status, media_type="application/json")


class _Api:
    def __init__(self, model: Model, news: News) -> None:
        self._model = model
        self._news = news

    async def state(self, request: Request) -> Response:
        since = request.query_params.get("since", "")
        if since.isdecimal():
            await self._news.wait(int(since))
        told = await run_in_threadpool(self._model.state)
        told["version"] = self._news.version
        told["write_token"] = request.app.state.access.write_token(request.scope["session"])
        return _json(told)

    def traces(self, request: Request) -> Any:
        asked = request.query_params
        return self._model.questions.traces(
            _filters(asked),
            asked.get("sort", "start"),
            asked.get("down", "1") == "1",
            _whole(asked, "offset", 0),
            _whole(asked, "limit", 100),
        )

    def trace(self, request: Request) -> Any:
        return self._model.trace(request.path_params["trace_id"])

    def find(self, request: Request) -> Any:
        text = request.query_params.get("text", "")[:_LONGEST_TEXT]
        return self._model.find(request.path_params["trace_id"], text)

    def span(self, request: Request) -> Any:
        return self._model.span(request.path_params["span_id"])

    def overview(self, request: Request) -> Any:
        return self._model.questions.overview(_filters(request.query_params))

    def sessions(self, request: Request) -> Any:
        asked = request.query_params
        return self._model.questions.sessions(_filters(asked), asked.get("by", "session"))

    def chat(self, request: Request) -> Any:
        return self._model.chat(_filters(request.query_params))

    def pair(self, request: Request) -> Any:
        asked = request.query_params
        return self._model.pair(asked.get("baseline", ""), asked.get("candidate", ""))

    async def search(self, request: Request) -> Response:
        text = request.query_params.get("text", "").strip()[:_LONGEST_TEXT]
        if not text:
            return _json({"error": "There is no text to search for."}, 400)

        async def lines() -> AsyncIterator[bytes]:
            async for told in iterate_in_threadpool(self._model.search(text)):
                if await request.is_disconnected():
                    return
                yield orjson.dumps(told) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def refresh(self, request: Request) -> Response:
        self._model.refresh()
        return _json({"ok": True})


def _filters(asked: Mapping[str, str]) -> dict[str, str]:
    return {name: asked[name][:_LONGEST_TEXT] for name in FILTERS if asked.get(name)}


def _whole(asked: Mapping[str, str], name: str, default: int) -> int:
    value = asked.get(name)
    return int(value) if value is not None and value.isdecimal() and len(value) < 12 else default
