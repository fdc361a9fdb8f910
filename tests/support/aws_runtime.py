"""A server on loopback that speaks SageMaker's streaming endpoints and Bedrock's Converse, which
moto does not.
"""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def event(kind: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """One message of AWS's event stream: lengths, checksum, headers, payload, checksum."""
    headers = b""
    for name, value in (
        (":event-type", kind),
        (":content-type", content_type),
        (":message-type", "event"),
    ):
        headers += (
            struct.pack("!B", len(name))
            + name.encode()
            + b"\x07"
            + struct.pack("!H", len(value))
            + value.encode()
        )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/invocations-response-stream"):
            inputs = json.loads(request)["inputs"]
            lines = [
                json.dumps([{"generated_text": word}]) + "\n"
                for word in f"You said {inputs}".split()
            ]
            self._send(
                b"".join(
                    event("PayloadPart", line.encode(), "application/octet-stream")
                    for line in lines
                ),
                stream=True,
            )
        elif self.path.endswith("/converse"):
            self._send(json.dumps(self._converse(json.loads(request))).encode())
        elif self.path.endswith("/converse-stream"):
            self._send(b"".join(self._converse_events()), stream=True)

    def _converse(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "output": {
                "message": {"role": "assistant", "content": [{"text": "Hello from Bedrock"}]}
            },
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": 7,
                "outputTokens": 3,
                "totalTokens": 10,
                "cacheReadInputTokens": 2,
                "cacheWriteInputTokens": 0,
            },
            "metrics": {"latencyMs": 5},
        }

    def _converse_events(self) -> Iterator[bytes]:
        yield event("messageStart", b'{"role":"assistant"}')
        for word in ("Hello", " from", " Bedrock"):
            yield event(
                "contentBlockDelta",
                json.dumps({"contentBlockIndex": 0, "delta": {"text": word}}).encode(),
            )
        yield event("contentBlockStop", b'{"contentBlockIndex":0}')
        yield event("messageStop", b'{"stopReason":"end_turn"}')
        yield event(
            "metadata",
            b'{"usage":{"inputTokens":7,"outputTokens":3,"totalTokens":10},"metrics":{"latencyMs":5}}',
        )

    def _send(self, body: bytes, *, stream: bool = False) -> None:
        self.send_response(200)
        self.send_header(
            "Content-Type", "application/vnd.amazon.eventstream" if stream else "application/json"
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def aws_runtime() -> Iterator[str]:
    """Serve on a free port; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
