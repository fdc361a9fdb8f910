"""What all tests share: the SDK that is installed, a local SageMaker, runs in it, and a watch over the handler's own faults."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# No test may look for credentials or settings outside, or show progress to a service.
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
os.environ.setdefault("LANGSMITH_TRACING", "false")
# Spools of handlers that a test gives up unflushed stay out of the user's home.
_state = tempfile.TemporaryDirectory(prefix="state-")
os.environ["XDG_STATE_HOME"] = _state.name
for name in ("AWS_PROFILE", "OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
    os.environ.pop(name, None)

from langchain_sagemaker_experiments import SageMakerCallbackHandler
from langchain_sagemaker_experiments._sdk import Sdk, load_sdk
from langchain_sagemaker_experiments.exceptions import MissingExtraError
from langchain_sagemaker_experiments.local import LocalSageMaker, local_sagemaker


@pytest.fixture(autouse=True)
def no_faults_in_callbacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which LangChain had to swallow an exception of the handler, or the handler one of its own."""
    yield
    swallowed = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if "Error in SageMakerCallbackHandler" in record.getMessage()
        or ("could not record all of an event" in record.getMessage() and record.levelno >= logging.WARNING)
    ]
    assert not swallowed, swallowed


@pytest.fixture(scope="session")
def sdk() -> Sdk:
    """The installed sagemaker SDK, 2 or 3."""
    try:
        return load_sdk("The tests")
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture
def local() -> Iterator[LocalSageMaker]:
    """An empty local SageMaker in this process."""
    with local_sagemaker() as sagemaker:
        yield sagemaker


@pytest.fixture
def session(sdk: Sdk, local: LocalSageMaker) -> Any:
    """A session of the SDK."""
    return sdk.Session()


@pytest.fixture
def open_run(sdk: Sdk, session: Any) -> Callable[..., Any]:
    """Make a Run: `with open_run("name") as run:`."""

    def make(run_name: str = "run-1", experiment_name: str = "experiment", **options: Any) -> Any:
        return sdk.Run(experiment_name=experiment_name, run_name=run_name, sagemaker_session=session, **options)

    return make


class Recording:
    """A handler whose records are at hand: flushes into memory instead of a Run."""

    def __init__(self, **settings: Any) -> None:
        self.parts: list[bytes] = []
        self.parameters: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.handler = SageMakerCallbackHandler(self, **settings)

    def log_file(self, file_path: str, name: str | None = None) -> None:
        """Take a part as a Run does."""
        self.parts.append(Path(file_path).read_bytes())

    def log_parameters(self, parameters: dict[str, Any]) -> None:
        """Take parameters as a Run does."""
        self.parameters.update(parameters)

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Take a metric as a Run does."""
        self.metrics[name] = value

    @property
    def config(self) -> Any:
        """What to pass to `invoke`."""
        return {"callbacks": [self.handler]}

    def records(self) -> list[dict[str, Any]]:
        """Flush, and return all records so far, one for each span, in order of their start."""
        from langchain_sagemaker_experiments._reading._parse import merge_records, parse_part

        result = self.handler.flush_tracker()
        assert result.faults == {}, result.faults
        problems: list[Any] = []
        records = merge_records(record for part in self.parts for record in parse_part("memory", part, problems))
        assert not problems
        return sorted(records, key=lambda record: record["start_time"])

    def raw_lines(self) -> list[dict[str, Any]]:
        """All lines as they were written."""
        return [json.loads(line) for part in self.parts for line in part.splitlines()]

    def one(self, **fields: Any) -> dict[str, Any]:
        """The one record with these fields."""
        found = [r for r in self.records() if all(r[name] == value for name, value in fields.items())]
        assert len(found) == 1, f"{len(found)} records with {fields}"
        return found[0]

    def tree(self, *fields: str) -> list[Any]:
        """The recorded trees as nested `(kind, name, status, *fields, [children])`."""
        return trees(self.records(), *fields)


def trees(records: list[dict[str, Any]], *fields: str) -> list[Any]:
    """Records as nested tuples `(kind, name, status, *fields, [children])`, children in order of their start."""
    ids = {record["span_id"] for record in records}

    def node(record: dict[str, Any]) -> Any:
        children = [node(child) for child in records if child["parent_span_id"] == record["span_id"]]
        return (record["kind"], record["name"], record["status"], *(record[name] for name in fields), children)

    return [node(record) for record in records if record["parent_span_id"] not in ids]


@pytest.fixture
def recording() -> Recording:
    """A handler whose records are at hand."""
    return Recording()


@pytest.fixture
def make_recording() -> Callable[..., Recording]:
    """Make handlers with settings of their own."""
    return Recording
