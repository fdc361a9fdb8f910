"""A strict receiver of OTLP on loopback, built on OpenTelemetry's own classes, that can
misbehave.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Fault = Callable[["Receiver", Any, list[Any]], bool]
"""Answers a request itself and returns True, or returns False for a request to be taken."""


@dataclass
class Receiver:
    """What came in.

    Attributes:
        endpoint: where to post.
        spans: by trace id and span id, every span that was taken, each time it was.
        requests: headers and sizes of all requests, refused ones too.
        faults: what goes wrong with the next requests, one each.
    """

    endpoint: str = ""
    spans: dict[tuple[bytes, bytes], list[Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    check: Callable[[Any, bytes], None] = lambda request, body: None
    errors: list[str] = field(default_factory=list)

    def take(self, spans: list[Any]) -> None:
        """Keep spans, after a look at each."""
        for span in spans:
            assert len(span.trace_id) == 16
            assert len(span.span_id) == 8
            assert span.name
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
            keys = [pair.key for pair in span.attributes]
            assert len(keys) == len(set(keys)), f"a name twice among {keys}"
            self.spans.setdefault((span.trace_id, span.span_id), []).append(span)

    def attributes(self) -> list[dict[str, Any]]:
        """Return the attributes of all spans, of one sent twice once, as text or number."""
        return [
            {
                pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
                for pair in sent[0].attributes
            }
            for sent in self.spans.values()
        ]


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """Start a receiver."""
    receiver = Receiver()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            raw = self.rfile.read(length)
            if len(raw) < length:  # its sender was killed while it sent
                self.close_connection = True
                return
            try:
                assert self.headers["Content-Type"] == "application/x-protobuf"
                assert self.headers["Content-Encoding"] == "gzip"
                body = gzip.decompress(raw)
                request = ExportTraceServiceRequest.FromString(body)
                spans = [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
                assert spans
                receiver.check(self, raw)
                with lock:
                    receiver.requests.append(
                        {
                            "headers": dict(self.headers),
                            "bytes": len(body),
                            "spans": len(spans),
                            "largest": max(span.ByteSize() for span in spans),
                            "resource": {
                                pair.key: pair.value.string_value
                                for pair in request.resource_spans[0].resource.attributes
                            },
                        }
                    )
                    fault = receiver.faults.pop(0) if receiver.faults else None
                if fault is not None and fault(receiver, self, spans):
                    return
                with lock:
                    receiver.take(spans)
                answer(self, 200, ExportTraceServiceResponse().SerializeToString())
            except AssertionError as error:
                receiver.errors.append(str(error))
                answer(self, 400, str(error).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.endpoint = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
    assert not receiver.errors, receiver.errors


def answer(request: Any, status: int, body: bytes = b"", **headers: str) -> None:
    """Answer a request."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


# --- faults ---------------------------------------------------------------------------------------
def status(code: int, **headers: str) -> Fault:
    """Answer with a status."""

    def fault(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
        answer(request, code, b"not now", **headers)
        return True

    return fault


def reset(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
    """End the connection without an answer."""
    request.close_connection = True
    request.connection.close()
    return True


def lost_answer(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
    """Take the spans, and end the connection before the answer: they come a second time."""
    receiver.take(spans)
    return reset(receiver, request, spans)


def hang(seconds: float) -> Fault:
    """Answer late."""

    def fault(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
        time.sleep(seconds)
        request.close_connection = True
        return True

    return fault


def refuse_first(receiver: Receiver, request: Any, spans: list[Any]) -> bool:
    """Take all spans but the first."""
    receiver.take(spans[1:])
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 1
    response.partial_success.error_message = "too old"
    answer(request, 200, response.SerializeToString())
    return True
