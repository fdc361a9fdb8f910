"""`evaluate` and `aevaluate`: any target, every evaluator, traces and scores in the run."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph

from langchain_sagemaker_experiments import (
    BotoRun,
    DestinationError,
    EvaluationError,
    OfflineRun,
    aevaluate,
    compare_runs,
    evaluate,
    exact_match,
    load_scores,
    load_spans,
    trace_table,
)
from langchain_sagemaker_experiments._evaluation.progress import ProgressLine
from support.applications import EchoModel, echo_chain

EXAMPLES = [
    {"id": f"example-{n}", "inputs": {"topic": f"fish {n}"}, "reference_outputs": f"fish {n % 4}"}
    for n in range(6)
]
RIGHT = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def right(outputs: Any, reference_outputs: Any) -> bool:
    return outputs == reference_outputs


async def right_later(outputs: Any, reference_outputs: Any) -> bool:
    await asyncio.sleep(0)
    return outputs == reference_outputs


def answer(inputs: dict[str, str]) -> str:
    return echo_chain().invoke(inputs)


async def answer_later(inputs: dict[str, str]) -> str:
    return str(await echo_chain().ainvoke(inputs))


def graph() -> Any:
    def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"topic": echo_chain().invoke({"topic": state["topic"]})}

    built = StateGraph(dict)
    built.add_node("answer", node)
    built.add_edge(START, "answer")
    built.add_edge("answer", END)
    return built.compile() | (lambda state: state["topic"])


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    return OfflineRun(tmp_path, experiment_name="experiment", run_name="run-1")


# --- targets ------------------------------------------------------------------------------------
@pytest.mark.parametrize("evaluator", [right, right_later])
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("target", [echo_chain(), answer, answer_later, graph()])
def test_every_kind_of_target_is_called_once_an_example(
    run: OfflineRun, target: Any, width: int, evaluator: Any
) -> None:
    results = evaluate(target, EXAMPLES, [evaluator], run=run, max_concurrency=width)
    key = evaluator.__name__
    assert results.scores["example_id"].tolist() == [one["id"] for one in EXAMPLES]
    assert results.scores["score"].astype(float).tolist() == RIGHT
    assert results.summary.loc[key].to_dict() == {"mean": 4 / 6, "count": 6, "errors": 0}
    assert (results.calls, results.called) == (6, 6)
    table = trace_table(load_spans(run)).set_index("trace_id")
    assert len(table) == 6
    assert table["model_calls"].tolist() == [1] * 6
    for row in results.scores.to_dict("records"):
        assert table.loc[row["trace_id"], key] == float(row["score"])
        number = int(str(row["example_id"]).split("-")[1])
        assert table.loc[row["trace_id"], "outputs"] == f"fish {number}"


def test_aevaluate_does_the_same_in_a_loop_that_runs(run: OfflineRun) -> None:
    async def main() -> Any:
        beside = asyncio.create_task(asyncio.sleep(0))
        results = await aevaluate(answer_later, EXAMPLES, [right, right_later], run=run)
        await beside
        return results

    results = asyncio.run(main())
    assert results.mean("right") == results.mean("right_later") == pytest.approx(4 / 6)


def test_evaluate_with_an_async_target_works_where_a_loop_runs(run: OfflineRun) -> None:
    async def main() -> Any:
        return evaluate(answer_later, EXAMPLES, [right], run=run)

    assert asyncio.run(main()).mean("right") == pytest.approx(4 / 6)


def test_the_root_bears_example_and_repetition(run: OfflineRun) -> None:
    results = evaluate(echo_chain(), EXAMPLES[:2], [right], run=run, repetitions=3)
    spans = load_spans(run)
    roots = spans[spans["parent_span_id"].isna()]
    marks = sorted((m["example_id"], m["repetition"]) for m in roots["metadata"])
    assert marks == [(f"example-{e}", r) for e in range(2) for r in range(3)]
    assert {m["evaluation_id"] for m in roots["metadata"]} == {"run-1"}
    assert all(m["example_hash"] for m in roots["metadata"])
    children = spans[spans["parent_span_id"].notna()]
    assert not any("example_id" in m for m in children["metadata"])
    assert len(results.scores) == 6


def test_an_evaluation_inside_a_recorded_call_has_traces_of_its_own(run: OfflineRun) -> None:
    outer = RunnableLambda(lambda _: evaluate(echo_chain(), EXAMPLES, [right], run=run).calls)
    assert outer.invoke("go") == 6
    assert len(trace_table(load_spans(run))) == 6


def test_calls_run_at_most_as_many_at_a_time_as_allowed(run: OfflineRun) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def busy(inputs: Any) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return "x"

    evaluate(busy, EXAMPLES, [right], run=run, max_concurrency=3)
    assert most == 3


def test_the_rate_limiter_of_the_model_passes_through(run: OfflineRun) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=200, check_every_n_seconds=0.001)
    taken: list[bool] = []
    original = limiter.acquire
    object.__setattr__(limiter, "acquire", lambda **k: taken.append(True) or original(**k))
    chain = RunnableLambda(lambda inputs: [("human", inputs["topic"])]) | EchoModel(
        rate_limiter=limiter
    )
    evaluate(chain, EXAMPLES, [exact_match], run=run)
    assert len(taken) == 6


def test_retries_of_a_runnable_pass_through(run: OfflineRun) -> None:
    failed: set[str] = set()

    def flaky(inputs: dict[str, str]) -> str:
        if inputs["topic"] not in failed:
            failed.add(inputs["topic"])
            raise ConnectionError("try again")
        return inputs["topic"]

    target = RunnableLambda(flaky).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    results = evaluate(target, EXAMPLES, [right], run=run, max_concurrency=1)
    assert results.mean("right") == pytest.approx(4 / 6)
    assert results.errors.empty


# --- what fails ---------------------------------------------------------------------------------
def broken_on(*numbers: int) -> Callable[[dict[str, str]], str]:
    def target(inputs: dict[str, str]) -> str:
        if int(inputs["topic"].split()[1]) in numbers:
            raise RuntimeError(f"no {inputs['topic']}")
        return inputs["topic"]

    return target


@pytest.mark.parametrize("width", [1, 3])
def test_a_target_that_raises_is_recorded_and_the_others_go_on(run: OfflineRun, width: int) -> None:
    results = evaluate(broken_on(1, 4), EXAMPLES, [right], run=run, max_concurrency=width)
    assert results.summary.loc["right"].to_dict() == {"mean": 0.75, "count": 4, "errors": 0}
    assert results.errors["example_id"].tolist() == ["example-1", "example-4"]
    assert results.errors["error"].tolist() == [
        "RuntimeError: no fish 1",
        "RuntimeError: no fish 4",
    ]
    table = trace_table(load_spans(run))
    assert (table["status"] == "error").sum() == 2
    assert "2 failed" in str(results)


def test_an_evaluator_that_raises_is_recorded_and_the_others_go_on(run: OfflineRun) -> None:
    def strict(outputs: str) -> bool:
        if outputs == "fish 2":
            raise LookupError("which fish?")
        return True

    def odd(outputs: str) -> Any:
        return object()

    results = evaluate(echo_chain(), EXAMPLES, [strict, odd, right], run=run)
    assert results.summary["errors"].to_dict() == {"strict": 1, "odd": 6, "right": 0}
    assert results.summary["count"].to_dict() == {"strict": 5, "odd": 0, "right": 6}
    scores = load_scores(run)
    failed = scores[(scores["key"] == "strict") & scores["error"].notna()].iloc[0]
    assert failed["score"] is None
    assert failed["error"] == {"type": "LookupError", "message": "which fish?"}
    assert failed["example_id"] == "example-2"


def test_only_what_failed_is_run_again_on_request(run: OfflineRun) -> None:
    calls: list[str] = []
    state = {"broken": True}

    class Target:
        def __call__(self, inputs: dict[str, str]) -> str:
            calls.append(inputs["topic"])
            if HELD["broken"] and inputs["topic"] == "fish 1":
                raise RuntimeError("down")
            return inputs["topic"]

    class Judge:
        name = "judge"

        def __call__(self, outputs: str) -> bool:
            judged.append(outputs)
            if HELD["broken"] and outputs == "fish 2":
                raise RuntimeError("down")
            return True

    judged: list[str] = []
    HELD.update(state)
    first = evaluate(Target(), EXAMPLES, [Judge(), right], run=run, max_concurrency=1)
    assert len(calls) == 6
    assert first.summary["errors"].to_dict() == {"judge": 1, "right": 0}
    calls.clear()
    judged.clear()
    HELD["broken"] = False
    assert evaluate(Target(), EXAMPLES, [Judge(), right], run=run).called == 0
    again = evaluate(Target(), EXAMPLES, [Judge(), right], run=run, retry_errors=True)
    assert calls == ["fish 1"]
    assert sorted(judged) == ["fish 1", "fish 2"]
    assert again.errors.empty
    assert again.summary["count"].to_dict() == {"judge": 6, "right": 6}
    assert again.summary["errors"].to_dict() == {"judge": 0, "right": 0}
    calls.clear()
    assert evaluate(Target(), EXAMPLES, [Judge(), right], run=run, retry_errors=True).called == 0
    assert calls == []


HELD: dict[str, bool] = {}


def test_an_interrupt_keeps_what_is_done(run: OfflineRun) -> None:
    def target(inputs: dict[str, str]) -> str:
        if inputs["topic"] == "fish 3" and HELD.get("stop"):
            raise KeyboardInterrupt
        return inputs["topic"]

    HELD["stop"] = True
    with pytest.raises(KeyboardInterrupt):
        evaluate(target, EXAMPLES, [right], run=run, max_concurrency=1)
    assert len(load_scores(run)) == 3
    HELD["stop"] = False
    assert evaluate(target, EXAMPLES, [right], run=run, max_concurrency=1).called == 3


# --- where it goes ------------------------------------------------------------------------------
def test_metrics_and_parameters_of_an_sdk_run_are_columns_of_experiment_analytics(
    open_run: Callable[..., Any], sdk: Any, session: Any
) -> None:
    with open_run("run-1") as run:
        results = evaluate(echo_chain(), EXAMPLES, [right, exact_match], run=run)
    frame = sdk.ExperimentAnalytics("experiment", sagemaker_session=session).dataframe()
    row = frame.iloc[0]
    assert row["score.right - Last"] == pytest.approx(4 / 6)
    assert row["score.exact_match - Last"] == pytest.approx(4 / 6)
    assert row["score.right.count - Last"] == 6
    assert row["score.right.errors - Last"] == 0
    assert row["evaluation_id"] == "run-1"
    assert row["examples_version"] == results.examples_version
    assert row["prompt.ChatPromptTemplate"]
    assert row["version.langchain-core"]
    names = {"experiment_name": "experiment", "run_name": "run-1", "sagemaker_session": session}
    assert len(load_scores(**names)) == 12
    assert len(trace_table(load_spans(**names))) == 6
    with open_run("run-1") as run:
        assert evaluate(echo_chain(), EXAMPLES, [right, exact_match], run=run).called == 0


def test_an_evaluation_in_a_run_over_boto3_alone(local: Any) -> None:
    run = BotoRun("experiment", "run-1")
    assert evaluate(echo_chain(), EXAMPLES, [right], run=run).mean("right") == pytest.approx(4 / 6)
    assert len(load_scores(experiment_name="experiment", run_name="run-1")) == 6


def test_the_run_around_it_is_taken_and_no_run_is_an_error(run: OfflineRun) -> None:
    with run:
        assert evaluate(echo_chain(), EXAMPLES, run=None).run is run
    with pytest.raises(DestinationError, match="given no run"):
        evaluate(echo_chain(), EXAMPLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"repetitions": 0}, "repetitions"),
        ({"evaluation_id": "../x"}, "evaluation_id"),
    ],
)
def test_what_is_no_argument_is_refused_before_anything_runs(
    run: OfflineRun, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(echo_chain(), EXAMPLES, [right], run=run, **arguments)
    with pytest.raises(TypeError, match="runnable or a function"):
        evaluate("no target", EXAMPLES, [right], run=run)
    assert not list(run.path.rglob("part-*"))


# --- judges -------------------------------------------------------------------------------------
def test_what_a_judge_calls_is_recorded_apart(run: OfflineRun) -> None:
    judge_model = EchoModel()

    def judge(outputs: str) -> float:
        return float(len(str(judge_model.invoke(f"Judge: {outputs}").content)) > 0)

    def plain(outputs: str) -> float:
        return 1.0

    results = evaluate(echo_chain(), EXAMPLES, [judge, plain], run=run, max_concurrency=2)
    sources = dict(zip(results.scores["key"], results.scores["source"], strict=True))
    assert sources == {"judge": "model", "plain": "code"}
    table = trace_table(load_spans(run))
    assert table["kind"].value_counts().to_dict() == {"chain": 6, "evaluator": 6}
    judged = table[table["kind"] == "evaluator"]
    assert set(judged["name"]) == {"judge"}
    assert judged["model_calls"].tolist() == [1] * 6
    figures = compare_runs(load_spans(run)).iloc[0]
    assert figures["traces"] == 6
    assert figures["model_calls"] == 6
    assert figures["input_tokens"] == 18
    logged = [e for e in run.entries() if e.get("entry") == "metric"]
    of_app = sum(e["value"] for e in logged if e["name"] == "model_calls")
    of_judges = sum(e["value"] for e in logged if e["name"] == "judge.model_calls")
    assert (of_app, of_judges) == (6, 6)
    roots = load_spans(run).query("kind == 'evaluator'")
    assert {m["evaluated_trace_id"] for m in roots["metadata"]} == set(
        table[table["kind"] == "chain"]["trace_id"]
    )


# --- how far it is ------------------------------------------------------------------------------
def test_progress_tells_how_far_it_is(run: OfflineRun) -> None:
    told: list[tuple[int, int]] = []
    evaluate(broken_on(1), EXAMPLES, run=run, max_concurrency=1, progress=lambda *n: told.append(n))
    assert told == [(n, 6) for n in range(1, 7)]


def test_a_progress_line_has_rate_estimate_and_failures() -> None:
    stream = io.StringIO()
    line = ProgressLine(100, 40, shown=True, stream=stream)
    line.set(70, 3)
    line.close()
    text = stream.getvalue()
    assert "70/100" in text
    assert "/s" in text
    assert "left" in text
    assert "3 failed" in text
    assert text.endswith("\n")
    silent = ProgressLine(100, shown="auto", stream=io.StringIO())
    silent.set(1, 0)
    assert silent._stream.getvalue() == ""  # type: ignore[attr-defined]


def test_results_show_themselves_in_notebooks(run: OfflineRun) -> None:
    results = evaluate(echo_chain(), EXAMPLES, [right], run=run)
    assert "<td>right</td><td>0.6667</td>" in results._repr_html_()
    assert "right: 0.6667 (of 6)" in str(results)


def test_another_evaluation_of_the_same_id_is_refused_with_what_differs(run: OfflineRun) -> None:
    evaluate(echo_chain(), EXAMPLES, [right], run=run)
    for arguments, message in [
        ((echo_chain("Say {topic}"), EXAMPLES, [right]), "prompt ChatPromptTemplate was changed"),
        ((echo_chain(), EXAMPLES[:5], [right]), "examples: 6 examples, .* 5 examples"),
        ((echo_chain(), EXAMPLES, [right, exact_match]), "evaluator exact_match is new"),
        ((answer, EXAMPLES, [right]), "target was changed|prompt .* is gone"),
    ]:
        with pytest.raises(EvaluationError, match=message):
            evaluate(*arguments, run=run)
    with pytest.raises(EvaluationError, match="repetitions: 1 before, 2 now"):
        evaluate(echo_chain(), EXAMPLES, [right], run=run, repetitions=2)
    results = evaluate(
        echo_chain("Say {topic}"), EXAMPLES, [right], run=run, evaluation_id="second"
    )
    assert results.called == 6


def test_a_text_that_is_no_utf8_may_stand_anywhere(tmp_path: Path) -> None:
    """Half an emoji in an id, an input, and in texts that target and evaluator refer to."""
    half = "cut \ud83d"
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    chain = echo_chain("{topic} " + half)

    def ends(outputs: Any) -> bool:
        return bool(half) and outputs is not None

    for number, target in enumerate((chain, lambda inputs: inputs["topic"] + half)):
        results = evaluate(
            target,
            [{"id": half, "inputs": {"topic": half}}],
            [ends],
            run=run,
            evaluation_id=f"n{number}",
            progress=False,
        )
        assert results.mean("ends") == 1.0
    assert set(load_scores(run)["example_id"]) == {"cut \\ud83d"}


def test_whatever_an_evaluator_answers_the_others_go_on(tmp_path: Path) -> None:
    """Numbers too great for JSON or for a mean, and texts that are no UTF-8."""

    def target(inputs: int) -> str:
        if inputs == 1:
            raise ValueError("cannot decode 'caf\udce9.txt'")
        return "x"

    def huge(outputs: str) -> int:
        return 10**400

    def great(outputs: str) -> float:
        return 1.7e308

    def broken(outputs: str) -> bool:
        raise ValueError("bad \ud800")

    def commented(outputs: str) -> dict[str, Any]:
        return {"key": "commented", "score": 1, "comment": "\ud800"}

    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    evaluators: list[Any] = [huge, great, broken, commented]
    examples = [{"inputs": number} for number in range(3)]
    results = evaluate(target, examples, evaluators, run=run, progress=False)
    summary = results.summary.set_index("key") if "key" in results.summary else results.summary
    assert summary.loc["commented", "count"] == 2
    for key in ("huge", "great", "broken"):
        assert summary.loc[key, "errors"] == 2
