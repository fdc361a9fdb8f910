"""The end of a process, whichever way it comes, in whichever kind of process, with whichever
destination: every span is in the run or in a spool, and it is there once.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments._storage.writer_lock import writer_state
from support.dead_network import dead_server
from support.programs import Zygote, await_true
from support.spans import finished, prompts, raw_lines, record

SPANS = ["0", "1", "2", "3"]

# --- kinds of processes, ways to end, destinations ------------------------------------------------
HANDLERS = {
    "a folder": 'run = OfflineRun(FOLDER + "/runs", experiment_name="e", run_name="r")',
    "no run": "run = None",
    "S3": 'from langchain_sagemaker_experiments import BotoRun\nrun = BotoRun("e", "r")',
    "no network": (
        "from langchain_sagemaker_experiments import BotoRun\n"
        'run = BotoRun("e", "r")\n'
        "import boto3\n"
        "run.s3_client = boto3.client('s3', endpoint_url=os.environ['DEAD'])"
    ),
    "refused": (
        "class run:\n"
        "    experiment_name, run_name = 'e', 'r'\n"
        "    def log_file(self, file_path):\n"
        "        raise ConnectionError('refused')\n"
        "run = run()"
    ),
}
WORK = """
handler = SageMakerCallbackHandler(run, spool_dir=FOLDER + "/spool", **SETTINGS)
for number in range(4):
    record(handler, str(number))
