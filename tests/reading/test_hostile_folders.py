"""Folders that somebody else filled: nothing hangs, nothing outside is touched, what is no part is
a named problem, and the rest is read.
"""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_sagemaker_experiments import (
    CompactionError,
    OfflineRun,
    SageMakerCallbackHandler,
    SpanReadError,
    TrackerError,
    compact,
    load_spans,
    scan_spans,
)
from langchain_sagemaker_experiments._storage.keys import is_bare_name, is_compacted_name
from langchain_sagemaker_experiments._storage.manifest import load_manifest
from langchain_sagemaker_experiments._storage.object_store import FolderStore

posix = pytest.mark.skipif(os.name != "posix", reason="needs files that only POSIX has")


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A run's folder of parts, with 4 spans in 2 parts."""
    run = OfflineRun(tmp_path / "source", experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)
    for part in range(2):
        for number in range(2):
            with handler.span(f"{part}-{number}"):
                pass
        handler.flush_tracker()
    return run.path / "langchain-traces"


def read(folder: Path) -> tuple[list[str], str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spans = load_spans(folder)
    return sorted(spans["name"]), "\n".join(spans.attrs["problems"])


ALL = ["0-0", "0-1", "1-0", "1-1"]
_sockets: list[socket.socket] = []


def _socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        server.bind(path.name)
    finally:
        os.chdir(here)
    _sockets.append(server)


STRANGE: dict[str, Callable[[Path], Any]] = {
    "FIFO": os.mkfifo if hasattr(os, "mkfifo") else lambda path: None,
    "socket": _socket,
    "dangling link": lambda path: path.symlink_to("/nowhere/at/all"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a folder": lambda path: path.symlink_to(path.parent),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
}


@posix
@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", ["part-0.jsonl", "part-0.jsonl.gz", "z.jsonl"])
def test_what_is_no_file_is_named_and_the_rest_is_read(traces, kind, name):
    STRANGE[kind](traces / name)
    names, problems = read(traces.parent.parent.parent)
    assert names == ALL
    assert name in problems
    assert problems.count("\n") == 0
    assert compact(traces).spans == 4
    assert read(traces)[0] == ALL
    with pytest.warns(UserWarning, match=name):
        assert len(scan_spans(traces)) == 4


@posix
@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize(
    "name", ["_manifest.json", "_compacting.json", "spans-x.parquet", ".hidden.jsonl", "run.jsonl"]
)
def test_what_is_no_file_in_place_of_our_own_files_hangs_nobody(traces, kind, name):
    folder = traces / "compacted" if name[0] == "_" or "parquet" in name else traces
    folder.mkdir(exist_ok=True)
    STRANGE[kind](folder / name)
    try:
        assert read(traces)[0] == ALL
        compact(traces)
    except TrackerError as error:
        assert name in str(error)  # noqa: PT017 - either is right
    assert len(list(traces.glob("part-*.jsonl"))) == 2


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root reads everything")
def test_files_and_folders_that_may_not_be_read_are_named(traces):
    hidden = traces.parent.parent / "other"
    hidden.mkdir()
    hidden.chmod(0)
    part = min(traces.glob("part-*"))
    part.chmod(0)
    names, problems = read(traces.parent.parent.parent)
    assert names == ALL[2:]
    assert part.name in problems
    assert "other" in problems
    hidden.chmod(0o700)


class Unreadable:
    """A file that opens and then can't be read, as root too: /proc/self/mem at its beginning."""

    path = Path("/proc/self/mem")


@pytest.mark.skipif(not Unreadable.path.exists(), reason="no such file on this system")
def test_a_file_that_can_not_be_read_is_named_and_the_rest_is_read(traces):
    (traces / "part-0.jsonl").symlink_to(Unreadable.path)
    names, problems = read(traces)
    assert names == ALL
    assert "part-0.jsonl" in problems
    assert compact(traces).spans == 4


@pytest.mark.skipif(not Unreadable.path.exists(), reason="no such file on this system")
def test_a_source_of_which_nothing_can_be_read_is_an_error(tmp_path):
    (tmp_path / "part-0.jsonl").symlink_to(Unreadable.path)
    with pytest.raises(SpanReadError, match=r"part-0\.jsonl can't be read"):
        load_spans(tmp_path)


# --- manifests ------------------------------------------------------------------------------------
BAD_NAMES: list[Any] = [
    "../victim.jsonl", "../../../../victim.jsonl", "{absolute}", "..", ".", "", "a/b.jsonl",
    "a\\b.jsonl", "..\\victim.jsonl", "C:\\victim.jsonl", "C:victim.jsonl", "part\x00.jsonl",
    "part\n.jsonl", "nul.jsonl", "COM1.jsonl", "CON", ".hidden.jsonl", "run.jsonl", "target.json",
    "part-1.parquet", "//host/share/x.jsonl", "part-1.jsonl/..", "part-1.jsonl ", "part-1.jsonl.",
    "x" * 300 + ".jsonl", "_manifest.json", "compacted/_manifest.json", "\u202epart.jsonl",
]  # fmt: skip


def _victims(folder: Path) -> list[Path]:
    found = [folder / "victim.jsonl", folder.parent / "victim.jsonl", folder / "keep.parquet"]
    for path in found:
        path.write_text("precious")
    return found


def manifest_of(**fields: Any) -> bytes:
    return json.dumps({"version": 1, "files": {}, "parts": {}, **fields}).encode()


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("where", ["parts", "files"])
def test_a_manifest_that_names_anything_else_is_refused(tmp_path, traces, name, where):
    victims = _victims(tmp_path)
    name = name.replace("{absolute}", str(victims[0]))
    value: Any = 0.0 if where == "parts" else {"spans": 1, "bytes": 1}
    folder = traces / "compacted"
    folder.mkdir()
    (folder / "_manifest.json").write_bytes(manifest_of(**{where: {name: value}}))
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    for use in (load_spans, compact, scan_spans):
        with pytest.raises(SpanReadError, match=r"_manifest\.json can't be read"):
            use(traces)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"7", b"null", b'"x"', b"{}", b"[" * 100_000, b"\xff", manifest_of(version="1"),
     manifest_of(version=True, parts=[]), manifest_of(files=[]),
     manifest_of(parts=["part-1.jsonl"]),
     manifest_of(files=None), manifest_of(parts={"part-1.jsonl": "yesterday"}),
     manifest_of(parts={"part-1.jsonl": None}), manifest_of(parts={"part-1.jsonl": True}),
     manifest_of(parts={"part-1.jsonl": [1]})],
)  # fmt: skip
def test_a_manifest_of_wrong_types_is_an_error_of_ours(traces, data):
    (traces / "compacted").mkdir()
    (traces / "compacted" / "_manifest.json").write_bytes(data)
    for use in (load_spans, compact, scan_spans):
        with pytest.raises(SpanReadError, match=r"_manifest\.json can't be read"):
            use(traces)
    assert len(list(traces.glob("part-*.jsonl"))) == 2


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12) | st.sampled_from(BAD_NAMES))
def test_a_bare_name_stays_in_its_folder(name):
    if is_bare_name(name):
        assert Path("/a/b", name).parent == Path("/a/b")
        assert os.path.normpath(os.path.join("/a/b", name)) == f"/a/b/{name}"
        assert not set(name) & set('/\\:*?"<>|\x00')
    if is_compacted_name(name):
        assert all(is_bare_name(piece) for piece in name.split("/"))


