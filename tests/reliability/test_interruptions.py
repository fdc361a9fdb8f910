"""An exception at any line of a flush, a spill, a durable write or a save at the end, as Ctrl-C, a
signal handler or another thread raise it: afterwards every span is there, and it is there once.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, Span
from langchain_sagemaker_experiments import _delivery as wing
from support.inside import pipeline
from support.programs import Zygote
from support.spans import finished, lines_of, prompts, raw_lines, record

PACKAGE = Path(wing.__file__).parents[1]
TRACED = tuple(
    str(PACKAGE / name)
    for name in ("_delivery", "_destinations/offline_run.py", "_storage/atomic_files.py")
)
SPANS = [f"{number:02}" for number in range(9)]
OCCURRENCES = (1, 2, 3)
"""Each line is interrupted the first, second and third time it runs."""


class Interrupted(BaseException):
    """What is raised."""


class Interrupter:
    """Raises at a line, the n-th time it is about to run; without a line it only counts them."""

    def __init__(self, line: tuple[str, int] | None = None, occurrence: int = 1) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self._line = line
        self._occurrence = occurrence

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line":
            place = (frame.f_code.co_filename, frame.f_lineno)
            self.seen[place] += 1
            if place == self._line and self.seen[place] == self._occurrence:
                raise Interrupted(f"{Path(place[0]).name}:{place[1]}")
        return self

    def run(self, work: Callable[[], object]) -> bool:
        """Do some work; return whether it was interrupted."""
        before = sys.gettrace()
        gc.disable()  # earlier handlers end outside of what is traced
        sys.settrace(self)
        try:
            work()
        except Interrupted:
            return True
        finally:
            sys.settrace(before)
            gc.enable()
        return False


Scene = tuple[SageMakerCallbackHandler, Callable[[], object]]


def flush(folder: Path) -> Scene:
    handler = _handler(folder)
    _record_all(handler)
    handler.on_chain_start({}, "open")
    return handler, handler.flush_tracker


def second_flush_with_parts_on_disk(folder: Path) -> Scene:
    handler = _handler(folder)
    held_by = pipeline(handler)
    for prompt in SPANS[:3]:
        record(handler, prompt)
    held_by.save({})
    for prompt in SPANS[3:]:
        record(handler, prompt)
    return handler, handler.flush_tracker


def spill(folder: Path) -> Scene:
    handler = _handler(folder)
    _record_all(handler)
    return handler, pipeline(handler)._spill


def save(folder: Path) -> Scene:
    handler = _handler(folder)
    _record_all(handler)
    return handler, lambda: pipeline(handler).save({"run_name": "r"})


def durable_flush(folder: Path) -> Scene:
    handler = _handler(folder, durable=True)
    _record_all(handler)
    return handler, handler.flush_tracker


def _handler(folder: Path, **settings: Any) -> SageMakerCallbackHandler:
    run = OfflineRun(folder / "runs", experiment_name="e", run_name="r")
    return SageMakerCallbackHandler(run, spool_dir=folder / "spool", **settings)


def _record_all(handler: SageMakerCallbackHandler) -> None:
    for prompt in SPANS:
        record(handler, prompt)


@pytest.fixture
def cheap_collections() -> Iterator[None]:
    """What was there before the test is not looked at again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("cheap_collections")
@pytest.mark.parametrize(
    "scene", [flush, second_flush_with_parts_on_disk, spill, save, durable_flush]
)
def test_an_exception_at_any_line_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: Callable[[Path], Scene]
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 4_000)
    handler, work = scene(tmp_path / "count")
    counter = Interrupter()
    assert not counter.run(work)
    interrupted = 0
    for number, (place, occurrence) in enumerate(_moments(counter.seen)):
        folder = tmp_path / str(number)
        handler, work = scene(folder)
        interrupter = Interrupter(place, occurrence)
        interrupted += interrupter.run(work)
        where = f"{Path(place[0]).name}:{place[1]}, time {occurrence}"
        handler.flush_tracker()
        found = finished(folder / "runs")
        assert found == SPANS, f"interrupted at {where}: {found}"
        assert not _left(folder / "spool"), f"interrupted at {where}"
        assert handler.pending_spans == 0, f"interrupted at {where}"
        del handler, work
    print(f"{scene.__name__}: interrupted at {interrupted} moments")
    assert interrupted > 50


