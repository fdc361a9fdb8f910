"""A gate in a test suite: the new prompt may not be worse than the old one.

`pytest pytest_gate.py` runs it; run as a script, it does the same. With too few examples the test
fails and says how many it would take: a test for "significantly worse" would pass.
"""

import tempfile

from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_sagemaker_experiments import (
    OfflineRun,
    assert_no_worse,
    compare_scores,
    evaluate,
    exact_match,
)

FOLDER = tempfile.mkdtemp()
EXAMPLES = [
    {"inputs": {"number": number}, "reference_outputs": "even" if number % 2 == 0 else "odd"}
    for number in range(100)
]


def run_version(name: str, template: str, answers: list[str]) -> OfflineRun:
    """Evaluate a version of the application in a run of its own."""
    chain = ChatPromptTemplate.from_template(template) | FakeListChatModel(responses=answers)
    run = OfflineRun(FOLDER, experiment_name="parity", run_name=name)
    results = evaluate(chain, EXAMPLES, [exact_match], run=run, max_concurrency=1)
    print(results)
    return run


def test_the_new_prompt_is_no_worse() -> None:
    old = run_version("old", "{number}?", ["even", "odd", "even", "odd", "odd"])
    new = run_version("new", "Is {number} even or odd?", ["even", "odd"])
    comparison = compare_scores(baseline=old, candidate=new)
    print(comparison)
    assert_no_worse(comparison, margin=0.05)


if __name__ == "__main__":
    test_the_new_prompt_is_no_worse()
    print("no worse")