"""
ENDS = {
    "it returns": "",
    "sys.exit": "sys.exit(3)",
    "an exception": "raise ValueError('the user failed')",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
    "SIGHUP": "os.kill(os.getpid(), signal.SIGHUP); time.sleep(60)",
    "Ctrl-C": "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
    "os._exit": "os._exit(0)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
}
HARD = ("os._exit", "SIGKILL")
"""Ends that nothing can see coming: only `durable=True` outlives them."""
KINDS = {
    "main process": "{body}",
    "forked child": (
        "pid = os.fork()\nif pid == 0:\n{indented}\n    sys.exit(0)\nos.waitpid(pid, "
        "0)\nos._exit(0)"
    ),
    "handler made in a thread": (
        "def make():\n    global handler\n{indented_handler}\n"
        "thread = threading.Thread(target=make)\nthread.start()\nthread.join()\n{ending}"
    ),
    "multiprocessing fork": (
        "import multiprocessing\ndef work():\n    global run, handler\n{indented}\n"
        "child = multiprocessing.get_context('fork').Process(target=work)\n"
        "child.start()\nchild.join()\nos._exit(0)"
    ),
    "multiprocessing fork, handler of the parent's": (
        "import multiprocessing\n{make}\ndef work():\n    for n in range(4): record(handler, "
        "str(n))\n"
        "    {ending}\nchild = multiprocessing.get_context('fork').Process(target=work)\n"
        "child.start()\nchild.join()\nos._exit(0)"
    ),
    "billiard": (
        "import billiard\ndef work():\n    global run, handler\n{indented}\n"
        "child = billiard.Process(target=work)\nchild.start()\nchild.join()\nos._exit(0)"
    ),
}


def program(kind: str, end: str, destination: str, folder: Path) -> str:
    settings = {"durable": True} if end in HARD else {}
    top = f"FOLDER = {str(folder)!r}\nSETTINGS = {settings!r}\n"
    work = HANDLERS[destination] + WORK
    body = work + ENDS[end]
    make = HANDLERS[destination] + (
        '\nhandler = SageMakerCallbackHandler(run, spool_dir=FOLDER + "/spool", **SETTINGS)'
    )
    return top + KINDS[kind].format(
        body=body,
        indented=_indented(body),
        indented_handler=_indented(work),
        ending=ENDS[end],
        make=make,
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def cases() -> Iterator[tuple[str, str, str]]:
    for kind in KINDS:
        for end in ENDS:
            if kind == "handler made in a thread" and end in ("SIGTERM", "SIGHUP"):
                continue  # only the main thread may take signals: docs/limits.md
            for destination in ("a folder", "no run", "refused"):
                if destination == "refused" and end not in ("it returns", "SIGTERM"):
                    continue
                yield kind, end, destination


@pytest.mark.parametrize(("kind", "end", "destination"), list(cases()))
def test_every_end_of_every_process_keeps_every_span_once(
    tmp_path: Path, programs: Zygote, kind: str, end: str, destination: str
) -> None:
    done = programs.run(program(kind, end, destination, tmp_path))
    assert finished(tmp_path) == SPANS, done.stderr
    if destination == "a folder" and end not in HARD:
        assert finished(tmp_path / "runs") == SPANS
        assert not list((tmp_path / "spool").rglob("*.jsonl"))
        assert "spans were not flushed" not in done.stderr
    elif end not in HARD:
        (folder,) = (tmp_path / "spool").iterdir()
        assert f"sagemaker-traces sync {folder}" in done.stderr
        assert writer_state(folder) == "dead"
    if kind == "main process":
        expected = {"SIGTERM": -15, "SIGHUP": -1, "SIGKILL": -9, "sys.exit": 3}
        expected |= {"an exception": 1, "Ctrl-C": -2}
        assert done.returncode == expected.get(end, 0), done.stderr


# --- S3 -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    from langchain_sagemaker_experiments.local import local_sagemaker

    with local_sagemaker(server=True):
        yield


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("end", ["it returns", "an exception", "SIGTERM", "SIGHUP", "Ctrl-C"])
@pytest.mark.parametrize("kind", ["main process", "multiprocessing fork"])
def test_where_s3_answers_an_end_sends_everything(
    tmp_path: Path, programs: Zygote, kind: str, end: str
) -> None:
    name = f"{kind[:5]}-{end[-5:]}".replace(" ", "").replace(".", "")
    code = program(kind, end, "S3", tmp_path).replace('"e", "r"', f'"exits", "{name}"')
    done = programs.run(code, **_environment())
    assert "spans were not flushed" not in done.stderr
    found = load_spans(experiment_name="exits", run_name=name)
    assert sorted(inputs["prompts"][0] for inputs in found["inputs"]) == SPANS, done.stderr
    assert not finished(tmp_path)


@pytest.mark.usefixtures("server")
def test_at_exit_several_parts_are_sent_too(tmp_path: Path, programs: Zygote) -> None:
    """No thread pool takes work any more then."""
    code = program("main process", "it returns", "S3", tmp_path)
    code = "from langchain_sagemaker_experiments._delivery import pipeline as p\n" + code
    code = "p.MAX_PART_BYTES = 1_500\n".join(code.split("FOLDER =", 1)[:1]) + (
        "p.MAX_PART_BYTES = 1_500\nFOLDER =" + code.split("FOLDER =", 1)[1]
    )
    done = programs.run(code.replace('"e", "r"', '"exits", "several"'), **_environment())
    assert done.stderr == ""
    found = load_spans(experiment_name="exits", run_name="several")
    assert sorted(inputs["prompts"][0] for inputs in found["inputs"]) == SPANS
    assert not finished(tmp_path)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("state", ["idle", "in a flush", "in a background flush"])
def test_a_signal_on_a_dead_network_writes_to_disk_first_and_ends_within_a_bound(
    tmp_path: Path, programs: Zygote, number: signal.Signals, state: str
) -> None:
    """`docker stop` kills after ten seconds. The bound is shortened here, its value is the next
    test's.
    """
    doing = {
        "idle": "",
        "in a flush": "handler.flush_tracker()",
        "in a background flush": "record(handler, 'wake')",
    }[state]
    code = (
        "from langchain_sagemaker_experiments._delivery import process_exit\n"
        "process_exit.SECONDS_AFTER_SIGNAL = float(os.environ['BOUND'])\n"
        + program("main process", "it returns", "no network", tmp_path)
        + f"\nprint('ready', flush=True)\n{doing}\ntime.sleep(100)\n"
    )
    if state == "in a background flush":
        code = code.replace("SETTINGS = {}", "SETTINGS = {'flush_interval': 0.05}")
    with dead_server() as address:
        running = programs.start(code, DEAD=address, BOUND="1.5", **_environment())
        running.await_output("ready")
        time.sleep(0.3)  # into the flush
        running.kill(number)
        expected = sorted([*SPANS, "wake"]) if state == "in a background flush" else SPANS
        # All is on disk while the process still tries the network.
        await_true(lambda: finished(tmp_path / "spool") == expected)
        os.kill(running.pid, 0)
        done = running.wait()
    assert done.returncode == -number, done.stderr
    assert finished(tmp_path) == expected
    assert "there was no answer in time" in done.stderr
    assert "sagemaker-traces sync" in done.stderr


def test_the_bounds_fit_what_ends_processes() -> None:
    from langchain_sagemaker_experiments._delivery import process_exit

    docker_stop = 10.0
    assert docker_stop / 2 >= process_exit.SECONDS_AFTER_SIGNAL
    assert process_exit.SECONDS_AT_EXIT <= 30.0


# --- pools ----------------------------------------------------------------------------------------
POOLS = {
    "Pool, fork": "multiprocessing.get_context('fork').Pool(2)",
    "Pool, forkserver": "multiprocessing.get_context('forkserver').Pool(2)",
    "Pool, spawn": "multiprocessing.get_context('spawn').Pool(2)",
    "ProcessPoolExecutor, fork": (
        "ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork'))"
    ),
    "ProcessPoolExecutor, spawn": (
        "ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('spawn'))"
    ),
    "ProcessPoolExecutor, forkserver": (
        "ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('forkserver'))"
    ),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("leaving", ["with", "close and join"])
def test_workers_of_a_pool_that_ends_lose_nothing(
    tmp_path: Path, programs: Zygote, pool: str, leaving: str
) -> None:
    if leaving == "with":
        using = f"with {POOLS[pool]} as pool:\n    print(list(pool.map(work, names)))"
    else:
        last = "pool.shutdown()" if "Executor" in pool else "pool.close()\npool.join()"
        using = f"pool = {POOLS[pool]}\nprint(list(pool.map(work, names)))\n{last}"
    code = f"""
