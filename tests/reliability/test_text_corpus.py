"""Thousands of real text files go through record, flush and read: every span is back, and every
text is equal but for what stands where a secret is assigned.
"""

from __future__ import annotations

import json
import random
import re
import site
import uuid
from pathlib import Path
from typing import Any

import pytest
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_spans

COUNT = 5_000
MARK = "[REDACTED]"
SUFFIXES = frozenset(
    (
        ".py",
        ".pyi",
        ".md",
        ".rst",
        ".txt",
        ".json",
        ".toml",
        ".yaml",
        ".yml",
        ".cfg",
        ".js",
        ".html",
    )
)
# A judge of the test's own: what stands before a masked text gives a secret to a name, or is the
# user of an address.
ASSIGNED = re.compile(
    r"(?i)(?:(?:key|token|secret|pass\w*|pwd|cred\w*|authorization|cookie|auth\w*|connection_?string"
    r"|bearer|basic)\w*[\"'\]\\>]{0,6}(?:\s*,)?\s*(?:=>|:=|[=:>(])?\s*[bru]?[\"'`(\\]{0,3}|://[^\s]*:)\Z"
)
REVIEWED = re.compile(r"AKIA|ASIA|-----BEGIN|eyJ|sk-|gh[pousr]_|hf_|xox|AIza|\{signature\}")
"""Made-up secrets of documentation, told by their own form."""


def text_files() -> list[Path]:
    """Text files of the installed packages, the same ones in each run on one machine."""
    found = []
    for root in site.getsitepackages():
        for path in sorted(Path(root).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and path.stat().st_size <= 60_000:
                found.append(path)
    random.Random(1).shuffle(found)
    return found


def gaps(original: str, masked: str) -> list[tuple[int, int]]:
    """Where the original differs; fails where it differs in anything but marks."""
    places, at = [], 0
    pieces = masked.split(MARK)
    assert original.startswith(pieces[0])
    at = len(pieces[0])
    for piece in pieces[1:]:
        start = original.index(piece, at) if piece else len(original)
        places.append((at, start))
        at = start + len(piece)
    assert at == len(original)
    return places


@pytest.mark.slow
def test_real_texts_come_back_as_they_were(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="corpus", run_name="texts")
    handler = SageMakerCallbackHandler(run)
    answer = LLMResult(generations=[[Generation(text="read")]])
    texts: list[str] = []
    for path in text_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if MARK in text:
            continue
        run_id = uuid.uuid4()
        handler.on_llm_start({}, [text], run_id=run_id, metadata={"number": len(texts)})
        handler.on_llm_end(answer, run_id=run_id)
        texts.append(text)
        if len(texts) == COUNT:
            break
        if len(texts) % 500 == 0:
            handler.flush_tracker()
    assert handler.flush_tracker().faults == {}
    lines = [
        line
        for part in (Path(run.path) / "langchain-traces").glob("*.jsonl")
        for line in part.read_bytes().splitlines()
    ]
    assert len(lines) == len(texts)
    for line in lines:
        json.loads(line)
    frame = load_spans(run)
    assert frame.attrs["problems"] == []
    assert len(frame) == len(texts)
    changed, doubtful = 0, []
    rows: list[Any] = list(zip(frame["metadata"], frame["inputs"], strict=True))
    for metadata, inputs in rows:
        original, masked = texts[metadata["number"]], inputs["prompts"][0]
        if original == masked:
            continue
        changed += 1
        for start, end in gaps(original, masked):
            before, hidden = original[max(0, start - 90) : start], original[start:end]
            if not ASSIGNED.search(before) and not REVIEWED.search(hidden):
                doubtful.append((before[-50:], hidden[:40]))
    assert not doubtful, doubtful[:10]
    assert changed < len(texts) / 50
