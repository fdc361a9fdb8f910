"""What every request passes before anything is read, and what every answer says."""

from __future__ import annotations

import base64
import hashlib
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from .access import Access

MAX_BODY: Final = 64 * 1024
"""Bytes of a request's body: a comment fits, a file does not."""
MAX_ADDRESS: Final = 8 * 1024
_AGAIN: Final = "if(!location.search.includes('again'))location.replace('?again'+location.hash)"
"""A browser that comes from elsewhere sends no SameSite=Strict cookie; asked by our own page, it
does.
"""
_AGAIN_HASH: Final = base64.b64encode(hashlib.sha256(_AGAIN.encode()).digest()).decode()
_CLOSED: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Window</title>"
    f"<script>{_AGAIN}</script><h1>This window is closed to you</h1><p>Open it with the address"
    " that <code>sagemaker-traces view</code> printed. Each address works once; start it again for"
    " a new one.</p></html>"
).encode()

Scope = dict[str, Any]


class Guard:
    """ASGI middleware: checks Host, Origin, size and session; sets the headers of every answer."""

    def __init__(self, app: Any, access: Access, frames: str = "'self'") -> None:
        self._app = app
        self._access = access
        self._headers = [
            (b"content-security-policy", _policy(frames).encode()),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = self._without_prefix(scope)
        refused = self._refuse(scope)
        if refused is not None:
            await self._answer(send, *refused)
            return
        if scope["method"] == "POST":
            body = await _body(receive)
            if body is None:
                await self._answer(send, 413, b"The request is too large.")
                return
            receive = _replayed(body, receive)
        await self._app(scope, receive, self._with_headers(send))

    def _without_prefix(self, scope: Scope) -> Scope:
        """Return the request as it is without a proxy; some proxies leave their path before it."""
        prefix = self._access.path
        if prefix == "/" or not scope["path"].startswith(prefix):
            return scope
        path = scope["path"][len(prefix) - 1 :]
        return {**scope, "path": path, "raw_path": path.encode()}

    def _refuse(self, scope: Scope) -> tuple[int, bytes] | None:
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}

        def told(name: str) -> str:
            value: bytes = headers.get(name, b"")
            return value.decode("latin-1")

        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._access.is_host(told("host")):
            return 403, b"This name is not served here."
        if "origin" in headers and not self._access.is_origin(told("origin")):
            return 403, b"Requests of other sites are not served."
        if len(scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS:
            return 414, b"The address is too long."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, b"Only GET and POST are served."
        size = told("content-length")
        if size and (not size.isdecimal() or int(size) > MAX_BODY):
            return 413, b"The request is too large."
        return self._refuse_reader(scope, told)

    def _refuse_reader(self, scope: Scope, told: Any) -> tuple[int, bytes] | None:
        if scope["path"] == "/open":
            return None
        session = session_of(told("cookie"), self._access)
        if session is None:
            return 401, _CLOSED if told("sec-fetch-dest") in _DOCUMENTS else b"No access."
        if told("sec-fetch-site") == "cross-site" and told("sec-fetch-dest") not in _DOCUMENTS:
            return 403, b"Requests of other sites are not served."
        if scope["method"] == "POST" and not self._access.may_write(
            session, told("x-window-token")
        ):
            return 403, b"A request that writes needs the page's token."
        scope["session"] = session
        return None

    def _with_headers(self, send: Any) -> Any:
        async def told(message: Scope) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in self._headers if name not in own),
                ]
            await send(message)

        return told

    async def _answer(self, send: Any, status: int, body: bytes) -> None:
        kind = b"text/html" if body.startswith(b"<") else b"text/plain"
        headers = [
            (b"content-type", kind + b"; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await self._with_headers(send)(start)
        await send({"type": "http.response.body", "body": body})


_DOCUMENTS: Final = ("", "document", "iframe", "frame")


async def _body(receive: Any) -> bytes | None:
    """Return a request's body; None if more comes than a request may hold, whatever it said."""
    body: bytes = b""
    while True:
        message: Scope = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Any) -> Any:
    told = False

    async def again() -> Scope:
        nonlocal told
        if told:
            found: Scope = await receive()
            return found
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def session_of(cookie: str, access: Access) -> str | None:
    """Return the session that a `Cookie` header names; None where it is none of ours."""
    try:
        found = SimpleCookie(cookie).get(access.cookie)
    except CookieError:
        return None
    value = found.value if found is not None else None
    return value if access.knows(value) else None


def _policy(frames: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{_AGAIN_HASH}'",
            "style-src 'self'",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {frames}",
        )
    )
