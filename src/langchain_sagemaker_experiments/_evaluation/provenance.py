"""With what an evaluation was made: code, versions, prompts. They become parameters of the Run."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from .fingerprint import Facts, digest

_PACKAGES: Final = ("langchain-core", "langchain", "langgraph", "langchain-sagemaker-experiments")
_PROMPT: Final = "prompt "
_GIT_SECONDS: Final = 5.0

Parameters = dict[str, str | int | float]


def provenance(facts: Facts) -> Parameters:
    """Return git commit and dirty flag, versions, and each prompt's hash."""
    found: Parameters = {**git_state(), **versions()}
    for name, text in facts.items():
        if name.startswith(_PROMPT):
            found[f"prompt.{name.removeprefix(_PROMPT)}"] = digest(text)
    return found


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
    return {"git.commit": commit, "git.dirty": "yes" if changes else "no"}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