@pytest.mark.usefixtures("cheap_collections")
@pytest.mark.parametrize("scene", [flush, spill, durable_flush])
def test_an_end_after_an_exception_at_any_line_finds_every_span(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: Callable[[Path], Scene]
) -> None:
    """What an exit writes to disk, with what had arrived, is all there is, and once."""
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 4_000)
    handler, work = scene(tmp_path / "count")
    counter = Interrupter()
    counter.run(work)
    for number, (place, occurrence) in enumerate(_moments(counter.seen, (1, 2))):
        folder = tmp_path / str(number)
        handler, work = scene(folder)
        Interrupter(place, occurrence).run(work)
        pipeline(handler).save({})
        # A part that arrived in the moment before may lie on disk as well, under the same name.
        parts = {path.name: path for path in sorted(folder.rglob("*.jsonl"))}
        lines = [line for path in parts.values() for line in lines_of(path)]
        names = [line["inputs"]["prompts"][0] for line in lines if line["status"] != "running"]
        assert sorted(names) == SPANS, f"interrupted at {Path(place[0]).name}:{place[1]}"
        del handler, work


def _moments(
    seen: Counter[tuple[str, int]], occurrences: tuple[int, ...] = OCCURRENCES
) -> Iterator[tuple[tuple[str, int], int]]:
    for place, count in sorted(seen.items()):
        for occurrence in occurrences:
            if occurrence <= count:
                yield place, occurrence


def _left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_exceptions_thrown_into_a_flushing_thread_lose_and_double_nothing(tmp_path: Path) -> None:
    """As `PyThreadState_SetAsyncExc` throws them: at whatever instruction the thread is."""
    import ctypes

    handler = _handler(tmp_path)
    for number in range(3_000):
        handler.log_trace(Span(str(number)))

    def work() -> None:
        while handler.pending_spans:
            try:
                handler.flush_tracker()
            except Interrupted:
                continue

    thread = threading.Thread(target=work)
    thread.start()
    thrown = 0
    while thread.is_alive() and thrown < 20:
        thread.join(0.004)
        thrown += ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Interrupted)
        )
    thread.join()
    handler.flush_tracker()
    names = sorted(int(line["name"]) for line in raw_lines(tmp_path / "runs"))
    assert names == list(range(3_000))
    assert thrown > 0


@pytest.mark.skipif(
    sys.gettrace() is not None,
    reason="where coverage is at work, a program may hang; runs without it, too, in CI",
)
@pytest.mark.parametrize("milliseconds", [1, 2, 3, 5, 8, 13, 21, 34])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_milliseconds_of_a_flush_loses_and_doubles_nothing(
    tmp_path: Path, programs: Zygote, milliseconds: int, number: signal.Signals
) -> None:
    done = programs.run(
        f"""
        from langchain_sagemaker_experiments import Span
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, spool_dir={str(tmp_path / "spool")!r})
        for number in range(6_000):
            handler.log_trace(Span(str(number)))
        me = os.getpid()
        if os.fork() == 0:
            time.sleep({milliseconds / 1000})
            os.kill(me, {int(number)})
            os._exit(0)
        try:
            handler.flush_tracker()
        except KeyboardInterrupt:
            pass
        """
    )
    assert done.returncode in (0, -number), done.stderr
    names = [int(line["name"]) for line in raw_lines(tmp_path)]
    assert sorted(names) == list(range(6_000)), (len(names), len(set(names)), done.stderr)


