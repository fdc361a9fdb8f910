"""Forgetting: whole traces go out of every byte of a run, everything else stays once, whatever
happens meanwhile, and nothing brings them back.
"""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from langchain_sagemaker_experiments import (
    BotoRun,
    CompactionError,
    ForgetError,
    Forgotten,
    MlflowRun,
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    SpanReadError,
    compact,
    forget,
    load_scores,
    load_spans,
    log_score,
    scan_spans,
    sync,
)
from langchain_sagemaker_experiments._analysis.preview import preview
from langchain_sagemaker_experiments._cli.app import app
from langchain_sagemaker_experiments._query.cache import CACHE_VARIABLE, open_index
from langchain_sagemaker_experiments._query.follow import Follower
from langchain_sagemaker_experiments._query.listing import Source
from langchain_sagemaker_experiments._query.prepared import prepare_all
from langchain_sagemaker_experiments._query.source_tables import open_tables
from langchain_sagemaker_experiments._scale.lease import Lease
from langchain_sagemaker_experiments._storage.object_store import FolderStore
from langchain_sagemaker_experiments._storage.writer_lock import WriterLock


def text_of(session: str, number: int) -> str:
    return f"{session}-secret-{number} " + "long text that several spans share " * 20


def trace_of(session: str, number: int, spans: int = 5) -> Span:
    """A trace whose texts all name its session; only its root says which session it is."""
    text = text_of(session, number)
    steps = [Span(f"{session}-step", kind="tool", inputs={"text": text}, outputs=text)] * (
        spans - 1
    )
    return Span(
        f"{session}-root",
        inputs={"text": text},
        outputs=text,
        children=steps,
        metadata={"session_id": session, "user_id": f"user of {session}"},
    )


def write(run: Any, sessions: list[str], parts: int = 2, per_part: int = 3, spans: int = 5) -> None:
    handler = SageMakerCallbackHandler(run)
    for part in range(parts):
        for number in range(per_part):
            for session in sessions:
                handler.log_trace(trace_of(session, part * per_part + number, spans))
        handler.flush_tracker()


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    return OfflineRun(tmp_path / "runs", experiment_name="shop", run_name="live")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def everything_in(folder: Path) -> str:
    """All text in a folder, names of files included, packed files unpacked."""
    return "\n".join(f"{path} {unpacked(path)}" for path in folder.rglob("*") if path.is_file())


def unpacked(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:4] == b"PAR1":
        return repr(pq.read_table(path).to_pylist()) + data.decode(errors="replace")
    return data.decode(errors="replace")


def sessions(source: Any) -> dict[str, int]:
    """How many spans of each session are read, by their names; each span once."""
    frame = load_spans(source)
    assert frame["span_id"].is_unique
    return dict(Counter(name.partition("-")[0] for name in frame["name"]))


