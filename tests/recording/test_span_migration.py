"""A span tree written for W&B Prompts is recorded once its imports and its run are changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    Span,
    SpanKind,
    load_spans,
    spans,
)
from langchain_sagemaker_experiments._record.schema import KINDS
from langchain_sagemaker_experiments.demo import Reply, scripted_openai


def test_a_tree_with_span_kind_and_add_child_span_is_recorded_whole(tmp_path: Path) -> None:
    trip = spans.Span(name="Plan a trip", span_kind=spans.SpanKind.AGENT)
    lookup = spans.Span(name="Timetable", span_kind=spans.SpanKind.TOOL)
    advice = spans.Span(name="Advice", span_kind=spans.SpanKind.CHAIN)
    model = spans.Span(name="Small model", span_kind=spans.SpanKind.LLM)
    advice.add_child_span(model)
    lookup.add_named_result({"from": "Kyoto", "to": "Nara"}, {"minutes": 45})
    advice.add_named_result({"minutes": 45}, {"text": "leave at nine"})
    model.add_named_result(
        {"input": "45 minutes", "system": "be brief"}, {"response": "nine", "tokens_used": 12}
    )
    trip.add_child_span(lookup)
    trip.add_child_span(advice)
    trip.add_named_result({"user": "when shall I go?"}, {"response": "at nine"})

    with OfflineRun(tmp_path, experiment_name="migration", run_name="tree") as run:
        handler = SageMakerCallbackHandler(run)
        handler.log_trace(trip)
        handler.flush_tracker()

    # The raw lines too: a reader that merges could hide a lost or doubled span.
    parts = list(tmp_path.rglob("part-*.jsonl"))
    assert sum(len(part.read_text().splitlines()) for part in parts) == 4
    table = load_spans(tmp_path).set_index("name")
    assert table["kind"].to_dict() == {
        "Plan a trip": "agent",
        "Timetable": "tool",
        "Advice": "chain",
        "Small model": "llm",
    }
    parents = table["parent_span_id"].to_dict()
    ids = table["span_id"].to_dict()
    assert parents["Timetable"] == parents["Advice"] == ids["Plan a trip"]
    assert parents["Small model"] == ids["Advice"]
    assert table.loc["Small model", "outputs"] == {"response": "nine", "tokens_used": 12}
    assert table.loc["Plan a trip", "inputs"] == {"user": "when shall I go?"}


def test_add_child_span_returns_the_child_and_refuses_what_is_no_span() -> None:
    root = Span("root")
    child = Span("child")
    assert root.add_child_span(child) is child
    with pytest.raises(TypeError, match="must be a Span, not str"):
        root.add_child_span("child")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", SpanKind)
def test_each_span_kind_is_a_kind_of_the_record_and_a_string(kind: SpanKind) -> None:
    assert Span("x", span_kind=kind).kind == Span("x", kind=kind).kind == kind.value == kind
    assert kind.value in KINDS


def test_span_kind_names_every_kind() -> None:
    assert {kind.value for kind in SpanKind} == KINDS
    assert Span("x", kind="chain", span_kind="TOOL").kind == "tool"
    with pytest.raises(ValueError, match="kind must be one of"):
        Span("x", span_kind="AGEN")


EXPRESSIONS = {
    "root": "5.4 ** 0.5",
    "third": "(3 / 7.34) ** pi",
    "sine": "sin(0.47) / 27 ** (1 / 3)",
}


def calculate(text: str, request: dict[str, Any]) -> Reply | str:
    """A model that calls the calculator for each question, and then answers."""
    if "Translate a math problem" in text:
        asked = text.rsplit("Question:", 1)[-1]
        expression = next((e for word, e in EXPRESSIONS.items() if word in asked), "1 / 0")
        return f'```text\n{expression}\n```\n...numexpr.evaluate("{expression}")...\n'
    question = text.rsplit("Question:", 1)[-1].splitlines()[0]
    if "Observation: Answer:" in text:
        return " I now know the final answer.\nFinal Answer: done"
    return f" I calculate.\nAction: Calculator\nAction Input: {question}"


@pytest.mark.filterwarnings("ignore")
def test_the_math_agent_with_a_handler_a_question_records_the_division_by_zero_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_classic.agents import AgentType, initialize_agent
    from langchain_openai import OpenAI

    from langchain_sagemaker_experiments.demo import load_tools

    questions = [
        "What is the square root of 5.4?",
        "What is a third by 7.34, to the power of pi?",
        "What is the sine of 0.47 by the cube of it?",
        "What is one divided by nothing?",
    ]
    answers, errors = [], []
    with scripted_openai(calculate) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "scripted")
        llm = OpenAI(temperature=0, base_url=server.base_url)
        agent = initialize_agent(
            load_tools(["llm-math"], llm=llm),
            llm,
            agent=AgentType.ZERO_SHOT_REACT_DESCRIPTION,
        )
        with OfflineRun(tmp_path, experiment_name="migration", run_name="math") as run:
            for question in questions:
                with SageMakerCallbackHandler(run) as handler:
                    try:
                        answers.append(agent.run(question, callbacks=[handler]))
                    except Exception as error:
                        errors.append(error)
    assert (answers, len(errors)) == (["done"] * 3, 1)
    table = load_spans(tmp_path)
    roots = table[table["parent_span_id"].isna()]
    assert roots["kind"].tolist() == ["agent"] * 4
    assert roots["status"].tolist() == ["ok", "ok", "ok", "error"]
    assert [inputs["input"] for inputs in roots["inputs"]] == questions
    assert "ero" in str(roots["error"].iloc[3])  # division by zero
