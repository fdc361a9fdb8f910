"""The window as an object and a command: addresses, a notebook's frame, a proxy, what is left."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_sagemaker_experiments import OfflineRun, Window, load_scores, view
from langchain_sagemaker_experiments._views.server import addresses as places
from langchain_sagemaker_experiments._views.server.addresses import addresses_of
from langchain_sagemaker_experiments._views.server.opener import Opener
from support.window import Reader, record


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_window_shows_what_an_offline_run_records(
    open_view: Callable[..., Window], tmp_path: Path
) -> None:
    run = OfflineRun(tmp_path, experiment_name="window", run_name="run-1")
    reader = Reader(open_view(run))
    assert reader.until(lambda state: state["ready"])["traces"] == 0
    trace = record(tmp_path, "fish")
    state = reader.until(lambda state: state["traces"])
    assert (state["spans"], state["place"], state["read_only"]) == (4, str(run.path), False)
    span = reader.ask(f"trace/{trace}")["spans"][0]
    whole = reader.ask(f"span/{span['span_id']}")
    assert whole["inputs"] == {"question": "fish"}
    assert whole["start"] == span["start"]
    assert (whole["experiment_name"], whole["run_name"]) == ("window", "run-1")
    (turn,) = reader.ask("chat", session="s-1")
    assert turn["root"]["outputs"] == "About fish: **yes**, it is."
    assert [row["user"] for row in reader.ask("traces", user="ada")["rows"]] == ["ada"]
    reader.close()


def test_two_windows_on_one_source_do_not_block_each_other(
    open_view: Callable[..., Window], tmp_path: Path
) -> None:
    record(tmp_path / "runs", "fish")
    readers = [Reader(open_view(tmp_path / "runs")) for _ in range(2)]
    for reader in readers:
        assert reader.until(lambda state: state["ready"])["traces"] == 1
        reader.close()


def test_a_window_says_where_it_is_and_leaves_only_its_index(tmp_path: Path, cache: Path) -> None:
    with view(tmp_path / "runs", port=0, open_browser=False) as window:
        assert window.url.startswith(f"http://127.0.0.1:{window.port}/open?token=")
        assert f"port {window.port}" in repr(window)
        shown = window._repr_html_()
        frame = re.search(r'<iframe src="([^"]+)"', shown)[1]  # type: ignore[index]
        assert frame.startswith(f"http://localhost:{window.port}/open?token=")
        assert httpx.get(frame).status_code == 303
    window.close()  # twice is fine
    assert "closed" in repr(window)
    assert "closed" in window._repr_html_()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{window.port}/")
    assert all(path.suffix in (".duckdb", ".wal") for path in cache.iterdir())


def test_without_a_source_it_shows_what_the_settings_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with view(port=0, open_browser=False) as window:
        assert window.source == str(tmp_path / "runs")
    monkeypatch.setenv("SAGEMAKER_TRACES_SOURCE", str(tmp_path / "elsewhere"))
    with view(port=0, open_browser=False) as window:
        assert window.source == str(tmp_path / "elsewhere")


def test_the_browser_is_opened_through_a_file_of_this_user(cache: Path) -> None:
    opener = Opener()
    path = opener.file("http://127.0.0.1:1/open?token=a&b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert 'url=http://127.0.0.1:1/open?token=a&amp;b"' in path.read_text()
    opener.close()
    assert not path.exists()


def test_addresses_through_proxies_and_in_studio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = addresses_of("127.0.0.1", 8765, "https://hub.example/user/me/proxy/8765")
    assert full.opening("t") == "https://hub.example/user/me/proxy/8765/open?token=t"
    assert (full.path, "hub.example" in full.hosts) == ("/user/me/proxy/8765/", True)
    assert addresses_of("::1", 1, None).base == "http://[::1]:1/"
    metadata = tmp_path / "resource-metadata.json"
    metadata.write_text('{"AppType": "JupyterLab", "DomainId": "d-1"}')
    monkeypatch.setattr(places, "_STUDIO", metadata)
    studio = addresses_of("127.0.0.1", 8765, None)
    assert studio.opening("t") == "/jupyterlab/default/proxy/8765/open?token=t"
    assert "*.sagemaker.aws" in studio.hosts


def test_a_window_follows_s3_and_says_what_that_costs(
    open_view: Callable[..., Window], open_run: Callable[..., Any]
) -> None:
    from langchain_sagemaker_experiments import SageMakerCallbackHandler

    with open_run("run-1") as run:
        with SageMakerCallbackHandler(run) as handler:
            with handler.span("first", kind="tool"):
                pass
            (uri,) = handler.flush_tracker().uris
            reader = Reader(open_view(uri.rpartition("/langchain-traces/")[0] + "/"))
            state = reader.until(lambda state: state["traces"])
            assert state["requests_per_hour"] == pytest.approx(3_600 / state["interval"])
            assert state["dollars_per_day"] > 0
            with handler.span("second", kind="tool", inputs={"text": "whole"}):
                pass
            handler.flush_tracker()
            token = {"x-window-token": state["write_token"]}
            assert reader.client.post("/api/refresh", headers=token).status_code == 200
            reader.until(lambda state: state["traces"] == 2)
    row = next(row for row in reader.ask("traces")["rows"] if row["name"] == "second")
    assert reader.ask(f"span/{row['root']}")["inputs"] == {"text": "whole"}
    score = {"trace_id": row["trace_id"], "key": "helpful", "score": 0.5}
    assert reader.client.post("/api/scores", json=score, headers=token).status_code == 200
    assert load_scores(uri)["score"].tolist() == [0.5]
    reader.close()


def test_what_a_source_does_not_have_is_told_in_words(
    open_view: Callable[..., Window], tmp_path: Path
) -> None:
    (tmp_path / "part-1.jsonl").write_text('{"torn')
    reader = Reader(open_view(tmp_path))
    state = reader.until(lambda state: state["ready"])
    assert (state["traces"], len(state["problems"])) == (0, 1)
    assert "torn" in state["problems"][0]
    for path, words in (("trace/none", "no trace none"), ("span/none", "no span none")):
        answer = reader.client.get(f"/api/{path}")
        assert answer.status_code == 404
        assert words in answer.json()["error"]
    reader.close()


# --- through a real jupyter-server-proxy ----------------------------------------------------------
@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A Jupyter server with its proxy: its port, and its own token."""
    pytest.importorskip("jupyter_server_proxy")
    port, token = free_port(), "jupyter" + "-token"
    home = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "HOME")
    }
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
    ]
    command += [
        "--ServerApp.base_url=/user/ada/",
        f"--IdentityProvider.token={token}",
        "--ServerApp.open_browser=False",
        "--allow-root",
    ]
    command += [
        "--ServerApp.jpserver_extensions={'jupyter_server_proxy': True}",
        f"--ServerApp.root_dir={tmp_path}",
    ]
    server = subprocess.Popen(
        command, env={**os.environ, **home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/user/ada/api", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield port, token
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.parametrize("whole", [True, False])
def test_through_jupyter_server_proxy(
    jupyter: tuple[int, str],
    open_view: Callable[..., Window],
    chromium: Any,
    tmp_path: Path,
    whole: bool,
) -> None:
    from support.browser import Opened

    port, token = jupyter
    record(tmp_path / "runs", "fish")
    own = free_port()
    path = f"/user/ada/proxy/{own}/"
    host = f"http://127.0.0.1:{port}"
    window = open_view(tmp_path / "runs", port=own, base_url=host + path if whole else path)
    assert window.url.startswith(host + path if whole else path)
    opened = Opened(chromium.new_page())
    opened.page.goto(f"{host}/user/ada/api?token={token}")  # signs in at Jupyter
    opened.page.goto(window.url if whole else host + window.url)
    opened.page.wait_for_selector("html[data-ready]")
    opened.page.wait_for_selector("#trace-table .tabulator-row", state="visible")
    record(tmp_path / "runs", "ships")
    opened.page.wait_for_selector("#trace-table .tabulator-row:has-text('About ships')")
    opened.page.locator("#trace-table .tabulator-row").first.click()
    opened.page.wait_for_selector("#section-scores")
    opened.page.get_by_role("button", name="Score: good").click()
    opened.page.wait_for_selector("#section-scores .scores")
    assert [
        cookie["path"] for cookie in opened.page.context.cookies() if "sagemaker" in cookie["name"]
    ] == [path]
    opened.page.close()
    assert [message for message in opened.messages if "error" in message] == []


# --- the command ----------------------------------------------------------------------------------
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_command_opens_a_window_and_ends_quietly(
    tmp_path: Path, cache: Path, told: signal.Signals
) -> None:
    record(tmp_path / "runs", "fish")
    command = [
        sys.executable,
        "-c",
        "from langchain_sagemaker_experiments._cli import main; main()",
        "view",
    ]
    process = subprocess.Popen(
        [*command, str(tmp_path / "runs"), "--no-open", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300", "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert str(cache) in lines[2]
    assert str(tmp_path / "runs") in lines[0]
    url = lines[1].strip()
    client = httpx.Client(follow_redirects=True)
    assert client.get(url).status_code == 200
    assert client.get(url.partition("/open")[0] + "/api/state").json()["source"] == str(
        tmp_path / "runs"
    )
    process.send_signal(told)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert all(path.suffix in (".duckdb", ".wal") for path in cache.iterdir())