def raw_spans(folder: Path) -> dict[str, int]:
    """How often each span lies in the files that count, without the product's readers."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.name.endswith(".parquet"):
            found.update(pq.read_table(path)["span_id"].to_pylist())
        elif path.name.startswith("part-"):
            found.update(json.loads(line)["span_id"] for line in unpacked(path).splitlines())
    return found


# --- what is taken out ----------------------------------------------------------------------------
def test_a_session_is_taken_out_and_the_rest_is_byte_for_byte_as_it_was(run: OfflineRun) -> None:
    write(run, ["anna", "ben"])
    before = load_spans(run)
    lines = [line for path in run.path.rglob("part-*") for line in path.read_bytes().splitlines()]
    others = [line for line in lines if b"anna" not in line]
    done = forget(run, session_id="anna")
    assert (done.traces, done.spans, done.files, done.runs) == (6, 30, 2, 1)
    assert "anna" not in everything_in(run.path)
    after = [line for path in run.path.rglob("part-*") for line in path.read_bytes().splitlines()]
    assert sorted(after) == sorted(others)
    left = load_spans(run)
    kept = before[~before["name"].str.startswith("anna")].reset_index(drop=True)
    assert left.to_dict("records") == kept.to_dict("records")


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ({"user_id": "user of ben"}, {"anna": 30}),
        ({"session_id": "anna", "before": "2001-01-01"}, {"anna": 30, "ben": 30}),
        ({"session_id": "nobody"}, {"anna": 30, "ben": 30}),
        ({"before": "2999-01-01"}, {}),
        ({"before": "2001-01-01"}, {"anna": 30, "ben": 30}),
    ],
)
def test_what_can_be_chosen(run: OfflineRun, what: dict[str, Any], left: dict[str, int]) -> None:
    write(run, ["anna", "ben"])
    expected = 60 - sum(left.values())
    counted = forget(run, dry_run=True, **what)
    assert type(counted) is Forgotten
    assert (counted.spans, counted.dry_run) == (expected, True)
    assert sessions(run) == {"anna": 30, "ben": 30}
    assert forget(run, **what).spans == expected
    assert sessions(run) == left


def test_traces_are_chosen_by_their_ids(run: OfflineRun) -> None:
    write(run, ["anna"])
    first, second, *_ = load_spans(run)["trace_id"].unique()
    assert forget(run, trace_ids=[first, second]).spans == 10
    assert {first, second}.isdisjoint(load_spans(run)["trace_id"])
    assert sessions(run) == {"anna": 20}
    assert forget(run, trace_ids=first).spans == 0


def test_a_session_that_goes_on_is_recorded_again(run: OfflineRun) -> None:
    write(run, ["anna"])
    forget(run, session_id="anna")
    write(run, ["anna"], parts=1)
    assert sessions(run) == {"anna": 15}


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"session_id": "a", "user_id": "b"},
        {"trace_ids": "a", "before": "2026-01-01"},
        {"before": "yesterday"},
    ],
)
def test_words_that_do_not_say_what_to_forget_are_refused(
    run: OfflineRun, what: dict[str, Any]
) -> None:
    write(run, ["anna"])
    with pytest.raises(ValueError):
        forget(run, **what)
    assert sessions(run) == {"anna": 30}


def test_a_source_without_spans_or_that_is_mlflow_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SpanReadError, match="no folder"):
        forget(tmp_path / "none", session_id="a")
    with pytest.raises(SpanReadError, match="no spans"):
        forget(tmp_path, session_id="a")
    with pytest.raises(SpanReadError, match="MLflow"):
        forget("runs:/0123", session_id="a")
    assert MlflowRun is not None


# --- packed, compacted, shared --------------------------------------------------------------------
def test_gzip_and_parquet_and_parts_that_wait_for_their_removal(run: OfflineRun) -> None:
    write(run, ["anna", "ben"])
    for part in (run.path / "langchain-traces").glob("part-*.jsonl"):
        part.with_name(f"{part.name}.gz").write_bytes(gzip.compress(part.read_bytes()))
        part.unlink()
    compact(run.path)  # the parts stay for a while
    write(run, ["anna", "ben"], parts=1)
    assert forget(run, session_id="anna").traces == 9
    assert "anna" not in everything_in(run.path)
    assert sessions(run) == {"ben": 45}
    compact(run.path, grace=0)
    compact(run.path, grace=0)
    assert sessions(run) == {"ben": 45}
    assert max(raw_spans(run.path).values()) == 1
    assert sum(told["spans"] for told in manifest(run)["files"].values()) == 45


def manifest(run: OfflineRun) -> Any:
    path = run.path / "langchain-traces" / "compacted" / "_manifest.json"
    return json.loads(path.read_bytes())


def test_files_of_which_nothing_is_left_stay_empty_for_a_while(
    run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, ["anna"], parts=1)
    compact(run.path)
    write(run, ["anna"], parts=1)
    forget(run, session_id="anna")
    assert sessions(run) == {}
    assert sorted(path.stat().st_size for path in run.path.rglob("part-*")) == [0, 0]
    monkeypatch.setattr("langchain_sagemaker_experiments._scale.tidying.time.time", in_a_day)
    assert forget(run, session_id="anna").removed == 3
    assert not [*run.path.rglob("part-*"), *run.path.rglob("*.parquet")]
    assert sessions(run) == {}


_time = time.time


def in_a_day() -> float:
    return _time() + 86_400


def test_a_list_that_grew_is_cut_to_what_is_left(run: OfflineRun) -> None:
    """The conversation of a thread is one list in a part: the first turn holds it, the second adds
    to it."""
    from langchain_core.messages import AIMessage, HumanMessage
    from langgraph.checkpoint.memory import MemorySaver
    from langgraph.graph import START, MessagesState, StateGraph

    def answer(state: MessagesState) -> dict[str, Any]:
        asked = state["messages"][-1].content
        return {"messages": [AIMessage(f"answer to {asked} " + "padding " * 40)]}

    graph = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer")
    app = graph.compile(checkpointer=MemorySaver())
    handler = SageMakerCallbackHandler(run)
    config = {"configurable": {"thread_id": "t"}, "callbacks": [handler]}
    for turn in range(10):
        app.invoke({"messages": [HumanMessage(f"turn{turn} " + "text " * 60)]}, config)
    handler.flush_tracker()
    (part,) = run.path.rglob("part-*.jsonl")
    assert b'"$take"' in part.read_bytes()
    before = load_spans(run)
    roots = before[before["parent_span_id"].isna()]["trace_id"].tolist()
    assert len(roots) == 10
    forget(run, trace_ids=roots[6:])
    assert all(f"turn{turn}" not in part.read_text() for turn in range(6, 10))
    kept = before[before["trace_id"].isin(roots[:6])].reset_index(drop=True)
    assert load_spans(run).to_dict("records") == kept.to_dict("records")
    forget(run, trace_ids=roots[:3])  # those that hold what the others refer to
    kept = before[before["trace_id"].isin(roots[3:6])].reset_index(drop=True)
    assert load_spans(run).to_dict("records") == kept.to_dict("records")


# --- scores ---------------------------------------------------------------------------------------
def test_scores_go_too_and_those_that_come_later_are_not_read(run: OfflineRun) -> None:
    write(run, ["anna", "ben"], parts=1)
    frame = load_spans(run)
    roots = frame[frame["parent_span_id"].isna()]
    for _, root in roots.iterrows():
        log_score(run, root["trace_id"], key="good", score=1, comment=f"about {root['name']}")
    assert forget(run, session_id="anna").scores == 3
    assert "anna" not in everything_in(run.path)
    assert len(load_scores(run)) == 3
    anna = roots[roots["name"] == "anna-root"].iloc[0]["trace_id"]
    log_score(run, anna, key="good", score=0, comment="later, about anna")
    for source in (run, run.path, run.path / "langchain-scores", run.path / "langchain-traces"):
        assert set(load_scores(source)["comment"]) == {"about ben-root"}, source
    again = forget(run, session_id="anna")
    assert (again.spans, again.scores) == (0, 1)
    assert "anna" not in everything_in(run.path)


# --- what arrives later ---------------------------------------------------------------------------
def test_no_reader_shows_a_part_that_arrives_later(run: OfflineRun, tmp_path: Path) -> None:
    write(run, ["anna", "ben"], parts=1)
    late = [
        (path, path.read_bytes()) for path in (run.path / "langchain-traces").glob("part-*.jsonl")
    ]
    forget(run, session_id="anna")
    path, data = late[0]
    path.with_name(path.name.replace("part-", "part-9")).write_bytes(data)  # somebody sent it again
    assert sessions(run) == {"ben": 15}
    assert sessions(tmp_path / "runs") == {"ben": 15}
    assert sessions(path.with_name(path.name.replace("part-", "part-9"))) == {"ben": 15}
    scanned = scan_spans(run.path, columns=["name"]).compute()
    assert not scanned["name"].str.startswith("anna").any()
    with open_tables(run.path) as tables:
        assert tables.rows("SELECT count(*) AS spans FROM spans") == [{"spans": 15}]
    compact(run.path, grace=0)
    compact(run.path, grace=0)
    assert "anna" not in everything_in(run.path)
    assert sessions(run) == {"ben": 15}


def test_a_spool_that_is_synced_later_brings_nothing_back(
    local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = OfflineRun(tmp_path / "source", experiment_name="shop", run_name="live")
    write(offline, ["anna", "ben"], parts=1)
    spool = tmp_path / "spools" / "spool-1-abc"
    spool.mkdir(parents=True)
    (part,) = offline.path.rglob("part-*.jsonl")
    (spool / part.name).write_bytes(part.read_bytes())
    target = {"experiment_name": "shop", "run_name": "live"}
    (spool / "target.json").write_text(json.dumps(target))
    with BotoRun(**target) as boto_run:
        write(boto_run, ["anna", "ben"], parts=1)
        assert forget(boto_run, session_id="anna").spans == 15
        result = sync(tmp_path / "spools")
        assert result.spans == 15
        assert sessions(boto_run) == {"ben": 30}
        bucket, folder = boto_run.place()
    assert "anna" not in everything_at(bucket, folder)
    assert not spool.exists()


def everything_at(bucket: str, prefix: str) -> str:
    client = boto3.client("s3")
    keys = [
        item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    ]
    bodies = (client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys)
    return "\n".join(f"{key} {body!r}" for key, body in zip(keys, bodies, strict=True))


def test_an_index_of_the_window_does_not_show_what_arrives_later(
    run: OfflineRun, cache: Path
) -> None:
    write(run, ["anna", "ben"], parts=1)
    (path,) = (run.path / "langchain-traces").glob("part-*.jsonl")
    data = path.read_bytes()
    look(run)
    assert b"anna" in b"".join(file.read_bytes() for file in cache.iterdir())
    forget(run, session_id="anna")
    assert not list(cache.glob("*.duckdb*"))
    path.with_name("part-9.jsonl").write_bytes(data)
    assert look(run) == {"ben-root", "ben-step"}
    index = open_index("another")
    try:
        assert any("window" in place for place in forget(run, session_id="anna").unreached)
    finally:
        index.close()


def look(run: OfflineRun) -> set[str]:
    index = open_index(str(run.path))
    try:
        Follower(
            Source(run.path),
            index,
            lambda parts, problems: prepare_all(parts, preview, problems),
            lambda: None,
        ).update()
        return {row["name"] for row in index.ask("SELECT DISTINCT name FROM spans")}
    finally:
        index.close()


# --- S3 -------------------------------------------------------------------------------------------
def test_objects_keep_their_metadata_and_tags(local: Any) -> None:
    client = boto3.client("s3")
    with BotoRun("shop", "live") as boto_run:
        write(boto_run, ["anna", "ben"], parts=2)
        write(boto_run, ["ben"], parts=1)
        bucket, folder = boto_run.place()
        listed = client.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
        keys = [item["Key"] for item in listed if item["Key"].endswith(".jsonl")]
        tags = [{"Key": "keep", "Value": "a year + a day"}]
        for key in keys:
            client.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": tags})
        before = {key: client.head_object(Bucket=bucket, Key=key) for key in keys}
        done = forget(f"s3://{bucket}/{folder}", session_id="anna")
        assert (done.spans, done.files) == (30, 2)
        assert any("noncurrent" in text or "no older versions" in text for text in done.unreached)
        assert sessions(boto_run) == {"ben": 45}
        assert "anna" not in everything_at(bucket, folder)
    for key, head in before.items():
        after = client.head_object(Bucket=bucket, Key=key)
        assert (after["Metadata"], after["ContentType"]) == (head["Metadata"], head["ContentType"])
        assert client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == tags
    frame = load_spans(experiment_name="shop", run_name="live")
    assert set(frame["experiment_name"]) == {"shop"}


def test_all_runs_of_an_experiment_in_s3(local: Any) -> None:
    for name in ("one", "two"):
        with BotoRun("shop", name) as boto_run:
            write(boto_run, ["anna", "ben"], parts=1)
            compact(boto_run)
    done = forget(experiment_name="shop", session_id="anna")
    assert (done.runs, done.spans) == (2, 30)
    assert sessions_of_experiment() == {"ben": 30}


def sessions_of_experiment() -> dict[str, int]:
    names = load_spans(experiment_name="shop")["name"]
    return dict(Counter(name.partition("-")[0] for name in names))


def test_versions_of_a_bucket_are_named(local: Any) -> None:
    with BotoRun("shop", "live") as boto_run:
        write(boto_run, ["anna"], parts=1)
        bucket, _ = boto_run.place()
        boto3.client("s3").put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        done = forget(boto_run, session_id="anna")
    assert any(f"{bucket} keeps older versions" in text for text in done.unreached)


PAGE = (Path(__file__).parents[2] / "docs" / "keep-and-forget.md").read_text()


def test_the_lifecycle_rules_of_the_page_are_taken_and_match_what_is_written(local: Any) -> None:
    """S3 itself expires nothing here: what its filters would match is compared with what lies
    there."""
    rules = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
    client = boto3.client("s3")
    tagging = PAGE.partition("RETENTION = ")[2].partition("\n")[0]
    with BotoRun("my-experiment", "my-run") as boto_run:
        handler = SageMakerCallbackHandler(boto_run, extra_args=json.loads(tagging))
        handler.log_trace(trace_of("anna", 1))
        handler.log_trace(trace_of("ben", 1))
        handler.flush_tracker()
        bucket, folder = boto_run.place()
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
        taken = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        by_tag, by_prefix = (rule["Filter"] for rule in rules["Rules"])
        assert [rule["Filter"] for rule in taken] == [by_tag, by_prefix]
        forget(boto_run, session_id="anna")
        (key,) = (
            item["Key"]
            for item in client.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
            if "part-" in item["Key"]
        )
    assert key.startswith(by_prefix["Prefix"])
    assert client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == [by_tag["Tag"]]


# --- at the same time -----------------------------------------------------------------------------
def test_a_compaction_at_work_is_waited_for_and_the_other_way_round(run: OfflineRun) -> None:
    write(run, ["anna", "ben"])
    store = FolderStore(run.path / "langchain-traces")
    with Lease(store):
        with pytest.raises(ForgetError, match="at work"):
            forget(run, session_id="anna")
        with pytest.raises(CompactionError, match="being forgotten"):
            compact(run.path)
    assert sessions(run) == {"anna": 30, "ben": 30}
    assert forget(run, session_id="anna").spans == 30


def test_a_spool_whose_handler_lives_is_left_alone_and_said_so(
    run: OfflineRun, tmp_path: Path
) -> None:
    write(run, ["anna", "ben"], parts=1)
    spool = tmp_path / "spool-1-abc"
    spool.mkdir()
    (part,) = run.path.rglob("part-*.jsonl")
    (spool / part.name).write_bytes(part.read_bytes())
    (spool / "target.json").write_text("{}")
    lock = WriterLock.acquire(spool)
    done = forget(spool, session_id="anna")
    assert done.spans == 0
    assert any("may still write" in text for text in done.unreached)
    lock.release()
    assert forget(spool, session_id="anna").spans == 15
    assert "anna" not in everything_in(spool)
    assert sorted(path.name for path in spool.iterdir() if path.name[0] != ".") == sorted(
        [part.name, "target.json"]
    )


def test_lines_that_nobody_can_read_are_named_and_torn_ones_of_the_session_go(
    run: OfflineRun,
) -> None:
    write(run, ["anna", "ben"], parts=1)
    (part,) = run.path.rglob("part-*.jsonl")
    torn = next(line for line in part.read_bytes().splitlines() if b'"anna-root"' in line)
    part.write_bytes(part.read_bytes() + b"{garbage\n" + torn[: len(torn) // 2])
    done = forget(run, session_id="anna")
    assert "anna" not in everything_in(run.path)
    assert [problem.reason for problem in done.problems] == [
        "1 line can't be read, so nobody can tell whose they are; they stay"
    ]
    packed = part.with_name("part-2.jsonl.gz")
    packed.write_bytes(gzip.compress(b'{"trace_id":"anna"}\n')[:-3])
    assert len(forget(run, session_id="anna").problems) == 2


def test_from_the_first_moment_no_reader_shows_any_of_it(
    run: OfflineRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, ["anna", "ben"], parts=3)
    assert look(run) == {"anna-root", "anna-step", "ben-root", "ben-step"}

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "rewrite", refuse)
        with pytest.raises(ForgetError, match="forget again"):
            forget(run, session_id="anna")
    assert "anna" in everything_in(run.path)
    assert sessions(run) == {"ben": 45}
    assert look(run) == {"ben-root", "ben-step"}
    assert forget(run, session_id="anna").spans == 45
    assert "anna" not in everything_in(run.path)


# --- killed ---------------------------------------------------------------------------------------
FORGET = """
import sys
from langchain_sagemaker_experiments import forget
print("begin", flush=True)
print(forget(sys.argv[1], session_id="anna").spans, flush=True)
"""


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 spans in parts, packed parts, Parquet and parts that were compacted; 400 of anna."""
    run = OfflineRun(
        tmp_path_factory.mktemp("big") / "runs", experiment_name="shop", run_name="live"
    )
    others = [f"o{number}" for number in range(24)]
    write(run, ["anna", *others], parts=10, per_part=1, spans=20)
    compact(run.path)
    write(run, ["anna", *others], parts=10, per_part=1, spans=20)
    for part in sorted((run.path / "langchain-traces").glob("part-*.jsonl"))[10::3]:
        part.with_name(f"{part.name}.gz").write_bytes(gzip.compress(part.read_bytes()))
        part.unlink()
    frame = load_spans(run)
    for _, root in frame[frame["name"] == "anna-root"].iterrows():
        log_score(run, root["trace_id"], key="good", score=1, comment="anna said thanks")
    return run.path


