"""Attacks on the live window: nothing is read, nothing runs, the server stays up."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Window,
    load_examples,
    load_scores,
    load_spans,
    log_score,
)
from support.browser import Opened
from support.window import Reader, record

PATHS = (
    "/",
    "/api/state",
    "/api/traces",
    "/api/overview",
    "/api/sessions",
    "/api/chat",
    "/api/compare",
    "/api/architectures",
    "/api/search?text=fish",
    "/api/trace/x",
    "/api/span/x",
    "/files/app.js",
)
HOSTILE = (
    "<script>alert('script')</script><img src=x onerror=alert('img')>"
    "</script></style></textarea><iframe src='javascript:alert(1)'></iframe>"
    "[link](javascript:alert(2)) ![image](http://example.com/x.png) **<svg onload=alert(3)>**"
)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder with one trace, of a secret conversation."""
    record(tmp_path / "runs", "fish")
    return tmp_path / "runs"


@pytest.fixture
def window(open_view: Callable[..., Window], recorded: Path) -> Window:
    return open_view(recorded)


@pytest.fixture
def reader(window: Window) -> Any:
    """Somebody who opened the window as meant."""
    reader = Reader(window)
    reader.until(lambda state: state["ready"] and state["traces"])
    yield reader
    reader.close()


def address(window: Window) -> str:
    return f"http://127.0.0.1:{window.port}"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("cookie", [None, "guessed", "", "x" * 4_000, "a=b; c=d", '"; drop'])
def test_without_a_session_nothing_is_read(window: Window, path: str, cookie: str | None) -> None:
    headers = {"cookie": f"sagemaker-traces-{window.port}={cookie}"} if cookie is not None else {}
    answer = httpx.get(address(window) + path, headers=headers)
    assert answer.status_code == 401
    assert "fish" not in answer.text
    assert window.source not in answer.text


def test_a_token_works_once_and_a_wrong_one_never(window: Window) -> None:
    url = window.url
    first = httpx.get(url)
    assert first.status_code == 303
    cookie = first.headers["set-cookie"]
    for flag in ("HttpOnly", "SameSite=strict", "Path=/", f"sagemaker-traces-{window.port}="):
        assert flag in cookie
    assert url.partition("token=")[2] not in cookie
    for token in (url.partition("token=")[2], "", "wrong", "%00", "x" * 5_000):
        answer = httpx.get(f"{address(window)}/open", params={"token": token})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert window.url != url


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:80", "127.0.0.1", "localhost:1", "127.0.0.1.example.com"]
)
def test_a_foreign_host_is_refused(reader: Reader, window: Window, host: str) -> None:
    for path in ("/", "/api/state", "/api/traces"):
        answer = reader.client.get(path, headers={"host": host})
        assert answer.status_code == 403
        assert "fish" not in answer.text


@pytest.mark.parametrize(
    "origin", ["http://example.com", "null", "https://127.0.0.1:1", "http://localhost", "file://"]
)
def test_a_foreign_origin_is_refused(reader: Reader, origin: str) -> None:
    for method, path in (
        ("GET", "/api/traces"),
        ("POST", "/api/scores"),
        ("OPTIONS", "/api/state"),
    ):
        answer = reader.client.request(method, path, headers={"origin": origin})
        assert answer.status_code in (403, 405)
        assert "access-control-allow-origin" not in answer.headers
    cross = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "empty"}
    assert reader.client.get("/api/traces", headers=cross).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/files/../../../../etc/passwd",
        "/files/..%2f..%2f..%2fetc%2fpasswd",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files//etc/passwd",
        "/files/%00",
        "/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/files/report.html.j2",
        "/files/__init__.py",
        "/api/trace/..%2f..%2fetc%2fpasswd",
        "/api/span/%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out(reader: Reader, window: Window, path: str) -> None:
    # As it is, without a client that mends it.
    cookie = "; ".join(f"{name}={value}" for name, value in reader.client.cookies.items())
    with socket.create_connection(("127.0.0.1", window.port), timeout=10) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{window.port}\r\nCookie: {cookie}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ", 2)[1] in (b"404", b"400")
    assert b"root:" not in answer
    assert b"Traceback" not in answer


