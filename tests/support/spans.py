"""Spans for tests of their way: one call a span, known by its prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans

RESULT = LLMResult(generations=[[Generation(text="text")]])


def record(handler: SageMakerCallbackHandler, prompt: str = "p") -> None:
    """Record one model call."""
    handler.on_llm_start({}, [prompt], invocation_params={"model_name": "m"})
    handler.on_llm_end(RESULT)


def prompts(source: Any) -> list[str]:
    """Return the prompts of all spans of a source, as a user reads them."""
    return sorted(inputs["prompts"][0] for inputs in load_spans(source)["inputs"])


def raw_lines(*folders: Path) -> list[dict[str, Any]]:
    """Return every line that was written below folders, so that nothing that came twice is
    hidden.
    """
    files = [path for folder in folders for path in sorted(folder.rglob("*.jsonl"))]
    return [line for path in files for line in lines_of(path)]


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of spans; none of another file."""
    if "part-" not in path.name and not path.name.startswith("live-"):
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def finished(*folders: Path) -> list[str]:
    """Return the prompts of all finished records below folders, as often as they were written."""
    return sorted(
        line["inputs"]["prompts"][0] for line in raw_lines(*folders) if line["status"] != "running"
    )


class Unreliable:
    """A run whose uploads fail while `broken`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken = True
        self.metrics: list[tuple[str, float]] = []

    def log_file(self, file_path: str) -> None:
        """Take a part as a Run does."""
        if self.broken:
            raise ConnectionError("the network is down")
        (self.folder / Path(file_path).name).write_bytes(Path(file_path).read_bytes())
