"""Scores: given during a run or days later, read back with the spans, never lost and never
doubled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from langchain_sagemaker_experiments import (
    BotoRun,
    DestinationError,
    FlushError,
    OfflineRun,
    SageMakerCallbackHandler,
    SpanReadError,
    compact,
    current_trace_id,
    export_spans,
    load_scores,
    load_spans,
    log_score,
    record_calls,
    sync,
    trace_table,
)
from langchain_sagemaker_experiments._record.score import make_score, merge_scores
from support.applications import echo_chain
from support.schema import SCHEMA

FAKE_KEY = "AKIA" + "IOSFODNN7" + "ABCDEFG"


def recorded(folder: Path, run_name: str = "run-1") -> tuple[OfflineRun, str]:
    """A run with one trace, and the trace's id."""
    run = OfflineRun(folder, experiment_name="experiment", run_name=run_name)
    with SageMakerCallbackHandler(run) as handler:
        echo_chain().invoke({"topic": "fish"}, config={"callbacks": [handler]})
        trace_id = current_trace_id()
    assert trace_id is not None
    return run, trace_id


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for part in folder.iterdir() for line in part.read_bytes().splitlines()
    ]


# --- where scores go ---------------------------------------------------------------------------
def test_a_score_is_a_record_of_its_own_beside_the_spans(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    before = {path: path.read_bytes() for path in (run.path / "langchain-traces").iterdir()}
    score_id = log_score(run, trace_id=trace_id, key="helpful", score=True, comment="good")
    assert {path: path.read_bytes() for path in (run.path / "langchain-traces").iterdir()} == before
    (record,) = lines_of(run.path / "langchain-scores")
    assert record["score_id"] == score_id
    assert (record["trace_id"], record["span_id"]) == (trace_id, None)
    assert (record["key"], record["score"], record["source"]) == ("helpful", True, "human")
    Draft202012Validator(SCHEMA["$defs"]["score"] | {"$defs": SCHEMA["$defs"]}).validate(record)


@pytest.mark.parametrize("kind", ["run", "path", "text", "part", "experiments"])
def test_a_folder_is_named_in_any_way(tmp_path: Path, kind: str) -> None:
    run, trace_id = recorded(tmp_path)
    part = next((run.path / "langchain-traces").iterdir())
    targets = {
        "run": run,
        "path": run.path,
        "text": str(run.path),
        "part": part,
        "experiments": tmp_path,
    }
    log_score(targets[kind], trace_id=trace_id, key="k", score=0.5)
    scores = load_scores(targets[kind])
    assert scores["score"].tolist() == [0.5]
    assert scores[["experiment_name", "run_name"]].values.tolist() == [["experiment", "run-1"]]
    assert load_scores(run.path / "langchain-traces")["score"].tolist() == [0.5]


def test_a_run_of_the_sdk_takes_scores_open_or_not_and_by_every_name(
    open_run: Callable[..., Any], session: Any
) -> None:
    with open_run() as run:
        with SageMakerCallbackHandler(run) as handler:
            echo_chain().invoke({"topic": "fish"}, config={"callbacks": [handler]})
            trace_id = str(current_trace_id())
            handler.log_score(trace_id, key="a", score=1)
        log_score(run, trace_id=trace_id, key="b", score=2)
    log_score(run, trace_id=trace_id, key="c", score=3)
    names = {"experiment_name": "experiment", "run_name": "run-1"}
    log_score(trace_id=trace_id, key="d", score=4, sagemaker_session=session, **names)
    with open_run() as again:
        address = load_address(again)
    log_score(address, trace_id=trace_id, key="e", score=5)
    for scores in (
        load_scores(again),
        load_scores(address),
        load_scores(experiment_name="experiment", sagemaker_session=session),
        load_scores(**names, sagemaker_session=session),
    ):
        assert dict(zip(scores["key"], scores["score"], strict=True)) == {
            "a": 1, "b": 2, "c": 3, "d": 4, "e": 5,
        }  # fmt: skip
        assert set(scores["run_name"]) == {"run-1"}
    table = trace_table(load_spans(again))
    assert table.loc[0, ["a", "b", "c", "d", "e"]].tolist() == [1, 2, 3, 4, 5]


def test_a_run_over_boto3_alone_takes_scores(local: Any) -> None:
    run = BotoRun("experiment", "run-1")
    with SageMakerCallbackHandler(run) as handler:
        echo_chain().invoke({"topic": "fish"}, config={"callbacks": [handler]})
        handler.log_score(str(current_trace_id()), key="a", score=1)
    log_score(run, trace_id=str(current_trace_id()), key="b", score=2)
    assert load_scores(run)["score"].tolist() == [1, 2]
    assert load_scores(experiment_name="experiment", run_name="run-1")["score"].tolist() == [1, 2]
    assert trace_table(load_spans(run)).loc[0, "b"] == 2


def load_address(run: Any) -> str:
    from langchain_sagemaker_experiments._destinations.sagemaker_run import run_place

    bucket, prefix = run_place(run)
    return f"s3://{bucket}/{prefix}/"


def test_a_run_that_never_was_is_an_error(session: Any, tmp_path: Path) -> None:
    with pytest.raises(SpanReadError, match="no run 'nobody'"):
        log_score(
            trace_id="t", key="k", score=1, experiment_name="e", run_name="nobody",
            sagemaker_session=session,
        )  # fmt: skip
    with pytest.raises(DestinationError, match="no run lies there"):
        log_score(tmp_path, trace_id="t", key="k", score=1)
    with pytest.raises(DestinationError, match="Give a Run"):
        log_score(trace_id="t", key="k", score=1)
    recorded(tmp_path, "run-1")
    recorded(tmp_path, "run-2")
    with pytest.raises(DestinationError, match="2 runs"):
        log_score(tmp_path, trace_id="t", key="k", score=1)


def test_a_score_that_cannot_be_written_says_so(local: Any) -> None:
    with pytest.raises(FlushError, match=r"not written.*NoSuchBucket"):
        log_score("s3://no-such-bucket/run/", trace_id="t", key="k", score=1)


# --- what a score may be -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": float("nan")}, "finite"),
        ({"score": [1]}, "finite number"),
        ({"score": 1e101}, "within 1e\\+100"),
        ({"score": 10**400}, "finite number"),
        ({"score": 10**5_000}, "finite number"),
        ({"key": ""}, "key"),
        ({"key": "k" * 201}, "key"),
        ({"source": "robot"}, "source"),
        ({"trace_id": ""}, "trace_id"),
        ({"span_id": 7}, "span_id"),
        ({"correction": object()}, "JSON"),
    ],
)
def test_what_is_no_score_is_refused(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    run, trace_id = recorded(tmp_path)
    with pytest.raises(ValueError, match=message):
        log_score(run, **{"trace_id": trace_id, "key": "k", "score": 1, **arguments})
    with SageMakerCallbackHandler(run) as handler, pytest.raises(ValueError, match=message):
        handler.log_score(**{"trace_id": trace_id, "key": "k", "score": 1, **arguments})
    assert not (run.path / "langchain-scores").exists()


def test_a_score_may_be_of_a_class_derived_from_a_number(tmp_path: Path) -> None:
    class Grade(int):
        pass

    numpy = pytest.importorskip("numpy")
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="numpy", score=numpy.float64(0.25))
    log_score(run, trace_id=trace_id, key="grade", score=Grade(3))
    assert {one["key"]: one["score"] for one in lines_of(run.path / "langchain-scores")} == {
        "numpy": 0.25,
        "grade": 3,
    }


