"""Whether a spool's writer still lives, told by real processes and real locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from langchain_sagemaker_experiments._storage import file_locks, writer_lock
from langchain_sagemaker_experiments._storage.writer_lock import WriterLock, writer_state

_WRITER = """
import pathlib, sys
from langchain_sagemaker_experiments._storage.writer_lock import WriterLock
lock = WriterLock.acquire(pathlib.Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def _writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def _note(folder: Path, **changes: object) -> None:
    path = folder / writer_lock.WRITER_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_writer_is_alive_until_it_is_killed(tmp_path):
    with _writer(tmp_path) as process:
        assert writer_state(tmp_path) == "alive"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert writer_state(tmp_path) == "dead"


def test_a_number_that_lives_again_makes_no_writer_alive(tmp_path):
    """PID 1 lives in any container, and a number is given again."""
    with _writer(tmp_path) as process:
        process.kill()
        process.wait()
        for number in (1, os.getpid()):
            _note(tmp_path, pid=number)
            assert writer_state(tmp_path) == "dead"


def test_our_own_lock_is_seen_and_not_lost_by_looking(tmp_path):
    lock = WriterLock.acquire(tmp_path)
    assert [writer_state(tmp_path) for _ in range(3)] == ["alive"] * 3
    assert _state_from_another_process(tmp_path) == "alive"
    lock.release()
    assert writer_state(tmp_path) == "dead"
    assert list(tmp_path.iterdir()) == []


def test_many_may_look_at_a_dead_writer_at_a_time(tmp_path):
    with _writer(tmp_path) as process:
        process.kill()
        process.wait()
    with ThreadPoolExecutor(8) as pool:
        states = set(pool.map(lambda _: writer_state(tmp_path), range(400)))
    assert states == {"dead"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_that_forgets_holds_no_lock_of_its_parent(tmp_path):
    lock = WriterLock.acquire(tmp_path)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        lock.forget()
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    try:
        assert _state_from_another_process(tmp_path) == "alive"
        lock.forget()
        assert _eventually(tmp_path, "dead")
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def _eventually(folder: Path, state: str) -> bool:
    return any(_state_from_another_process(folder) == state for _ in range(20))


def _state_from_another_process(folder: Path) -> str:
    code = (
        "import pathlib, sys; from langchain_sagemaker_experiments._storage.writer_lock import *; "
        "print(writer_state(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_on_a_shared_file_system_a_writer_of_another_machine_is_left_alone(tmp_path, monkeypatch):
    with _writer(tmp_path) as process:
        process.kill()
        process.wait()
    monkeypatch.setattr(writer_lock, "_LOCAL_FILE_SYSTEMS", frozenset())
    assert writer_state(tmp_path) == "dead"  # of this very system
    _note(tmp_path, boot="another", host="another")
    assert writer_state(tmp_path) == "elsewhere"
    (tmp_path / writer_lock.WRITER_FILE).write_text("torn")
    assert writer_state(tmp_path) == "elsewhere"


def test_on_a_local_file_system_a_free_lock_decides_after_a_restart_of_the_machine(tmp_path):
    if not writer_lock.is_local(tmp_path):
        pytest.skip("the temporary folder lies on a shared file system")
    with _writer(tmp_path) as process:
        process.kill()
        process.wait()
    _note(tmp_path, boot="the start before", host="renamed")
    assert writer_state(tmp_path) == "dead"


def test_without_locks_the_process_decides(tmp_path, monkeypatch):
    def refuse(handle: int, shared: bool) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(file_locks, "_lock", refuse)
    lock = WriterLock.acquire(tmp_path)
    lock.forget()  # as if another process looked
    assert writer_state(tmp_path) == "alive"
    _note(tmp_path, started=1)
    assert writer_state(tmp_path) == "dead"  # the number was given again
    for number in (2**22 + 1, 2**70):
        _note(tmp_path, pid=number)
        assert writer_state(tmp_path) == "dead"
    _note(tmp_path, namespace="pid:[1]")
    assert writer_state(tmp_path) == "elsewhere"


@pytest.mark.parametrize("content", ["", "[]", "7", '{"pid": "x", "locked": false}', "[" * 10**5])
def test_a_damaged_note_is_no_error(tmp_path, content):
    (tmp_path / writer_lock.WRITER_FILE).write_text(content)
    assert writer_state(tmp_path) in ("dead", "elsewhere")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_in_place_of_the_note_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / writer_lock.WRITER_FILE)
    assert writer_state(tmp_path) == "elsewhere"
