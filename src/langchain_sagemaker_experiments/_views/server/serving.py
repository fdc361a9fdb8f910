"""The server itself: starlette's routes behind the guard, run by uvicorn in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from ..._analysis.prices import Prices
from ..._query.listing import Source
from ..notebook import in_notebook
from .access import Access
from .addresses import Addresses
from .api import News, routes
from .guard import Guard, session_of
from .model import Model
from .page import files, page

_FOR_EVER: Final = "max-age=31536000, immutable"
_NOTEBOOKS: Final = "'self' http://localhost:* http://127.0.0.1:* https://*.sagemaker.aws"
"""Pages that may hold the window as a frame, when it was opened from a notebook."""


class Serving:
    """A server and what it serves, running until it is closed."""

    def __init__(
        self,
        where: Source,
        read_only: bool,
        prices: Prices | None,
        examples: str | None,
        listening: socket.socket,
        addresses: Addresses,
    ) -> None:
        self._news = News()
        self.access = Access(listening.getsockname()[1], addresses.path, list(addresses.hosts))
        self.model = Model(where, read_only, prices, examples, self._news.tell)
        frames = _NOTEBOOKS if in_notebook() else "'self'"
        config = uvicorn.Config(
            Guard(self._app(), self.access, frames),
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._socket = listening
        self._thread = threading.Thread(target=self._run, name="window-server", daemon=True)
        self._started = threading.Event()
        self._thread.start()
        self._started.wait(10)
        self.model.start()

    def _run(self) -> None:
        async def serve() -> None:
            self._news.attach(asyncio.get_running_loop())
            self._started.set()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    def close(self) -> None:
        """Stop the server, then what it serves."""
        self._server.should_exit = True
        self._news.close()
        self._thread.join(5)
        self.model.close()
        self._socket.close()

    def _app(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/open", self._open),
                Route("/files/{name}", self._file),
                *routes(self.model, self._news),
            ]
        )
        app.state.access = self.access
        return app

    def _page(self, request: Request) -> Response:
        return HTMLResponse(page(self.model.state()["source"]))

    def _open(self, request: Request) -> Response:
        """Exchange a token for a session, and go to the page."""
        known = session_of(request.headers.get("cookie", ""), self.access)
        session = self.access.redeem(request.query_params.get("token", "")) or known
        if session is None:
            return PlainTextResponse(
                "This address was used, or is too old. Start `sagemaker-traces view` again.", 403
            )
        answer = RedirectResponse("./", 303)
        if session != known:
            answer.set_cookie(
                self.access.cookie,
                session,
                path=self.access.path,
                httponly=True,
                samesite="strict",
            )
        return answer

    def _file(self, request: Request) -> Response:
        """Serve one of the page's own files, looked up by name: no path is made of a request."""
        found: tuple[bytes, Any] | None = files().get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404)
        content, kind = found
        return Response(content, media_type=kind, headers={"cache-control": _FOR_EVER})