def test_texts_that_are_no_utf_8_are_escaped_as_those_of_spans_are(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score="\ud800", comment="a \udce9", author="\udce9")
    (line,) = lines_of(run.path / "langchain-scores")
    assert (line["score"], line["comment"]) == ("\\ud800", "a \\udce9")
    assert line["author"] == "\\udce9"


def test_numbers_of_numpy_and_texts_are_scores(tmp_path: Path) -> None:
    import numpy as np

    run, trace_id = recorded(tmp_path)
    for key, value in {"f": np.float32(0.5), "b": np.bool_(True), "t": "good", "i": 2**70}.items():
        log_score(run, trace_id=trace_id, key=key, score=value)
    found = load_scores(run).set_index("key")["score"].to_dict()
    assert found == {"f": 0.5, "b": True, "t": "good", "i": float(2**70)}
    table = trace_table(load_spans(run))
    assert table.loc[0, "t"] == "good"
    assert table["f"].mean() == 0.5


def test_secrets_in_comments_never_reach_the_disk(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score="x", comment=f"key {FAKE_KEY}")
    with SageMakerCallbackHandler(run, redact=lambda text: text.replace("Ada", "…")) as handler:
        handler.log_score(trace_id, key="k2", score=f"Ada {FAKE_KEY}", correction={"by": "Ada"})
    written = b"".join(p.read_bytes() for p in (run.path / "langchain-scores").iterdir())
    assert FAKE_KEY.encode() not in written
    assert b"Ada" not in written
    assert written.count(b"[REDACTED]") == 2


