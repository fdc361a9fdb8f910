"""`compare_scores`: what counts, what is named, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from langchain_sagemaker_experiments import (
    OfflineRun,
    SpanReadError,
    assert_improved,
    assert_no_worse,
    compare_scores,
    evaluate,
    load_spans,
    log_score,
)

COUNT = 20


def examples(count: int = COUNT, changed: int = -1) -> list[dict[str, Any]]:
    return [
        {"id": f"e{n:02d}", "inputs": {"n": n}, "reference_outputs": n + (n == changed)}
        for n in range(count)
    ]


def evaluated(folder: Path, name: str, score: Any, given: Any = None, **options: Any) -> Any:
    """An evaluation whose target fails where `score` raises, with one key `quality`."""

    def target(inputs: dict[str, int]) -> int:
        if inputs["n"] in options.get("broken", ()):
            raise RuntimeError("down")
        return inputs["n"]

    def quality(outputs: int) -> float:
        return score(outputs)

    return evaluate(
        target,
        given or examples(),
        options.get("evaluators", [quality]),
        run=OfflineRun(folder, experiment_name="experiment", run_name=name),
        repetitions=options.get("repetitions", 1),
        max_concurrency=1,
    )


def test_runs_are_paired_by_example(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: n / 100)
    evaluated(tmp_path, "new", lambda n: n / 100 + (0.1 if n < 15 else 0 if n < 17 else -0.05))
    found = compare_scores(tmp_path, baseline="old", candidate="new")
    one = found.keys["quality"]
    assert (one.paired.wins, one.paired.ties, one.paired.losses) == (15, 2, 3)
    assert one.paired.difference == pytest.approx((15 * 0.1 - 3 * 0.05) / 20)
    assert one.different
    assert "permutation" in one.paired.test
    assert found.worse["example_id"].tolist() == ["e17", "e18", "e19"]
    table = found.examples
    assert table["difference"].is_monotonic_increasing
    assert table.iloc[0]["baseline_outputs"] == table.iloc[0]["candidate_outputs"] == 17
    assert table.iloc[0]["inputs"] == {"n": 17}
    assert found.table.loc[0, "verdict"].startswith("quality: the candidate is better")
    assert found.cost.loc["baseline", "traces"] == 20
    assert "rule: different where p" in str(found)
    assert "quality" in found._repr_html_()


@pytest.mark.parametrize("how", ["spans", "folder", "text", "runs", "results", "ids"])
def test_sides_are_named_in_any_way(tmp_path: Path, how: str) -> None:
    old = evaluated(tmp_path, "old", lambda n: 0.0)
    new = evaluated(tmp_path, "new", lambda n: 1.0)
    names = {"baseline": "old", "candidate": "new"}
    found = {
        "spans": lambda: compare_scores(load_spans(tmp_path), **names),
        "folder": lambda: compare_scores(tmp_path, **names),
        "text": lambda: compare_scores(str(tmp_path), baseline="OLD", candidate="NEW"),
        "runs": lambda: compare_scores(baseline=old.run, candidate=new.run),
        "results": lambda: compare_scores(baseline=old, candidate=new),
        "ids": lambda: compare_scores(
            tmp_path, baseline=old.evaluation_id, candidate=new.evaluation_id
        ),
    }[how]()
    assert found.keys["quality"].paired.wins == COUNT


def test_runs_of_an_experiment_in_sagemaker_are_compared(open_run: Any, session: Any) -> None:
    for name, level in (("old", 0.0), ("new", 1.0)):
        with open_run(name) as run:
            evaluate(echo, examples(), [LEVELS[level]], run=run)
    found = compare_scores(
        experiment_name="experiment",
        sagemaker_session=session,
        baseline="old",
        candidate="new",
        keys=["quality"],
    )
    assert found.keys["quality"].paired.wins == COUNT


def echo(inputs: dict[str, int]) -> int:
    return inputs["n"]


def low(outputs: int) -> dict[str, Any]:
    return {"key": "quality", "score": 0.0}


def high(outputs: int) -> dict[str, Any]:
    return {"key": "quality", "score": 1.0}


LEVELS = {0.0: low, 1.0: high}


def test_examples_that_do_not_count_are_named_and_counted(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: 0.5, examples(18), broken=(2,))
    evaluated(tmp_path, "new", lambda n: 0.5, examples(20, changed=4), broken=(3,))
    found = compare_scores(tmp_path, baseline="old", candidate="new")
    assert found.unpaired == {"baseline": [], "candidate": ["e18", "e19"]}
    assert found.failed == {"baseline": ["e02"], "candidate": ["e03"]}
    assert found.changed == ["e04"]
    assert found.keys["quality"].paired.examples == 15
    for said in ("only in the candidate: 2 (e18, e19)", "failed in the baseline, left out: 1 (e02)",
                 "changed, not compared: 1 (e04)"):  # fmt: skip
        assert said in str(found)


def test_failures_count_as_zero_on_request(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: 0.5)
    evaluated(tmp_path, "new", lambda n: 0.6, broken=tuple(range(8)))
    skipped = compare_scores(tmp_path, baseline="old", candidate="new").keys["quality"]
    assert (skipped.paired.examples, skipped.paired.wins) == (12, 12)
    counted = compare_scores(tmp_path, baseline="old", candidate="new", errors="zero")
    one = counted.keys["quality"].paired
    assert (one.examples, one.wins, one.losses) == (20, 12, 8)
    assert "counted as 0" in str(counted)
    with pytest.raises(ValueError, match="errors must be"):
        wrong: Any = "drop"
        compare_scores(tmp_path, baseline="old", candidate="new", errors=wrong)


def test_an_evaluator_that_failed_is_a_failure_of_its_key_only(tmp_path: Path) -> None:
    def fragile(outputs: int) -> float:
        if outputs < 3:
            raise RuntimeError("down")
        return 1.0

    def other(outputs: int) -> float:
        return 1.0

    for name in ("old", "new"):
        evaluated(tmp_path, name, None, evaluators=[fragile, other])
    found = compare_scores(tmp_path, baseline="old", candidate="new", errors="zero")
    assert found.failed["baseline"] == ["e00", "e01", "e02"]
    assert found.keys["fragile"].baseline_mean == pytest.approx(17 / 20)
    assert found.keys["other"].baseline_mean == 1.0


def test_repetitions_are_averaged_within_an_example(tmp_path: Path) -> None:
    calls: dict[int, int] = {}

    def by_repetition(n: int) -> float:
        calls[n] = calls.get(n, 0) + 1
        return float(calls[n] % 2)

    evaluated(tmp_path, "old", by_repetition, repetitions=4)
    evaluated(tmp_path, "new", lambda n: 0.5, repetitions=4)
    one = compare_scores(tmp_path, baseline="old", candidate="new").keys["quality"]
    assert one.paired.examples == COUNT
    assert one.paired.ties == COUNT
    assert "permutation" in one.paired.test


def test_yes_and_no_are_decided_by_mcnemar(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: n < 10)
    evaluated(tmp_path, "new", lambda n: n < 19)
    one = compare_scores(tmp_path, baseline="old", candidate="new").keys["quality"]
    assert "McNemar" in one.paired.test
    assert one.paired.p_value == pytest.approx(2 * 0.5**9)


def test_several_keys_are_corrected_for(tmp_path: Path) -> None:
    def better(outputs: int) -> list[dict[str, Any]]:
        return [{"key": key, "score": outputs < 14} for key in "abc"]

    def good(outputs: int) -> list[dict[str, Any]]:
        return [{"key": key, "score": outputs < 20} for key in "abc"]

    evaluated(tmp_path, "old", None, evaluators=[better])
    evaluated(tmp_path, "new", None, evaluators=[good])
    both = compare_scores(tmp_path, baseline="old", candidate="new")
    alone = compare_scores(tmp_path, baseline="old", candidate="new", keys=["a"])
    assert alone.keys["a"].different
    assert not both.keys["a"].different
    assert both.keys["a"].p_adjusted == pytest.approx(3 * alone.keys["a"].p_adjusted)
    with pytest.raises(ValueError, match="No score has the key 'z'"):
        compare_scores(tmp_path, baseline="old", candidate="new", keys=["z"])


def test_it_says_plainly_that_nothing_can_be_told(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: (n % 5) / 5)
    evaluated(tmp_path, "new", lambda n: ((n + 1) % 5) / 5 + 0.02)
    found = compare_scores(tmp_path, baseline="old", candidate="new")
    one = found.keys["quality"]
    assert not one.different
    said = one.verdict()
    assert "no difference can be told from 20 examples; about " in said
    assert "would be needed for one of this size" in said
    needed = int(said.split("about ")[1].split(" ")[0].replace(",", ""))
    assert needed == one.paired.needed > 1_000


def test_scores_of_humans_on_evaluated_traces_are_compared_too(tmp_path: Path) -> None:
    for name, level in (("old", 0.0), ("new", 1.0)):
        results = evaluated(tmp_path, name, lambda n: 0.5)
        for trace in results.scores["trace_id"]:
            log_score(results.run, trace_id=trace, key="helpful", score=level)
    found = compare_scores(tmp_path, baseline="old", candidate="new")
    assert found.keys["helpful"].paired.wins == COUNT
    assert found.keys["quality"].paired.ties == COUNT


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: 0.5)
    with pytest.raises(SpanReadError, match="nobody has no scores of examples"):
        compare_scores(tmp_path, baseline="old", candidate="nobody")
    with pytest.raises(TypeError, match="must be the name of a run"):
        compare_scores(tmp_path, baseline="old", candidate=7)


def test_assertions_for_tests_have_three_answers(tmp_path: Path) -> None:
    evaluated(tmp_path, "old", lambda n: 0.5)
    evaluated(tmp_path, "better", lambda n: 0.6)
    evaluated(tmp_path, "same", lambda n: 0.5 + 0.01 * (-1) ** n)
    evaluated(tmp_path, "worse", lambda n: 0.3)
    evaluated(tmp_path, "noisy", lambda n: 0.5 + 0.4 * (-1) ** n)

    def sides(candidate: str) -> dict[str, Any]:
        return {"baseline": "old", "candidate": candidate}

    assert assert_improved(tmp_path, **sides("better")).keys["quality"].different
    assert_no_worse(tmp_path, **sides("better"))
    assert_no_worse(tmp_path, margin=0.05, **sides("same"))
    with pytest.raises(AssertionError, match="Not improved.*no difference can be told"):
        assert_improved(tmp_path, key="quality", **sides("same"))
    with pytest.raises(AssertionError, match="Worse"):
        assert_no_worse(tmp_path, margin=0.05, key="quality", **sides("worse"))
    with pytest.raises(AssertionError, match="Can't be told"):
        assert_no_worse(tmp_path, margin=0.05, **sides("noisy"))
    comparison = compare_scores(tmp_path, **sides("better"))
    assert_improved(comparison)
    assert_no_worse(comparison, key="quality")
    with pytest.raises(ValueError, match="no key 'other'"):
        assert_improved(comparison, key="other")


def test_prices_give_costs(tmp_path: Path) -> None:
    from support.applications import EchoModel

    class Priced(EchoModel):
        def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
            return {"ls_model_name": "echo-1", "ls_provider": "test", "ls_model_type": "chat"}

    for name in ("old", "new"):
        run = OfflineRun(tmp_path, experiment_name="experiment", run_name=name)
        evaluate(Priced(), [{"inputs": f"fish {n}"} for n in range(3)], [high], run=run)
    found = compare_scores(
        tmp_path, baseline="old", candidate="new", prices={"echo-1": (1_000_000.0, 0.0)}
    )
    assert found.cost["cost"].tolist() == [3.0, 3.0]
    assert found.cost["input_tokens"].tolist() == [3.0, 3.0]