@pytest.mark.slow
def test_killed_at_ten_moments_and_repeated(ten_thousand: Path, tmp_path: Path) -> None:
    folder = ten_thousand
    before = load_spans(folder)
    others = before[~before["name"].str.startswith("anna")].drop(columns="scores")
    assert (len(before), len(others)) == (10_000, 9_600)
    stop = threading.Event()
    seen: list[Any] = []
    reader = threading.Thread(target=keep_reading, args=(folder, stop, seen))
    reader.start()
    seconds = random.Random(20)
    killed = 0
    for _ in range(10):
        killed += kill_at(folder, seconds.uniform(0, 0.4))
    stop.set()
    reader.join()
    assert killed >= 5
    finish = subprocess.run(
        [sys.executable, "-c", FORGET, str(folder)], capture_output=True, text=True, timeout=120
    )
    assert finish.returncode == 0, finish.stderr
    assert set(seen) <= {9_600, 10_000}
    assert len(seen) > 3
    left = everything_in(folder)
    assert "anna" not in left
    assert load_spans(folder).to_dict("records") == others.to_dict("records")
    compact(folder, grace=0)
    compact(folder, grace=0)
    lying = raw_spans(folder)
    assert sorted(lying) == sorted(others["span_id"])
    assert set(lying.values()) == {1}
    assert load_scores(folder).empty