def test_what_is_too_large_is_refused(reader: Reader, window: Window) -> None:
    token = reader.ask("state")["write_token"]
    large = b"x" * 1_000_000
    headers = {"x-window-token": token, "content-type": "application/json"}
    assert reader.client.post("/api/scores", content=large, headers=headers).status_code == 413
    parts = (large[:50_000] for _ in range(40))  # chunked: no length told before
    with contextlib.suppress(httpx.WriteError, httpx.RemoteProtocolError):  # closed before its end
        answer = reader.client.post("/api/scores", content=parts, headers=headers)
        assert answer.status_code == 413
    assert reader.client.get("/api/traces", params={"q": "y" * 20_000}).status_code == 414
    with socket.create_connection(("127.0.0.1", window.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000)
        assert connection.recv(100)[9:12] in (b"400", b"431", b"413", b"")
    assert reader.ask("traces")["total"] == 1


def test_writing_needs_the_pages_token(
    reader: Reader, recorded: Path, open_view: Callable[..., Window]
) -> None:
    trace = reader.ask("traces")["rows"][0]["trace_id"]
    score = {"trace_id": trace, "key": "helpful", "score": True}
    for headers in ({}, {"x-window-token": "wrong"}, {"x-window-token": "é"}):
        given = {name: value.encode("latin-1") for name, value in headers.items()}
        assert reader.client.post("/api/scores", json=score, headers=given).status_code == 403
    other = Reader(open_view(recorded))
    foreign = {"x-window-token": other.ask("state")["write_token"]}
    assert reader.client.post("/api/scores", json=score, headers=foreign).status_code == 403
    own = {"x-window-token": reader.ask("state")["write_token"]}
    assert reader.client.post("/api/scores", json=[1], headers=own).status_code == 400
    assert reader.client.post("/api/scores", content=b"{", headers=own).status_code == 415
    wrong = {"trace_id": "../../etc", "key": "k", "score": 1}
    assert reader.client.post("/api/scores", json=wrong, headers=own).status_code == 404
    assert len(load_scores(recorded)) == 0
    assert reader.client.post("/api/scores", json=score, headers=own).status_code == 200
    assert len(load_scores(recorded)) == 1
    other.close()


def test_adding_an_example_needs_the_pages_token(reader: Reader, recorded: Path) -> None:
    trace = reader.ask("traces")["rows"][0]["trace_id"]
    elsewhere = recorded.parent / "elsewhere.jsonl"
    post = reader.client.post
    for headers in ({}, {"x-window-token": "wrong"}):
        answer = post("/api/examples", json={"trace_id": trace}, headers=headers)
        assert answer.status_code == 403
    own = {"x-window-token": reader.ask("state")["write_token"]}
    assert post("/api/examples", json=[1], headers=own).status_code == 400
    assert post("/api/examples", content=b"{", headers=own).status_code == 415
    foreign = {**own, "origin": "http://example.com"}
    assert post("/api/examples", json={"trace_id": trace}, headers=foreign).status_code == 403
    # What a request says chooses a trace and a span, never a place.
    outside = dict.fromkeys(("examples", "place", "target", "path"), str(elsewhere))
    for wrong in (
        {"trace_id": "../../etc", **outside},
        {"trace_id": [trace]},
        {"trace_id": trace, "span_id": "../../etc/passwd"},
        {"trace_id": trace, "span_id": {"$ne": 1}},
        {"span_id": trace},
    ):
        assert post("/api/examples", json=wrong, headers=own).status_code == 404, wrong
    assert not (recorded / "examples.jsonl").exists()
    answer = post("/api/examples", json={"trace_id": trace, **outside}, headers=own)
    assert answer.json()["place"] == str(recorded / "examples.jsonl")
    written = sorted(path.name for path in recorded.iterdir() if path.is_file())
    assert written == [".examples.jsonl.lock", "examples.jsonl"]
    (example,) = load_examples(recorded)
    assert example["metadata"]["trace_id"] == trace
    assert not elsewhere.exists()


def test_a_read_only_window_writes_nothing(
    open_view: Callable[..., Window], recorded: Path
) -> None:
    reader = Reader(open_view(recorded, read_only=True))
    reader.until(lambda state: state["traces"])
    trace = reader.ask("traces")["rows"][0]["trace_id"]
    own = {"x-window-token": reader.ask("state")["write_token"]}
    score = {"trace_id": trace, "key": "helpful", "score": True}
    answer = reader.client.post("/api/scores", json=score, headers=own)
    assert (answer.status_code, answer.json()["error"]) == (400, "This window is read only.")
    answer = reader.client.post("/api/examples", json={"trace_id": trace}, headers=own)
    assert (answer.status_code, answer.json()["error"]) == (400, "This window is read only.")
    assert not (recorded / "examples.jsonl").exists()
    assert len(load_scores(recorded)) == 0
    reader.close()


@pytest.mark.parametrize(
    "parameters",
    [
        {"q": "' OR 1=1 --"},
        {"status": "ok'; DROP TABLE spans; --"},
        {"sort": "start; DROP TABLE spans"},
        {"sort": "(SELECT content FROM read_text('/etc/passwd'))"},
        {"model": "x' UNION SELECT content FROM read_text('/etc/passwd') --"},
        {"score": "k>=1); DROP TABLE spans; --"},
        {"min_ms": "1e999"},
        {"since": "nan"},
        {"offset": "-1", "limit": "999999999999999999999"},
        {"tool": "\x00"},
    ],
)
def test_a_filter_is_never_part_of_a_query(reader: Reader, parameters: dict[str, str]) -> None:
    for path in ("traces", "overview", "sessions", "chat"):
        answer = reader.client.get(f"/api/{path}", params=parameters)
        assert answer.status_code in (200, 400), answer.text
        assert "root:" not in answer.text
    assert reader.ask("traces")["total"] == 1


def test_every_answer_says_what_a_browser_may_do(reader: Reader) -> None:
    for path in ("/", "/api/state", "/files/app.js", "/nothing", "/api/trace/none"):
        headers = reader.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_two_hundred_requests_at_once_are_answered(reader: Reader) -> None:
    paths = ["traces", "overview", "sessions", "compare", "search?text=fish"]

    def ask(number: int) -> int:
        path = f"{reader.base}/api/{paths[number % len(paths)]}"
        return httpx.get(path, cookies=dict(reader.client.cookies), timeout=120).status_code

    with ThreadPoolExecutor(200) as pool:
        assert list(pool.map(ask, range(200))) == [200] * 200
    assert reader.ask("traces")["total"] == 1


def test_html_and_script_in_every_field_are_text(
    open_view: Callable[..., Window], browser: Opened, tmp_path: Path
) -> None:
    with OfflineRun(tmp_path / "runs", experiment_name="e", run_name="r") as run:
        with SageMakerCallbackHandler(run) as handler:
            with handler.span(
                HOSTILE,
                kind="agent",
                inputs={"messages": [{"type": "human", "content": HOSTILE}]},
                tags=[HOSTILE],
                metadata={"session_id": HOSTILE, "user_id": HOSTILE},
            ) as span:
                span.set_attribute("langchain.note", HOSTILE)
                handler.on_llm_start({"name": HOSTILE, "id": [HOSTILE], "kwargs": {}}, [HOSTILE])
                handler.on_llm_error(ValueError(HOSTILE))
                span.set_outputs({"messages": [{"type": "ai", "content": HOSTILE}]})
    trace = load_spans(tmp_path / "runs")["trace_id"][0]
    said = {"score": HOSTILE, "comment": HOSTILE, "author": HOSTILE}
    log_score(tmp_path / "runs", trace, key=HOSTILE[:60], **said)
    page = browser.open_window(open_view(tmp_path / "runs"))
    page.wait_for_selector("#trace-table .tabulator-row", state="visible")
    page.click("#columns")
    for box in page.locator(".checks input").all():
        box.check()
    page.keyboard.press("Escape")
    for view in ("overview", "sessions", "compare", "architecture", "traces"):
        page.click(f"#tab-{view}")
        page.wait_for_timeout(400)
    page.wait_for_selector("#trace-table .tabulator-row", state="visible")
    page.locator("#trace-table .tabulator-row").first.click()
    page.wait_for_selector("#section-scores")
    page.locator(".span-row").last.click()
    page.wait_for_selector("#section-conversation")
    found = page.locator("body img, body iframe, body a[href^=http], svg[onload], [onerror]")
    assert found.count() == 0
    assert page.evaluate("[...document.scripts].every(one => one.src.includes('/files/'))")
    assert [message for message in browser.messages if message.startswith("dialog")] == []
