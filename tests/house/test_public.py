"""Every public name is used by a test, and says what it is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from langchain_core.outputs import Generation, LLMResult

import langchain_sagemaker_experiments as package
from langchain_sagemaker_experiments import local

TESTS = "".join(path.read_text() for path in sorted(Path(__file__).parents[1].rglob("*.py")))


def public_names() -> dict[str, object]:
    """Names of `__all__`, and methods and properties of its classes that are of this package."""
    found: dict[str, object] = {
        name: getattr(package, name) for name in package.__all__ if name != "__version__"
    }
    found.update({f"local.{name}": getattr(local, name) for name in local.__all__})
    for name, value in list(found.items()):
        if not inspect.isclass(value):
            continue
        for attribute, member in inspect.getmembers(value):
            owner = next((base for base in value.__mro__ if attribute in vars(base)), None)
            if (
                attribute.startswith("_")
                or owner is None
                or not owner.__module__.startswith(package.__name__)
            ):
                continue
            if callable(member) or isinstance(member, property):
                found[f"{name}.{attribute}"] = member
    return found


@pytest.mark.parametrize(("name", "value"), public_names().items())
def test_a_public_name_is_used_by_a_test_and_has_a_docstring(name: str, value: object) -> None:
    last = name.split(".")[-1]
    # LangChain's own; test_handler.py sees to it that each is there, tests/conformance that it
    # records.
    if last.startswith("on_"):
        return
    assert re.search(rf"\b{last}\b", TESTS), f"no test uses {name}"
    assert inspect.getdoc(value), f"{name} has no docstring"


def test_results_are_of_the_types_that_the_reference_names(
    sdk: object, session: object, tmp_path: Path
) -> None:
    with package.OfflineRun(tmp_path, experiment_name="e", run_name="r") as run:
        handler = package.SageMakerCallbackHandler(run)
        handler.on_llm_start({}, ["hello"])
        handler.on_llm_end(answer())
        assert isinstance(handler.flush_tracker(), package.FlushResult)
    assert isinstance(package.sync(tmp_path, sagemaker_session=session), package.SyncResult)
    assert isinstance(
        package.render_report(package.load_spans(tmp_path), tmp_path / "r.html"), package.Report
    )
    assert isinstance(package.compact(tmp_path), package.Compacted)


def answer() -> LLMResult:
    return LLMResult(generations=[[Generation(text="hello too")]])