def test_sigterm_in_the_middle_of_a_long_flush_loses_nothing(
    tmp_path: Path, programs: Zygote
) -> None:
    done = programs.run(
        f"""
        from langchain_sagemaker_experiments._delivery import pipeline as _pipeline
        from langchain_sagemaker_experiments._destinations import offline_run as _offline
        _pipeline.MAX_PART_BYTES = 3_000
        write, written = _offline.OfflineDestination.write, []
        def interrupted(self, name, data):
            written.append(name)
            if len(written) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return write(self, name, data)
        _offline.OfflineDestination.write = interrupted
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, spool_dir={str(tmp_path / "spool")!r})
        for number in range(40):
            record(handler, f"{{number:02}}")
        handler.flush_tracker()
        """
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert finished(tmp_path) == [f"{number:02}" for number in range(40)]


def test_sigterm_in_the_middle_of_a_durable_write_ends_the_process_too(
    tmp_path: Path, programs: Zygote
) -> None:
    done = programs.run(
        f"""
        from langchain_sagemaker_experiments._delivery import live_file
        handler = SageMakerCallbackHandler(durable=True, spool_dir={str(tmp_path)!r})
        record(handler, "kept")
        write = live_file.write_all
        def interrupted(handle, data):
            write(handle, data[:50])
            live_file.write_all = write
            os.kill(os.getpid(), signal.SIGTERM)  # half a line is written, the lock is held
        live_file.write_all = interrupted
        record(handler, "kept too")
        """
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    assert finished(tmp_path) == ["kept", "kept too"]


def test_sigterm_in_the_middle_of_a_spill_loses_nothing(tmp_path: Path, programs: Zygote) -> None:
    done = programs.run(
        f"""
        from langchain_sagemaker_experiments._delivery import pipeline as _pipeline
        from langchain_sagemaker_experiments._delivery import spool as _spool
        _pipeline.MAX_PART_BYTES = 20_000
        write, written = _spool.SpoolFile.write, []
        def interrupted(self, data):
            written.append(data)
            if len(written) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return write(self, data)
        _spool.SpoolFile.write = interrupted
        handler = SageMakerCallbackHandler(spool_dir={str(tmp_path)!r}, buffer_bytes=100_000)
        for number in range(5_000):
            record(handler, f"{{number:04}}")
            print(f"{{number:04}}", flush=True)
        """
    )
    assert done.returncode == -signal.SIGTERM, done.stderr
    recorded = done.stdout.split()
    assert 50 < len(recorded) < 5_000
    # The span at which the signal came may have ended without the program saying so.
    assert finished(tmp_path)[: len(recorded)] == recorded
    assert len(finished(tmp_path)) <= len(recorded) + 1


def test_ctrl_c_in_the_middle_of_a_flush_loses_and_doubles_nothing(
    make_recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 5_000)
    recording = make_recording()
    taken: list[str] = []
    log_file = recording.log_file

    def interrupted(file_path: str, name: str | None = None) -> None:
        if len(taken) == 1:
            taken.append("interrupted")
            raise KeyboardInterrupt
        taken.append(file_path)
        log_file(file_path, name)

    monkeypatch.setattr(recording, "log_file", interrupted)
    for number in range(20):
        with recording.handler.span(str(number)):
            pass
    with pytest.raises(KeyboardInterrupt):
        recording.handler.flush_tracker()
    sent = len(recording.raw_lines())
    assert 0 < sent < 20
    assert recording.handler.pending_spans == 20 - sent
    assert [record["name"] for record in recording.records()] == [
        str(number) for number in range(20)
    ]
    assert len(recording.raw_lines()) == 20
    assert recording.metrics["traces"] == 20


def test_ctrl_c_while_parts_are_sent_by_threads_loses_nothing(
    open_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_sagemaker_experiments._delivery.upload_pool import Uploads

    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 3_000)
    with open_run() as run:
        handler = SageMakerCallbackHandler(run)
        for number in range(60):
            with handler.span(str(number)):
                pass
        with monkeypatch.context() as context:
            context.setattr(
                Uploads, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt)
            )
            with pytest.raises(KeyboardInterrupt):
                handler.flush_tracker()
        handler.flush_tracker()
        assert handler.pending_spans == 0
        from langchain_sagemaker_experiments import load_spans

        assert sorted(load_spans(run)["name"], key=int) == [str(number) for number in range(60)]


def test_a_flush_in_a_signal_handler_in_the_middle_of_a_flush_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_sagemaker_experiments._delivery.pipeline.MAX_PART_BYTES", 3_000)
    handler = _handler(tmp_path)
    _record_all(handler)
    inner: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: inner.append(handler.flush_tracker().spans))
    write = pipeline(handler).writer.lines

    sent: list[int] = []

    def lines(spans: Any, figures: Any, pause: Any) -> Iterator[bytes]:
        for number, line in enumerate(write(spans, figures, pause)):
            if not sent and number == 1:
                sent.append(number)
                os.kill(os.getpid(), signal.SIGUSR1)
            yield line

    monkeypatch.setattr(pipeline(handler).writer, "lines", lines)
    try:
        outer = handler.flush_tracker().spans
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert finished(tmp_path) == SPANS
    assert outer + inner[0] >= len(SPANS)
    assert prompts(tmp_path) == SPANS
