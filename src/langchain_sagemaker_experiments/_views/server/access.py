"""Who may read: one-time tokens, the sessions they are exchanged for, and our own addresses."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from typing import Final
from urllib.parse import urlsplit

_MOST_TOKENS: Final = 64
_MOST_SESSIONS: Final = 64
_TOKEN_SECONDS: Final = 12 * 3_600.0
"""For so long the address that a terminal shows opens the window."""
WRITE_HEADER: Final = "x-window-token"
"""Header of requests that write: a value that only the page itself was given."""


class Access:
    """Tokens and sessions of one server.

    Args:
        port: where it listens; names the cookie, since cookies do not know ports.
        path: what stands before its addresses, as the browser sees them; ends in `/`.
        hosts: names under which it may be asked, with their ports; `*.name` for all below
            a name, `name:*` for any port.
    """

    def __init__(self, port: int, path: str, hosts: list[str]) -> None:
        self.cookie = f"sagemaker-traces-{port}"
        self.path = path
        self._hosts = hosts
        self._key = secrets.token_bytes(32)
        self._tokens: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def new_token(self) -> str:
        """Return a token that is good for one session."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[_digest(token)] = time.monotonic()
            while len(self._tokens) > _MOST_TOKENS:
                self._tokens.popitem(last=False)
        return token

    def redeem(self, token: str) -> str | None:
        """Exchange a token for a session; None where it is none, was used, or is too old."""
        with self._lock:
            made = self._tokens.pop(_digest(token), None)
            if made is None or time.monotonic() - made > _TOKEN_SECONDS:
                return None
            session = secrets.token_urlsafe(32)
            self._sessions[_digest(session)] = None
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def knows(self, session: str | None) -> bool:
        """Return True if a session is one of ours."""
        return bool(session) and _digest(session or "") in self._sessions

    def write_token(self, session: str) -> str:
        """Return what the header of a writing request of this session must hold."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def may_write(self, session: str, told: str | None) -> bool:
        """Return True if a request's header shows that the page itself sent it."""
        return hmac.compare_digest(self.write_token(session).encode(), (told or "").encode())

    def is_host(self, host: str | None) -> bool:
        """Return True if a `Host` header names this server: a foreign name that resolves to this
        machine does not.
        """
        return any(_matches((host or "").lower(), known) for known in self._hosts)

    def is_origin(self, origin: str) -> bool:
        """Return True if an `Origin` header names a page of this server."""
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and self.is_host(parts.netloc)


def _matches(host: str, known: str) -> bool:
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
    if known.startswith("*."):
        return (name or host).endswith(known[1:])
    if known.endswith(":*"):
        return name == known[:-2] and bool(port)
    return host == known


def _digest(text: str) -> str:
    """Tokens are looked up by their hash, so that no comparison tells how much of one was right."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
