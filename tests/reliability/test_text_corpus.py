"""Thousands of real text files go through record, flush and read: every span is back, and every
text is equal but for what detect-secrets calls a secret, or what stands where one is assigned.
Made-up secrets of each format that detect-secrets knows stand in some of them: none is back.
"""

from __future__ import annotations

import json
import random
import re
import site
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler, load_spans
from support.secret_judge import DETECTORS, made_up_secrets, secret_places, secrets_in

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
FALSE_ALARMS = {
    # The password of an example: <password>, {self.password}, $PASSWORD.
    "Basic Auth Credentials": re.compile(r"[<{$%*\[].*|x{3,}|\.{3}", re.DOTALL),
    # The words around a key. The key between them is gone: `planted` looks for it.
    "Private Key": re.compile(r"BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?|PuTTY-User-Key-File-2"),
    # The number of an AWS account before a name.
    "Telegram Bot Token": re.compile(r"1{10}:Glacier-InventoryRetrieval-topic-Ex"),
    # A placeholder, and the name of an account.
    "Twilio API Key": re.compile(r"(?:AC|SK)x{32}|AC[0-9a-z]{32}"),
}
"""What detect-secrets finds in a text that came back and is no secret: format → what it takes."""
EACH = 20
"""One text in so many holds a made-up secret."""


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
    first, *pieces = masked.split(MARK)
    assert original.startswith(first)
    places, at = [], len(first)
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        start = len(original) - len(piece) if is_last else original.index(piece, at)
        assert start >= at
        assert original[start : start + len(piece)] == piece
        places.append((at, start))
        at = start + len(piece)
    assert at == len(original)
    return places


def texts_to_record() -> Iterator[tuple[str, str]]:
    """Real texts, each with the made-up secret that was put into it, if any."""
    secrets = [
        line for seed in range(9) for lines in made_up_secrets(seed).values() for line in lines
    ]
    for number, text in enumerate(readable_texts()):
        secret = secrets[number // EACH] if number % EACH == 0 else ""
        middle = text.find("\n", len(text) // 2) + 1
        yield f"{text[:middle]}{secret}\n{text[middle:]}" if secret else text, secret


def readable_texts() -> Iterator[str]:
    for path in text_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if MARK not in text:
            yield text


def doubtful_changes(original: str, masked: str) -> list[tuple[str, str]]:
    """What was masked although neither detect-secrets nor the reviewed list calls it a secret."""
    found = secret_places(original)
    doubtful = []
    for start, end in gaps(original, masked):
        before, hidden = original[max(0, start - 90) : start], original[start:end]
        is_found = any(first < end and start < last for first, last in found)
        if not is_found and not ASSIGNED.search(before) and not REVIEWED.search(hidden):
            doubtful.append((before[-50:], hidden[:40]))
    return doubtful


def remaining_secrets(masked: str, planted: str) -> list[tuple[str, str]]:
    """What is still a secret in a text that came back, to detect-secrets or as what was put in."""
    found = [
        (name, secret[:60])
        for name, secret in secrets_in(masked)
        if not (name in FALSE_ALARMS and FALSE_ALARMS[name].fullmatch(secret))
    ]
    pieces = re.findall(r"[0-9A-Za-z]{16,}", planted)
    return found + [("planted", piece) for piece in pieces if piece in masked]


@pytest.mark.parametrize("name", DETECTORS)
def test_the_judge_finds_each_secret_that_is_put_into_a_text(name: str) -> None:
    for line in made_up_secrets(1)[name]:
        assert name in {found for found, _ in secrets_in(f"a\n{line}\nb")}, line


@pytest.mark.slow
def test_real_texts_come_back_as_they_were_and_no_secret_does(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="corpus", run_name="texts")
    handler = SageMakerCallbackHandler(run)
    answer = LLMResult(generations=[[Generation(text="read")]])
    texts: list[tuple[str, str]] = []
    for text, planted in texts_to_record():
        run_id = uuid.uuid4()
        handler.on_llm_start({}, [text], run_id=run_id, metadata={"number": len(texts)})
        handler.on_llm_end(answer, run_id=run_id)
        texts.append((text, planted))
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
    changed, doubtful, remaining = 0, [], []
    rows: list[Any] = list(zip(frame["metadata"], frame["inputs"], strict=True))
    for metadata, inputs in rows:
        (original, planted), masked = texts[metadata["number"]], inputs["prompts"][0]
        remaining += remaining_secrets(masked, planted)
        if original != masked:
            changed += not planted
            doubtful += doubtful_changes(original, masked)
        else:
            assert not planted, planted
    assert not remaining, remaining[:20]
    assert not doubtful, doubtful[:10]
    assert changed < len(texts) / 50
