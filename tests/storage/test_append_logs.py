"""Append-only files: torn lines cost themselves only, and a long file is read once."""

from __future__ import annotations

import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from langchain_sagemaker_experiments import OfflineRun
from langchain_sagemaker_experiments._storage import append_logs
from langchain_sagemaker_experiments._storage.append_logs import (
    APPEND,
    LogPosition,
    append_line,
    read_lines,
    write_line,
)


def test_a_line_after_a_torn_one_begins_anew(tmp_path):
    path = tmp_path / "log.jsonl"
    append_line(path, b'{"n": 1}')
    with path.open("ab") as file:
        file.write(b'{"n": 2, "text": "torn by a full di')
    append_line(path, b'{"n": 3}')
    append_line(path, b'{"n": 4}')
    assert [entry["n"] for entry in read_lines(path)] == [1, 3, 4]
    assert path.read_bytes().count(b"\n") == 4


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no such limit on this system")
def test_a_disk_that_is_full_for_a_moment_costs_one_line(tmp_path):
    """The kernel writes what fits and fails the rest: the real half-written line."""
    path = tmp_path / "log.jsonl"
    handle = os.open(path, APPEND, 0o600)
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.SIG_IGN
    old = signal.signal(signal.SIGXFSZ, ignored)
    try:
        write_line(handle, b'{"n": 1}')
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        with pytest.raises(OSError, match="too large"):
            write_line(handle, b'{"n": 2, "text": "' + b"x" * 100 + b'"}')
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        write_line(handle, b'{"n": 3}')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
        os.close(handle)
    assert [entry["n"] for entry in read_lines(path)] == [1, 3]


def test_lines_of_many_threads_and_files_do_not_mix(tmp_path):
    path = tmp_path / "log.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append_line(path, b'{"n": %d}' % n), range(2_000)))
    assert sorted(entry["n"] for entry in read_lines(path)) == list(range(2_000))


@pytest.mark.parametrize(
    "line", [b"7", b"null", b'"text"', b"[" * 100_000, b"\xff\x00", b"[1]", b"", b"NaN"]
)
def test_a_line_that_is_no_object_is_passed_over(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n": 1}\n' + line + b'\n{"n": 2}\n')
    assert [entry["n"] for entry in read_lines(path)] == [1, 2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_in_place_of_a_log_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "log.jsonl")
    with pytest.raises(OSError, match="no regular file"):
        list(read_lines(tmp_path / "log.jsonl"))


def test_a_position_reads_what_came_after_it_and_a_new_file_from_its_beginning(tmp_path):
    path = tmp_path / "log.jsonl"
    append_line(path, b'{"n": 1}')
    entries, position = LogPosition().read(path)
    assert [entry["n"] for entry in entries] == [1]
    append_line(path, b'{"n": 2}')
    with path.open("ab") as file:
        file.write(b'{"n": 3}')  # its end is still to come
    entries, position = position.read(path)
    assert [entry["n"] for entry in entries] == [2]
    append_line(path, b'{"n": 4}')
    entries, position = position.read(path)
    assert [entry["n"] for entry in entries] == [3, 4]
    path.rename(tmp_path / "older.jsonl")
    append_line(path, b'{"n": 5}')
    assert [entry["n"] for entry in position.read(path)[0]] == [5]


def test_an_offline_run_reads_its_log_once(tmp_path, monkeypatch):
    run = OfflineRun(tmp_path, experiment_name="experiment", run_name="run")
    other = OfflineRun(tmp_path, experiment_name="experiment", run_name="run")
    for step in range(3_000):
        run.log_metric("tokens", step, step=step)
    run.log_parameter("temperature", 0.5)
    assert other.parameters() == {"temperature": 0.5}
    seen: list[int] = []
    parse = append_logs.orjson.loads

    class Counting:
        JSONDecodeError = append_logs.orjson.JSONDecodeError

        @staticmethod
        def loads(line: bytes) -> object:
            seen.append(1)
            return parse(line)

    monkeypatch.setattr(append_logs, "orjson", Counting)
    for number in range(20):
        other.log_parameter(f"other_{number}", "x")
        assert len(run.parameters()) == 2 + number  # another process's too
    assert len(seen) < 100


def test_an_offline_run_whose_log_was_replaced_forgets_what_it_read(tmp_path):
    run = OfflineRun(tmp_path, experiment_name="experiment", run_name="run")
    run.log_parameters({"a": 1, "b": 2})
    assert run.parameters() == {"a": 1, "b": 2}
    Path(run.path / "run.jsonl").unlink()
    assert run.parameters() == {}
    run.log_parameter("c", 3)
    assert run.parameters() == {"c": 3}
