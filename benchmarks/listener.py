"""A server on this machine that takes whatever a peer's client sends, says yes, and counts the
spans in it.

    python benchmarks/listener.py      # prints its port; GET /count tells the number of spans so
    far

It runs in a process of its own, so that it takes no time of the interpreter that is measured.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen: set[str] = set()


class SaysYes(BaseHTTPRequestHandler):
    """Answers every request with an empty object."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Read the request, note ids of spans, answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        reply = b"{}"
        if self.path == "/count":
            reply = str(len(seen)).encode()
        elif "/spans" in self.path and body:
            sent = json.loads(body)
            seen.update(span["id"] for span in sent.get("spans", [sent]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def listener() -> Iterator[str]:
    """Run it in a process of its own; yields its address."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def count(address: str) -> int:
    """Return how many spans a listener was sent."""
    with urllib.request.urlopen(f"{address}/count", timeout=60) as answer:  # loopback
        return int(answer.read())


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), SaysYes)
    print(server.server_port, flush=True)
    server.serve_forever()
