"""What a handler remembers is small, and goes with it."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_spans

MEGABYTE = 1_000_000


def held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def call(handler: SageMakerCallbackHandler, number: int) -> None:
    """Record a call in which each text is large and like no other."""
    large = f"{number} " + "x" * 150_000
    FakeListChatModel(responses=[large]).invoke(
        [HumanMessage(large)],
        config={
            "callbacks": [handler],
            "metadata": {"document": large, large[:40_000]: number, "session_id": large[:40_000]},
            "tags": [large],
            "run_name": large[:40_000],
        },
        stop=[large],
    )


def test_nothing_large_stays_after_a_flush_and_nothing_after_the_handler(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)
    call(handler, 0)  # imports, tables, compiled patterns
    handler.flush_tracker()
    tracemalloc.start()
    try:
        before = held()
        for number in range(1, 61):
            call(handler, number)
        assert held() - before > 25 * MEGABYTE  # else it would not tell what the flush lets go of
        handler.flush_tracker()
        assert held() - before < 6 * MEGABYTE
        handler.close()
        del handler
        assert held() - before < 4 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert len(load_spans(run)) == 61


def test_a_long_setting_is_the_same_setting_in_the_next_process(tmp_path: Path) -> None:
    """The Run holds it cut; so it is compared cut, and is not another model's."""
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    for _ in range(2):
        with SageMakerCallbackHandler(run) as handler:
            call(handler, 0)
    names = list(OfflineRun(tmp_path, experiment_name="e", run_name="r").parameters())
    assert "stop" in " ".join(names)
    assert not [name for name in names if name.startswith("model_2.")]