def test_a_redact_function_that_raises_withholds(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)

    def broken(text: str) -> str:
        raise RuntimeError(text)

    with SageMakerCallbackHandler(run, redact=broken) as handler:
        handler.log_score(trace_id, key="k", score=1, comment="private")
    assert "withheld" in load_scores(run)["comment"][0]


# --- which score counts ------------------------------------------------------------------------
def test_the_later_score_of_one_author_counts_and_all_are_kept(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    for score in (1, 2, 3):
        log_score(run, trace_id=trace_id, key="k", score=score, author="ada")
    log_score(run, trace_id=trace_id, key="k", score=9, author="bob")
    log_score(run, trace_id=trace_id, key="k", score=0, source="model")
    scores = load_scores(run)
    assert scores["score"].tolist() == [3, 9, 0]
    assert load_scores(run, history=True)["score"].tolist() == [1, 2, 3, 9, 0]
    assert trace_table(load_spans(run)).loc[0, "k"] == 4


def test_none_withdraws(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score=1)
    log_score(run, trace_id=trace_id, key="k", score=None)
    assert load_scores(run).empty
    assert len(load_scores(run, history=True)) == 2
    assert "k" not in trace_table(load_spans(run))
    log_score(run, trace_id=trace_id, key="k", score=1)
    assert len(load_scores(run)) == 1


def test_records_in_any_order_and_twice_give_the_same_winners() -> None:
    scores = [make_score("t", key="k", score=n, author="a") for n in range(5)]
    scores += [make_score("t", "s", key="k", score=n) for n in range(3)]
    expected = [4, 2]
    for records in (scores, scores[::-1], scores * 2):
        assert [one["score"] for one in merge_scores(records)] == expected


def test_a_score_of_a_span_is_with_that_span(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    spans = load_spans(run)
    child = spans[spans["parent_span_id"].notna()].iloc[0]
    log_score(run, trace_id=trace_id, span_id=child["span_id"], key="relevant", score=1)
    log_score(run, trace_id=trace_id, key="helpful", score=0)
    scored = load_spans(run).set_index("span_id")["scores"]
    assert [s["key"] for s in scored[child["span_id"]]] == ["relevant"]
    assert [s["key"] for s in scored[trace_id]] == ["helpful"]
    table = trace_table(load_spans(run))
    assert (table.loc[0, "relevant"], table.loc[0, "helpful"]) == (1, 0)


def test_a_key_that_is_named_like_a_column_has_a_column_of_its_own(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="errors", score=7)
    table = trace_table(load_spans(run))
    assert table.loc[0, "errors"] == 0
    assert table.loc[0, "score.errors"] == 7


# --- with the handler --------------------------------------------------------------------------
def test_scores_of_the_handler_go_with_the_flush_and_give_metrics(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)
    for score in (1.0, 0.0):
        echo_chain().invoke({"topic": "fish"}, config={"callbacks": [handler]})
        handler.log_score(str(current_trace_id()), key="helpful", score=score)
    assert not (run.path / "langchain-scores").exists()
    result = handler.flush_tracker()
    assert result.scores == 2
    assert result.metrics["score.helpful"] == 0.5
    assert result.metrics["score.helpful.count"] == 2
    assert len(lines_of(run.path / "langchain-scores")) == 2
    again = handler.flush_tracker()
    assert again.scores == 0
    assert "score.helpful" not in again.metrics


def test_scores_whose_upload_failed_go_with_the_next_flush(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path / "runs", experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)
    handler.log_score("trace", key="k", score=1)
    (run.path / "langchain-scores").write_text("in the way")
    with pytest.raises(FlushError):
        handler.flush_tracker()
    (run.path / "langchain-scores").unlink()
    handler.log_score("trace", key="k2", score=1)
    assert handler.flush_tracker().scores == 2
    assert sorted(load_scores(run)["key"]) == ["k", "k2"]
    assert len(lines_of(run.path / "langchain-scores")) == 2


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_scores_survive_the_end_of_the_process(tmp_path: Path, session: Any, end: str) -> None:
    spool = tmp_path / "spool"
    code = f"""
import os, signal
from langchain_sagemaker_experiments import SageMakerCallbackHandler
handler = SageMakerCallbackHandler(durable={end == "kill"}, spool_dir={str(spool)!r})
handler.log_score("trace-1", key="k", score=1)
if {end == "kill"}:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=end == "exit", timeout=60)
    (folder,) = spool.iterdir()
    result = sync(folder, experiment_name="e", run_name="r", sagemaker_session=session)
    assert result.scores == 1
    assert load_scores(experiment_name="e", run_name="r", sagemaker_session=session)[
        "key"
    ].tolist() == ["k"]
    assert not folder.exists()


def test_a_correction_may_hold_any_text(tmp_path: Path) -> None:
    """Half an emoji, as a model's cut answer ends with."""
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id, key="k", score=1, correction={"text": "cut \ud83d", "n": 2**70})
    assert load_scores(run)["correction"][0] == {"text": "cut \\ud83d", "n": f"<int {2**70}>"}
    with pytest.raises(ValueError, match="object has no JSON form"):
        log_score(run, trace_id, key="k", score=1, correction=["cut \ud83d", object()])


def test_a_disk_that_is_full_for_a_moment_costs_no_score(tmp_path: Path) -> None:
    """Written half, a score stays in memory, and the next one is not glued to the half."""
    code = f"""
import os, resource, signal
from pathlib import Path
from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_scores
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = OfflineRun({str(tmp_path)!r}, experiment_name="e", run_name="r")
spool = Path({str(tmp_path / "spool")!r})
handler = SageMakerCallbackHandler(run, durable=True, spool_dir=spool)
handler.log_score("trace", key="k1", score=1)
(file,) = spool.rglob("scores-*")
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 50, unlimited[1]))
handler.log_score("trace", key="k2", score=1)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
handler.log_score("trace", key="k3", score=1)
last = file.read_bytes().splitlines()[-1]
print(last[:1] == b"{{" and b'"k3"' in last and last[-1:] == b"}}")
result = handler.flush_tracker()
print(sorted(load_scores(run)["key"]), result.scores)
print([what[:18] for what in result.faults])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["True", "['k1', 'k2', 'k3'] 3", "['spool not writable']"]


def test_a_forked_child_does_not_send_the_scores_of_its_parent(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)
    handler.log_score("trace", key="k", score=1)
    child = os.fork()
    if child == 0:
        handler.flush_tracker()
        os._exit(0)
    os.waitpid(child, 0)
    assert load_scores(run).empty
    handler.flush_tracker()
    assert len(lines_of(run.path / "langchain-scores")) == 1


def test_offline_scores_are_synced_once(tmp_path: Path, session: Any) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score=1)
    names = {"experiment_name": "experiment", "run_name": "run-1", "sagemaker_session": session}
    assert sync(tmp_path, sagemaker_session=session).scores == 1
    log_score(run, trace_id=trace_id, key="k2", score=2)
    assert sync(tmp_path, sagemaker_session=session).scores == 1
    assert load_scores(**names)["score"].tolist() == [1, 2]
    assert trace_table(load_spans(**names)).loc[0, "k2"] == 2


# --- readers -----------------------------------------------------------------------------------
def test_scores_are_the_same_before_and_after_a_compaction(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score=1, comment="fine")
    log_score(run, trace_id=trace_id, key="k2", score="good")
    scores, spans = load_scores(run), load_spans(run)
    compact(tmp_path, grace=0)
    compact(tmp_path, grace=0)
    assert load_scores(run).equals(scores)
    assert trace_table(load_spans(run)).equals(trace_table(spans))


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_exports_carry_the_scores(tmp_path: Path, ending: str) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score=0.25)
    export_spans(load_spans(run), tmp_path / f"out{ending}")
    assert trace_table(load_spans(tmp_path / f"out{ending}")).loc[0, "k"] == 0.25


def test_damaged_scores_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    run, trace_id = recorded(tmp_path)
    log_score(run, trace_id=trace_id, key="k", score=1)
    (run.path / "langchain-scores" / "scores-torn.jsonl").write_text('{"other": 1}\n{"score_id"')
    with pytest.warns(match="torn last line"):
        scores = load_scores(run)
    assert len(scores) == 1
    assert len(scores.attrs["problems"]) == 2


def test_a_run_without_scores_has_none(tmp_path: Path) -> None:
    run, _ = recorded(tmp_path)
    assert load_scores(run).empty
    assert "trace_id" in load_scores(run)
    assert load_scores(run.path / "langchain-traces").empty
    assert "scores" not in load_spans(run)
    with pytest.raises(SpanReadError):
        load_scores(tmp_path / "nothing")


# --- the id to hand out ------------------------------------------------------------------------
def test_the_current_trace_is_that_of_the_call_inside_and_after_it(tmp_path: Path) -> None:
    from langchain_core.runnables import RunnableLambda

    seen: list[str | None] = []
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with record_calls(run) as handler:
        (RunnableLambda(lambda text: text) | (lambda text: seen.append(current_trace_id()))).invoke(
            "fish"
        )
        seen.append(current_trace_id())
        with handler.span("request") as span:
            echo_chain().invoke({"topic": "fish"})
            assert current_trace_id() == span.span_id
    root = load_spans(run).iloc[0]
    assert seen == [root["trace_id"]] * 2


def test_tasks_do_not_see_the_traces_of_each_other(tmp_path: Path) -> None:
    import asyncio

    async def request(number: int) -> tuple[str, str | None]:
        await asyncio.sleep(0.001 * (number % 3))
        answer = await echo_chain().ainvoke({"topic": f"fish {number}"})
        await asyncio.sleep(0.001 * (number % 2))
        return answer, current_trace_id()

    async def main() -> list[tuple[str, str | None]]:
        return await asyncio.gather(*(request(number) for number in range(20)))

    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with record_calls(run):
        answers = asyncio.run(main())
    table = trace_table(load_spans(run)).set_index("trace_id")["outputs"]
    assert {str(trace): answer for answer, trace in answers} == table.to_dict()


def test_a_trace_outside_the_sample_has_an_id_so_that_it_can_be_scored(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with record_calls(run, sample_rate=0.0):
        echo_chain().invoke({"topic": "fish"})
        assert current_trace_id() is not None
    assert load_spans(run).empty
