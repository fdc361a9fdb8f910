"""What the request path and the flush may cost, guarded so that a busy machine does not disturb:
calls counted, and ratios.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

import langchain_sagemaker_experiments
from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler
from langchain_sagemaker_experiments._masking import text_masking
from support.recording import Recording

untraced = pytest.mark.skipif(
    sys.gettrace() is not None, reason="coverage slows Python, and not what it is compared with"
)
OURS = str(Path(langchain_sagemaker_experiments.__file__).parent)


def calls_of_ours(work: Callable[[], Any]) -> int:
    """How many Python functions of this package a piece of work calls: the same number at every
    run.
    """
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def chain() -> Any:
    return (
        ChatPromptTemplate.from_template("about {topic}")
        | FakeListChatModel(responses=["a fine answer"])
        | StrOutputParser()
    )


def test_calls_of_one_chain(recording: Recording) -> None:
    work = chain()
    work.invoke({"topic": "fish"}, recording.config)
    calls = calls_of_ours(lambda: work.invoke({"topic": "fish"}, recording.config))
    assert 40 <= calls <= 140, calls  # 8 events


def test_calls_of_one_streamed_token(recording: Recording) -> None:
    run_id = uuid.uuid4()
    recording.handler.on_llm_start({}, ["p"], run_id=run_id)
    assert (
        calls_of_ours(
            lambda: [recording.handler.on_llm_new_token("x", run_id=run_id) for _ in range(100)]
        )
        <= 210
    )
    recording.handler.flush_tracker()


def test_calls_of_the_flush_of_one_span(recording: Recording) -> None:
    work = chain()

    def flush(chains: int) -> int:
        for _ in range(chains):
            work.invoke({"topic": "fish"}, recording.config)
        return calls_of_ours(recording.handler.flush_tracker)

    flush(1)
    once = flush(10)
    assert (flush(30) - once) / 80 <= 30  # 20 chains more, of 4 spans


def test_an_item_of_a_long_list_costs_nothing_where_it_is_known(recording: Recording) -> None:
    def step(messages: list[Any]) -> int:
        def work() -> None:
            with recording.handler.span("s", inputs={"messages": messages}):
                pass

        return calls_of_ours(work)

    messages: list[Any] = [HumanMessage(f"{n}") for n in range(1_000)]
    first = step(messages)
    assert step([*messages, AIMessage("one more")]) < first / 20
    recording.handler.flush_tracker()


def test_a_chain_takes_little_longer_than_with_a_handler_that_does_nothing() -> None:
    import request_path
    from peers import DoesNothing, Peer

    recording = Recording()
    peers = {
        "does nothing": Peer("langchain-core", DoesNothing(), lambda: None, lambda: None),
        "this package": Peer("x", recording.handler, recording.handler.flush_tracker, lambda: None),
    }
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(8):
        for name, peer in peers.items():
            best[name] = min(best[name], request_path.seconds(request_path.invoke, peer))
            peer.empty()
    # 1.12 on a quiet machine; 1.7 is LangChain's own RunCollector.
    assert best["this package"] / best["does nothing"] < 1.6


def test_a_long_text_is_searched_for_secrets_once(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []
    find = text_masking._find

    def counted(data: bytes) -> Any:
        searched.append(len(data))
        return find(data)

    monkeypatch.setattr(text_masking, "_find", counted)
    size = 100_000
    with recording.handler.span("s", inputs={"text": "fish " * (size // 5)}):
        pass
    recording.handler.flush_tracker()
    assert size <= sum(searched) <= 1.1 * size


def cpu_ratio(work: Callable[[], Any], floor: Callable[[], Any]) -> float:
    """Return the CPU time of some work against that of another, best of eight turns each."""
    best = [float("inf"), float("inf")]
    for _ in range(8):
        for place, one in enumerate((floor, work)):
            began = time.process_time()
            one()
            best[place] = min(best[place], time.process_time() - began)
    return best[1] / best[0]


@untraced
def test_loading_takes_little_longer_than_parsing(tmp_path: Path) -> None:
    import orjson
    from made_spans import write_run

    write_run(tmp_path, 300)
    (part,) = tmp_path.rglob("*.jsonl")
    lines = part.read_bytes().splitlines()
    langchain_sagemaker_experiments.load_spans(tmp_path)  # imports
    ratio = cpu_ratio(
        lambda: langchain_sagemaker_experiments.load_spans(tmp_path),
        lambda: [orjson.loads(line) for line in lines],
    )
    assert ratio < 7, ratio  # 4.2, most of it the DataFrame


@untraced
def test_a_flush_takes_a_few_times_what_its_lines_take_to_encode(tmp_path: Path) -> None:
    import orjson

    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    handler = SageMakerCallbackHandler(run)
    work, config = chain(), {"callbacks": [handler]}
    best = float("inf")
    for _ in range(9):  # the first one imports
        for _ in range(50):
            work.invoke({"topic": "fish"}, config)
        began = time.process_time()
        assert handler.flush_tracker().spans == 200
        best = min(best, time.process_time() - began)
    records = [orjson.loads(line) for line in newest_part(run).read_bytes().splitlines()]
    assert len(records) == 200
    floor = float("inf")
    for _ in range(9):
        began = time.process_time()
        for record in records:
            orjson.loads(orjson.dumps(record))
        floor = min(floor, time.process_time() - began)
    assert best / floor < 10, best / floor  # 5.8


def newest_part(run: OfflineRun) -> Path:
    return max((run.path / "langchain-traces").glob("part-*.jsonl"))
