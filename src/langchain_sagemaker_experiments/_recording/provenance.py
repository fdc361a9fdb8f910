"""With what a process makes its traces: code, versions, prompts. Asked for at a flush, never at an
event.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from .._record.provenance import PROMPT, PROVENANCE, prompt_hash
from .._record.schema import ARCHITECTURE
from .ids import new_id

if TYPE_CHECKING:
    from .span_capture import SpanCapture

_PACKAGES: Final = ("langchain-core", "langchain", "langgraph", "langchain-sagemaker-experiments")
_GIT_SECONDS: Final = 5.0
_MAX_TEXT: Final = 20_000
"""Characters of a prompt in the record; its hash is that of the whole."""

Parameters = dict[str, str | int | float]


def provenance(git: Parameters, prompts: Mapping[str, str]) -> Parameters:
    """Return what `git_state` gave, versions, and the hash of each prompt, given by name."""
    hashes = {f"{PROMPT}{name}": prompt_hash(text) for name, text in prompts.items()}
    return {**git, **versions(), **hashes}


@lru_cache(maxsize=1)
def versions() -> Parameters:
    """Return the versions of Python and of the packages that matter."""
    found: Parameters = {"version.python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state() -> Parameters:
    """Return commit and dirty flag of the working folder; nothing outside a repository."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git("status", "--porcelain", "--untracked-files=no")
    if changes is None:  # it took too long
        return {"git.commit": commit}
    return {"git.commit": commit, "git.dirty": "yes" if changes else "no"}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "--no-optional-locks", *arguments],  # noqa: S607
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def log_provenance(
    capture: SpanCapture, parameters: Mapping[str, str | int | float], prompts: Mapping[str, str]
) -> None:
    """Record with what the traces of this process are made, beside them.

    Args:
        capture: of the handler that records.
        parameters: what `provenance` gave.
        prompts: name → text; only their hashes are recorded where content is not.
    """
    span = capture.open_spans.start(new_id(), None, "custom", PROVENANCE)
    span.tentative = False
    texts = {name: text[:_MAX_TEXT] for name, text in prompts.items()}
    if capture.record_content and texts:
        told = {"type": "provenance", "name": PROVENANCE, "prompts": texts}
        span.component = capture.encoder.encode_json(told)
    span.attributes = {ARCHITECTURE: True, PROVENANCE: True, **parameters}
    span.is_our_record = True
    capture.open_spans.close(capture.open_spans.end(span.run_id, None, "ok", ("custom",)))