def kill_at(folder: Path, seconds: float) -> bool:
    """Forget in a process, and kill it so many seconds after its work began."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORGET, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    time.sleep(seconds)
    process.kill()
    process.wait()
    return process.returncode == -signal.SIGKILL


def keep_reading(folder: Path, stop: threading.Event, seen: list[Any]) -> None:
    while not stop.is_set():
        try:
            frame = load_spans(folder)
            anna = int(frame["name"].str.startswith("anna").sum())
            seen.append(len(frame) if anna in (0, 400) else f"{anna} spans of anna")
        except Exception as error:
            seen.append(repr(error))


# --- the command ----------------------------------------------------------------------------------
def test_the_command_counts_forgets_and_says_what_it_can_not_reach(run: OfflineRun) -> None:
    write(run, ["anna", "ben"])
    folder = str(run.path)
    told = CliRunner().invoke(app, ["forget", folder, "--session", "anna", "--dry-run"])
    assert told.exit_code == 0
    assert "30 spans and 0 scores of 6 traces would be taken out of 2 files" in told.output
    assert sessions(run) == {"anna": 30, "ben": 30}
    told = CliRunner().invoke(app, ["forget", folder, "--session", "anna", "--json"])
    assert json.loads(told.stdout)["spans"] == 30
    trace = load_spans(run)["trace_id"].iloc[0]
    told = CliRunner().invoke(app, ["forget", folder, "--trace", trace])
    assert "5 spans" in told.output
    assert "MLflow, CloudWatch" in told.output
    told = CliRunner().invoke(app, ["forget", folder])
    assert told.exit_code == 2
    told = CliRunner().invoke(app, ["forget", folder, "--user", "user of ben", "--before", "2999"])
    assert told.exit_code in (0, 2)