def test_names_that_compactions_write_are_taken(traces):
    compact(traces)
    manifest = load_manifest((traces / "compacted" / "_manifest.json").read_bytes())
    assert len(manifest.files) == 1
    assert len(manifest.parts) == 2


@pytest.mark.parametrize(
    "names", [("a b", "ü"), ("../..", "/etc"), ("x=y", "%2e%2e"), ("con", "nul")]
)
def test_whatever_an_experiment_is_called_its_compacted_files_stay_below(names):
    from langchain_sagemaker_experiments._storage.keys import compacted_name, partitions_of

    name = compacted_name(*names, "2026-01-01", "0" * 16)
    assert is_compacted_name(name)
    assert partitions_of(name)["experiment_name"] == names[0]
    assert partitions_of(name)["run_name"] == names[1]


# --- writing and removing -------------------------------------------------------------------------
@posix
@pytest.mark.parametrize("old", [True, False])
def test_a_compaction_neither_writes_nor_removes_behind_a_link(tmp_path, traces, old):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs.parquet").write_text("precious")
    if old:
        (outside / "_manifest.json").write_bytes(
            manifest_of(parts={"part-old.jsonl": 0.0, min(traces.iterdir()).name: 0.0})
        )
    (traces / "compacted").symlink_to(outside)
    before = sorted(outside.iterdir())
    with pytest.raises(CompactionError, match="a link, which is not followed"):
        compact(traces, grace=0)
    assert sorted(outside.iterdir()) == before
    assert (outside / "theirs.parquet").read_text() == "precious"
    assert len(list(traces.glob("part-*.jsonl"))) == 2


@posix
def test_a_part_that_is_a_link_is_removed_and_not_what_it_leads_to(tmp_path, traces):
    part = min(traces.glob("part-*"))
    target = tmp_path / "elsewhere.jsonl"
    part.rename(target)
    part.symlink_to(target)
    compact(traces, grace=0)
    compact(traces, grace=0)
    assert not part.is_symlink()
    assert target.is_file()
    assert read(traces)[0] == ALL


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(alphabet="./\\abc:\x00", max_size=8) | st.sampled_from(BAD_NAMES))
def test_a_store_of_a_folder_touches_nothing_outside(tmp_path, name):
    inside = tmp_path / f"{time.monotonic_ns()}" / "store"
    inside.mkdir(parents=True)
    victim = inside.parent / "abc"
    victim.write_text("precious")
    store = FolderStore(inside)
    for use in (lambda: store.put(name, b"x"), lambda: store.create(name, b"x")):
        try:
            use()
        except (OSError, ValueError):
            continue
        store.delete(name)
    assert [path.name for path in inside.parent.iterdir() if path != inside] == ["abc"]
    assert victim.read_text() == "precious"


def test_a_part_of_a_name_that_not_every_system_takes_stays_a_part(traces):
    odd = traces / "a\u202eb.jsonl"
    min(traces.glob("part-*")).rename(odd)
    done = compact(traces, grace=0)
    assert (done.parts, done.spans) == (1, 2)
    assert "stays a part" in str(done.problems[0])
    compact(traces, grace=0)
    assert odd.is_file()
    assert read(traces)[0] == ALL


@pytest.fixture(autouse=True)
def close_sockets() -> Iterator[None]:
    yield
    while _sockets:
        _sockets.pop().close()
