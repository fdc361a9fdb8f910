"""Evaluators: those of openevals and LangSmith unchanged, and those that come with the package."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from openevals.exact import exact_match as openevals_exact_match
from openevals.exact import exact_match_async as openevals_exact_match_async
from openevals.llm import create_llm_as_judge
from openevals.prompts import CORRECTNESS_PROMPT

from langchain_sagemaker_experiments import (
    OfflineRun,
    contains,
    cost_within,
    evaluate,
    exact_match,
    json_match,
    latency_within,
    load_spans,
    model_judge,
    tool_calls_match,
    trace_table,
)
from langchain_sagemaker_experiments._evaluation.evaluators import Evaluator, make_evaluators
from support.applications import EchoModel, echo_chain

EXAMPLES = [
    {
        "id": f"e{n}",
        "inputs": {"topic": f"fish {n}"},
        "reference_outputs": {"answer": f"fish {n % 2}"},
        "metadata": {"level": n},
    }
    for n in range(4)
]
HALF = {"mean": 0.5, "count": 4, "errors": 0}


@pytest.fixture
def run(tmp_path: Path) -> OfflineRun:
    return OfflineRun(tmp_path, experiment_name="experiment", run_name="run")


def answer(inputs: dict[str, str]) -> dict[str, str]:
    return {"answer": echo_chain().invoke(inputs)}


# --- the conventions of others ------------------------------------------------------------------
def test_evaluators_of_openevals_run_unchanged(run: OfflineRun) -> None:
    results = evaluate(answer, EXAMPLES, [openevals_exact_match], run=run)
    assert results.summary.loc["exact_match"].to_dict() == HALF


def test_async_evaluators_of_openevals_run_unchanged(run: OfflineRun) -> None:
    results = evaluate(answer, EXAMPLES, [openevals_exact_match_async], run=run)
    assert results.summary.loc["exact_match"].to_dict() == HALF


class ScriptedJudge(GenericFakeChatModel):
    """Answers as models do that were given a schema: with a tool call."""

    messages: Any = iter(())
    schema_name: str = ""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        schema = tools[0]
        name = schema["title"] if isinstance(schema, dict) and "title" in schema else "score"
        return ScriptedJudge(schema_name=name)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        from langchain_core.outputs import ChatGeneration, ChatResult

        text = str(messages[-1].content)
        right = "fish 0" in text.split("<reference_outputs>")[-1] or "fish 1" in text
        arguments = {"reasoning": "It says so.", "score": right}
        call = {"name": self.schema_name, "args": arguments, "id": "1", "type": "tool_call"}
        answer = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=answer)])


def test_a_judge_of_openevals_runs_unchanged_and_its_calls_are_recorded_apart(
    run: OfflineRun,
) -> None:
    judge = create_llm_as_judge(
        prompt=CORRECTNESS_PROMPT, judge=ScriptedJudge(), feedback_key="correctness"
    )
    results = evaluate(answer, EXAMPLES, [judge], run=run)
    assert results.summary.loc["correctness", "count"] == 4
    assert set(results.scores["source"]) == {"model"}
    assert set(results.scores["comment"]) == {"It says so."}
    table = trace_table(load_spans(run))
    assert table["kind"].value_counts().to_dict() == {"chain": 4, "evaluator": 4}
    assert table.query("kind == 'evaluator'")["model_calls"].tolist() == [1] * 4


# Copied from LangSmith's documentation of evaluators, names included.
def correct(outputs: dict, reference_outputs: dict) -> bool:
    """Check if the answer exactly matches the expected answer."""
    return outputs["answer"] == reference_outputs["answer"]


def correct_old_signature(run: Any, example: Any) -> dict:
    """Check if the answer exactly matches the expected answer."""
    return {
        "key": "correct_old",
        "score": run.outputs["answer"] == example.outputs["answer"],
        "comment": f"{run.inputs['topic']} {example.metadata['level']}",
    }


def multiple_scores(outputs: dict, reference_outputs: dict) -> list[dict]:
    precision = float(outputs["answer"] == reference_outputs["answer"])
    return [
        {"key": "precision", "score": precision},
        {"key": "recall", "score": 0.9},
        {"key": "class", "value": "fish"},
    ]


def test_evaluators_in_the_forms_of_langsmith_run_unchanged(run: OfflineRun) -> None:
    results = evaluate(answer, EXAMPLES, [correct, correct_old_signature, multiple_scores], run=run)
    assert results.summary.loc["correct"].to_dict() == HALF
    assert results.summary.loc["correct_old"].to_dict() == HALF
    assert results.summary.loc["precision"].to_dict() == HALF
    assert results.summary.loc["recall", "mean"] == pytest.approx(0.9)
    texts = results.scores.query("key == 'class'")["score"]
    assert texts.tolist() == ["fish"] * 4
    assert "fish 3 3" in results.scores["comment"].tolist()


def test_an_output_that_is_no_dictionary_is_wrapped_as_langsmith_does(run: OfflineRun) -> None:
    def wrapped(outputs: dict) -> bool:
        return set(outputs) == {"output"}

    def of_run(run: Any, example: Any) -> bool:
        return set(run.outputs) == {"output"} and example.outputs == example.reference_outputs

    results = evaluate(echo_chain(), EXAMPLES, [wrapped, of_run, exact_match], run=run)
    assert results.mean("wrapped") == results.mean("of_run") == 1.0
    assert results.mean("exact_match") == 0.5
    plain = [{"inputs": {"topic": "fish"}, "reference_outputs": "fish"}]
    results = evaluate(echo_chain(), plain, [exact_match], run=run, evaluation_id="plain")
    assert results.mean("exact_match") == 1.0


def test_the_run_has_its_children_and_the_trace_its_spans(run: OfflineRun) -> None:
    def children(run: Any) -> list[str]:
        return [
            {"key": "names", "value": " ".join(child.name for child in run.child_runs)},
            {"key": "deeper", "score": sum(len(c.child_runs) for c in run.child_runs)},
        ]

    def kinds(trace: list[dict[str, Any]]) -> str:
        return " ".join(span["kind"] for span in trace)

    results = evaluate(echo_chain(), EXAMPLES, [children, kinds], run=run, max_concurrency=3)
    found = results.scores.drop_duplicates("key").set_index("key")["score"].to_dict()
    assert found["names"] == "ChatPromptTemplate EchoModel StrOutputParser"
    assert found["kinds"] == "chain prompt chat_model parser"
    assert results.summary.loc["names", "count"] == 4


def test_what_nobody_can_fill_is_refused(run: OfflineRun) -> None:
    def strange(outputs: Any, colour: str) -> bool:
        return True

    with pytest.raises(TypeError, match="'colour', which nobody can fill"):
        evaluate(answer, EXAMPLES, [strange], run=run)
    with pytest.raises(TypeError, match="must be a function"):
        evaluate(answer, EXAMPLES, ["exact"], run=run)


def test_names_are_told_apart() -> None:
    def one(outputs: Any) -> bool:
        return True

    class Judge:
        def __call__(self, outputs: Any) -> bool:
            return True

    functions = [one, one, lambda outputs: True, functools.partial(one), Judge()]
    names = [evaluator.name for evaluator in make_evaluators(functions)]
    assert names == ["one", "one_2", "evaluator_3", "one_3", "Judge"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (True, [("name", True, None)]),
        (0.5, [("name", 0.5, None)]),
        ("good", [("name", "good", None)]),
        (None, []),
        ({"score": 1, "comment": "why"}, [("name", 1, "why")]),
        ({"key": "k", "score": None}, []),
        ({"key": "k", "value": "text"}, [("k", "text", None)]),
        ({"precision": 0.5, "recall": 1}, [("precision", 0.5, None), ("recall", 1, None)]),
        ([{"key": "a", "score": 1}, {"key": "b", "score": 2}], [("a", 1, None), ("b", 2, None)]),
        ({"results": [{"key": "a", "score": 1}]}, [("a", 1, None)]),
    ],
)
def test_every_form_of_a_result_is_understood(result: Any, expected: list[Any]) -> None:
    evaluator = Evaluator(lambda outputs: None, "name")
    found = [(one.key, one.score, one.comment) for one in evaluator.judgements(result)]
    assert found == expected


def test_results_of_langsmith_are_understood() -> None:
    from langsmith.evaluation import EvaluationResult, EvaluationResults, RunEvaluator

    class Old(RunEvaluator):
        def evaluate_run(self, run: Any, example: Any = None, *_: Any) -> EvaluationResult:
            return EvaluationResult(key="old", score=1, comment="fine")

    evaluator = make_evaluators([Old()])[0]
    (one,) = evaluator.judgements(EvaluationResult(key="k", score=0.5, comment="c"))
    assert (one.key, one.score, one.comment) == ("k", 0.5, "c")
    many = EvaluationResults(results=[EvaluationResult(key="k", score=True)])
    assert [one.key for one in evaluator.judgements(many)] == ["k"]


# --- built in -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("outputs", "reference", "expected"),
    [
        ("a", "a", True),
        ("a", "b", False),
        (AIMessage("a"), "a", True),
        ({"output": "a"}, {"answer": "a"}, True),
        ({"other": "a"}, {"answer": "a"}, False),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, True),
        ([HumanMessage("a")], ["a"], True),
        ("a", {"answer": "a"}, True),
    ],
)
def test_exact_match(outputs: Any, reference: Any, expected: bool) -> None:
    assert exact_match(outputs=outputs, reference_outputs=reference) is expected
    assert exact_match() is exact_match


def test_json_match() -> None:
    fenced = 'Here:\n```json\n{"b": [1, 2], "a": null}\n```'
    assert json_match(fenced, {"a": None, "b": [1, 2]})
    assert json_match('{"a": 1}', '{"a": 1.0}')
    assert not json_match('{"a": 1}', {"a": 2})
    assert not json_match("no JSON", {"a": 2, "b": 3})
    assert json_match() is json_match


def test_contains() -> None:
    assert contains("The answer is Paris.", "paris")
    assert contains(AIMessage("Paris and Rome"), {"answers": ["rome", "Paris"]})
    assert not contains("Paris", ["Rome", "Paris"])
    strict = contains(ignore_case=False)
    assert not strict(outputs="Paris", reference_outputs="paris")


def test_latency_and_cost(run: OfflineRun) -> None:
    class Priced(EchoModel):
        def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
            return {"ls_model_name": "echo-1", "ls_provider": "test", "ls_model_type": "chat"}

    chain = RunnableLambda(lambda inputs: [("human", inputs["topic"])]) | Priced()
    prices = {"echo-1": (1.0, 2.0)}  # 3 tokens in, 2 out: 7 millionths
    evaluators = [
        latency_within(60),
        cost_within(7e-6, prices),
        functools.partial(cost_within(6e-6, prices)),
        cost_within(1, {}),
    ]
    results = evaluate(chain, EXAMPLES, evaluators, run=run)
    assert results.mean("latency_within") == 1.0
    table = results.scores
    assert table[table["key"] == "cost_within"]["comment"].iloc[0] == "7e-06"
    failed = table[table["error"].notna()]
    assert "no price for the model 'echo-1'" in failed["error"].iloc[0]["message"]


@tool
def search(query: str) -> str:
    """Search."""
    return f"found {query}"


@tool
def order(name: str, count: int) -> str:
    """Order."""
    return "done"


def agent(inputs: dict[str, Any]) -> str:
    for name, arguments in inputs["calls"]:
        {"search": search, "order": order}[name].invoke(arguments)
    return "done"


FISH = ("search", {"query": "fish"})
TWO = ("order", {"name": "fish", "count": 2})


@pytest.mark.parametrize(
    ("calls", "expected", "settings", "right"),
    [
        ([FISH, TWO], ["search", "order"], {}, True),
        ([TWO, FISH], ["search", "order"], {}, False),
        ([TWO, FISH], ["search", "order"], {"order": "any"}, True),
        ([FISH, FISH, TWO], ["search", "order"], {"order": "any"}, False),
        ([FISH, FISH, TWO], ["order"], {"order": "superset"}, True),
        ([FISH], [{"name": "search", "args": {"query": "fish"}}], {}, True),
        ([FISH], [{"name": "search", "args": {"query": "cat"}}], {}, False),
        ([FISH], [{"name": "search", "args": {"query": "cat"}}], {"arguments": False}, True),
        ([], ["search"], {}, False),
    ],
)
def test_tool_calls_match(
    run: OfflineRun, calls: Any, expected: Any, settings: dict[str, Any], right: bool
) -> None:
    examples = [{"inputs": {"calls": calls}, "reference_outputs": {"tool_calls": expected}}]
    evaluator = tool_calls_match(**settings) if settings else tool_calls_match
    results = evaluate(agent, examples, [evaluator], run=run)
    assert results.mean("tool_calls_match") == float(right)


class Judge(GenericFakeChatModel):
    """Answers every call with a text, and keeps what it was asked."""

    messages: Any = iter(())
    reply: str = ""
    asked: list[Any] = []

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        from langchain_core.outputs import ChatGeneration, ChatResult

        self.asked.append(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.reply))])


@pytest.mark.parametrize(
    ("reply", "scale", "score"),
    [
        ('{"comment": "fine", "score": 0.8}', "0_to_1", 0.8),
        ('Sure!\n```json\n{"comment": "fine", "score": true}\n```', "yes_no", True),
        ('{"score": "yes"}', "yes_no", True),
        ("0.5", "0_to_1", 0.5),
        ("No.", "yes_no", False),
    ],
)
def test_a_model_judges(run: OfflineRun, reply: str, scale: Any, score: Any) -> None:
    model = Judge(reply=reply, asked=[])
    judge = model_judge(model, "It must name a fish.", key="fishy", scale=scale)
    results = evaluate(echo_chain(), EXAMPLES[:1], [judge], run=run)
    (row,) = results.scores.to_dict("records")
    assert (row["key"], row["score"], row["source"]) == ("fishy", score, "model")
    system, human = model.asked[0]
    assert "It must name a fish." in system.content
    assert "<output>" in human.content
    assert json.dumps({"answer": "fish 0"}) in human.content


@pytest.mark.parametrize("reply", ["I can't tell.", '{"score": 7}', '{"comment": "x"}'])
def test_a_judge_without_a_score_is_an_error_of_the_evaluator(run: OfflineRun, reply: str) -> None:
    judge = model_judge(Judge(reply=reply), "Good?")
    results = evaluate(echo_chain(), EXAMPLES[:1], [judge], run=run)
    assert results.summary.loc["model_judge", "errors"] == 1


def test_a_judge_must_have_a_model_and_a_scale() -> None:
    with pytest.raises(TypeError, match="LangChain model"):
        model_judge("gpt", "Good?")
    with pytest.raises(ValueError, match="scale"):
        model_judge(Judge(), "Good?", scale="1_to_5")  # type: ignore[arg-type]