import functools, multiprocessing
from concurrent.futures import ProcessPoolExecutor
from support.child_work import record_one
work = functools.partial(record_one, {str(tmp_path)!r})
names = [str(number) for number in range(6)]
{using}
"""
    done = programs.run(code)
    assert "['0', '1', '2', '3', '4', '5']" in done.stdout, done.stderr
    assert finished(tmp_path) == [str(number) for number in range(6)], done.stderr


def test_celery_prefork_workers_lose_nothing(tmp_path: Path, programs: Zygote) -> None:
    done = programs.run(
        f"""
        from celery import Celery
        from celery.concurrency.prefork import TaskPool
        from support.child_work import record_one
        app = Celery(set_as_current=True)
        pool = TaskPool(2, initargs=(app, "host"), app=app)
        pool.start()
        results = []
        for number in range(6):
            pool.apply_async(record_one, ({str(tmp_path)!r}, str(number)), callback=results.append)
        while len(results) < 6:
            time.sleep(0.05)
        pool.stop()
        print(sorted(results))
        """
    )
    assert "['0', '1', '2', '3', '4', '5']" in done.stdout, done.stderr
    assert finished(tmp_path) == [str(number) for number in range(6)], done.stderr


# --- forks ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("settings", ["", "durable=True", "buffer_bytes=2_000"])
def test_a_forked_child_sends_its_own_spans_only(
    tmp_path: Path, programs: Zygote, settings: str
) -> None:
    done = programs.run(
        f"""
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(
            run, spool_dir={str(tmp_path / "spool")!r}, {settings}
        )
        record(handler, "parent before")
        handler.on_chain_start({{}}, "open", run_id=__import__("uuid").uuid4())
        for child in range(3):
            if os.fork() == 0:
                record(handler, f"child {{child}}")
                handler.flush_tracker()
                os._exit(0)
        for child in range(3):
            os.wait()
        record(handler, "parent after")
        handler.flush_tracker()
        os._exit(0)
        """
    )
    assert done.returncode == 0, done.stderr
    lines = raw_lines(tmp_path)
    assert len(lines) == 6  # the open span of the parent's once, too
    assert finished(tmp_path) == ["child 0", "child 1", "child 2", "parent after", "parent before"]


# --- signals --------------------------------------------------------------------------------------
def test_a_signal_handler_of_the_users_is_left_alone(tmp_path: Path, programs: Zygote) -> None:
    done = programs.run(
        f"""
        signal.signal(signal.SIGTERM, lambda *_: print("the user's own"))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        handler = SageMakerCallbackHandler(spool_dir={str(tmp_path)!r})
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        """
    )
    assert (done.returncode, done.stdout) == (0, "the user's own\n")


def test_a_flush_in_the_main_thread_takes_the_signals_that_a_worker_thread_could_not(
    tmp_path: Path, programs: Zygote
) -> None:
    done = programs.run(
        f"""
        def make():
            global handler
            run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
            handler = SageMakerCallbackHandler(run, spool_dir={str(tmp_path / "spool")!r})
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        handler.flush_tracker()
        record(handler, "kept")
        os.kill(os.getpid(), signal.SIGTERM)
        """
    )
    assert done.returncode == -signal.SIGTERM
    assert finished(tmp_path) == ["kept"]


# --- the first process of a container -------------------------------------------------------------
UNSHARE = shutil.which("unshare")
CAN_UNSHARE = (
    UNSHARE is not None
    and subprocess.run([UNSHARE, "--pid", "--fork", "true"], capture_output=True).returncode == 0
)


@pytest.mark.skipif(not CAN_UNSHARE, reason="the kernel gives no PID namespace here")
@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL", "it returns"])
@pytest.mark.parametrize("durable", [True, False])
def test_the_first_process_of_a_container(tmp_path: Path, end: str, durable: bool) -> None:
    """PID 1 has no default actions: SIGTERM saves, and does not end it. A dead one is known as
    dead.
    """
    if end == "SIGKILL" and not durable:
        pytest.skip("nothing outlives SIGKILL in memory: docs/limits.md")
    code = f"""
