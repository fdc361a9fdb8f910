"""A server on loopback that speaks OpenAI's completion and chat protocols and answers from a
script, streaming included.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model shall answer.

    Attributes:
        text: the answer.
        tool_calls: tools the model asks for, as `{"name": ..., "arguments": {...}}`.
        finish_reason: as OpenAI sends it; by default `tool_calls` where there are some, else
            `stop`.
        status: HTTP status; 400 and above make it an error with `text` as its message.
        delay: seconds before each streamed piece.
        break_after: close the connection after so many streamed pieces.
    """

    text: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str | None = None
    status: int = 200
    delay: float = 0.0
    break_after: int | None = None

    def reason(self) -> str:
        """Return the finish reason."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")


Script = Callable[[str, Request], Reply | str]
"""Last prompt or message as text, and the whole request → the answer."""


@dataclass
class ScriptedOpenAI:
    """A running server.

    Attributes:
        base_url: to be given to a client as its base URL.
        requests: every request's body, in order.
    """

    base_url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def scripted_openai(script: Script) -> Iterator[ScriptedOpenAI]:
    """Serve `/v1/completions`, `/v1/chat/completions` and `/v1/embeddings` on a free port of
    loopback.

    Args:
        script: gives the answer to each request.
    """
    handler = type("Handler", (_Handler,), {"script": staticmethod(script)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    scripted = ScriptedOpenAI(f"http://127.0.0.1:{server.server_address[1]}/v1")
    handler.requests = scripted.requests  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, name="scripted-openai", daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    script: Script
    requests: list[Request]
    protocol_version = "HTTP/1.1"
    # Small writes must not wait for the client's acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("Content-Length") or 0)
        request = json.loads(self.rfile.read(length) or b"{}")
        self.requests.append(request)
        if self.path.endswith("/embeddings"):
            self._send(200, _embeddings(request))
            return
        chat = self.path.endswith("/chat/completions")
        text = _last_text(request, chat)
        answer = self.script(text, request)
        reply = Reply(answer) if isinstance(answer, str) else answer
        if reply.status >= 400:
            self._send(
                reply.status,
                {"error": {"message": reply.text, "type": "scripted_error", "code": None}},
            )
        elif request.get("stream"):
            self._stream(request, reply, chat)
        else:
            self._send(200, _whole(request, reply, chat))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, request: Request, reply: Reply, chat: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number, chunk in enumerate(_chunks(request, reply, chat)):
            if reply.break_after is not None and number >= reply.break_after:
                self.close_connection = True
                return
            time.sleep(reply.delay)
            try:
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                return
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


def _last_text(request: Request, chat: bool) -> str:
    if not chat:
        prompt = request.get("prompt", "")
        return prompt[-1] if isinstance(prompt, list) else str(prompt)
    content = request["messages"][-1].get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(block.get("text", "") for block in content)


def _usage(request: Request, reply: Reply) -> dict[str, Any]:
    asked = json.dumps(request.get("messages") or request.get("prompt"))
    prompt, completion = len(asked.split()), max(len(reply.text.split()), 1)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": prompt // 2},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _head(request: Request, kind: str) -> dict[str, Any]:
    return {
        "id": "scripted-1",
        "object": kind,
        "created": 1_700_000_000,
        "model": request.get("model", "scripted"),
    }


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "index": position,
            "id": call.get("id", f"call_{position}"),
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
        }
        for position, call in enumerate(reply.tool_calls)
    ]


def _whole(request: Request, reply: Reply, chat: bool) -> dict[str, Any]:
    if not chat:
        choices = [
            {"index": 0, "text": reply.text, "logprobs": None, "finish_reason": reply.reason()}
        ]
        return {
            **_head(request, "text_completion"),
            "choices": choices,
            "usage": _usage(request, reply),
        }
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = [
            {key: value for key, value in call.items() if key != "index"} for call in _calls(reply)
        ]
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": reply.reason()}]
    return {
        **_head(request, "chat.completion"),
        "choices": choices,
        "usage": _usage(request, reply),
    }


def _chunks(request: Request, reply: Reply, chat: bool) -> Iterator[dict[str, Any]]:
    head = _head(request, "chat.completion.chunk" if chat else "text_completion")
    pieces = (
        [
            piece if position == 0 else f" {piece}"
            for position, piece in enumerate(reply.text.split(" "))
        ]
        if reply.text
        else []
    )

    def choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        body = {"delta": delta} if chat else {"text": delta.get("content", ""), "logprobs": None}
        return {**head, "choices": [{"index": 0, **body, "finish_reason": reason}]}

    for piece in pieces:
        yield choice({"role": "assistant", "content": piece})
    if chat and reply.tool_calls:
        yield choice({"role": "assistant", "tool_calls": _calls(reply)})
    yield choice({}, reply.reason())
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(request, reply)}


def _embeddings(request: Request) -> dict[str, Any]:
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    data = [
        {"object": "embedding", "index": i, "embedding": [float(len(str(t))), 1.0, 0.5]}
        for i, t in enumerate(texts)
    ]
    return {
        "object": "list",
        "data": data,
        "model": request.get("model"),
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
