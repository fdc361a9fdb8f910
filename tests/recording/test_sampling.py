"""A sample holds a share of the traces, and every one that matters: failed, slow, or scored."""

from __future__ import annotations

import time
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_sagemaker_experiments import current_trace_id
from langchain_sagemaker_experiments._recording import sampling
from support.inside import pipeline


def names(recording: Any) -> list[str]:
    return sorted(line["name"] for line in recording.raw_lines())


def test_a_failed_trace_is_kept_whole(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.0)
    step = RunnableLambda(lambda value: 1 / value).with_config(run_name="step")
    chain = RunnableLambda(lambda value: step.invoke(value)).with_config(run_name="chain")
    chain.invoke(1, recording.config)
    with pytest.raises(ZeroDivisionError):
        chain.invoke(0, recording.config)
    recording.handler.flush_tracker()
    assert names(recording) == ["chain", "step"]
    assert recording.metrics["errors"] == 1


def test_an_error_that_was_handled_keeps_the_trace_too(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.0)
    step = RunnableLambda(lambda value: 1 / value).with_config(run_name="step")
    step.with_fallbacks([RunnableLambda(lambda value: 7)]).invoke(0, recording.config)
    recording.handler.flush_tracker()
    assert "step" in names(recording)
    assert len(names(recording)) == 3


def test_a_slow_trace_is_kept(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.0, keep_slower_than=0.05)
    RunnableLambda(lambda value: value).with_config(run_name="quick").invoke(1, recording.config)
    RunnableLambda(lambda value: time.sleep(0.06)).with_config(run_name="slow").invoke(
        1, recording.config
    )
    recording.handler.flush_tracker()
    assert names(recording) == ["slow"]


def test_a_scored_trace_is_kept(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.0)
    with recording.handler.span("scored"):
        recording.handler.log_score(str(current_trace_id()), key="helpful", score=1.0)
    with recording.handler.span("not scored"):
        pass
    pipeline(recording.handler).scores._lines.clear()  # this recording takes no scores
    pipeline(recording.handler).scores._changed = False
    recording.handler.flush_tracker()
    assert names(recording) == ["scored"]


def test_what_is_held_is_bounded_and_what_goes_is_counted(
    make_recording: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MAX_HELD_BYTES", 100_000)
    recording = make_recording(sample_rate=0.0)
    with recording.handler.span("root"):
        for _ in range(300):
            with recording.handler.span("child"):
                pass
    result = recording.handler.flush_tracker()
    assert result.faults == {"a trace outside the sample was given up before it ended": 1}
    assert recording.raw_lines() == []


def test_spans_that_end_after_their_root_share_its_fate(make_recording: Any) -> None:
    recording = make_recording(sample_rate=0.0, keep_slower_than=0.02)
    for seconds in (0.0, 0.03):
        with recording.handler.span("root") as root:
            time.sleep(seconds)
            late = recording.handler.span("late")
            late.__enter__()
        assert root.trace_id == late.trace_id
        late.__exit__(None, None, None)
    recording.handler.flush_tracker()
    assert names(recording) == ["late", "root"]