import os, signal, sys, time
from langchain_sagemaker_experiments import SageMakerCallbackHandler
from support.spans import record
assert os.getpid() == 1
handler = SageMakerCallbackHandler(durable={durable}, spool_dir={str(tmp_path)!r})
for number in range(4):
    record(handler, str(number))
print("ready", flush=True)
if {end!r} != "it returns":
    sys.stdin.readline()
"""
    assert UNSHARE is not None
    container = subprocess.Popen(
        [UNSHARE, "--pid", "--fork", "--kill-child", sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_with_tests(),
    )
    assert container.stdout is not None
    assert container.stdout.readline() == "ready\n"
    child = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    if end != "it returns":
        os.kill(int(child[0]), getattr(signal, end))
        await_true(lambda: finished(tmp_path) == SPANS)
    container.communicate("go on\n")
    assert finished(tmp_path) == SPANS
    (folder,) = tmp_path.iterdir()
    assert writer_state(folder) == "dead"


def _with_tests() -> dict[str, str]:
    tests = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}


# --- handlers that are given up -------------------------------------------------------------------
def test_a_handler_that_is_given_up_spools_what_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def forgetful() -> None:
        handler = SageMakerCallbackHandler(spool_dir=tmp_path)
        record(handler, "kept")
        handler.on_chain_start({}, "open")

    forgetful()
    gc.collect()
    assert finished(tmp_path) == ["kept"]
    (folder,) = tmp_path.iterdir()
    assert f"They are kept in {folder}" in capsys.readouterr().err
    assert sorted(load_spans(tmp_path)["status"]) == ["ok", "running"]


@pytest.mark.parametrize("exists", [False, True])
def test_an_end_with_nothing_to_keep_makes_no_folder(
    tmp_path: Path, programs: Zygote, exists: bool
) -> None:
    done = programs.run(
        f"""
        run = OfflineRun({str(tmp_path / "runs")!r}, experiment_name="e", run_name="r")
        handler = SageMakerCallbackHandler(run, spool_dir={str(tmp_path / "spool")!r})
        if {exists}:
            record(handler, "p")
            handler.flush_tracker()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "spool").exists()
    assert not exists or prompts(tmp_path / "runs") == ["p"]
