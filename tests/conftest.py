"""What all tests share: the SDK that is installed, a local SageMaker, runs in it, and a watch over
the handler's own faults.
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

# An example may take as long as the machine needs: no test asserts on seconds.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

# No test may look for credentials or settings outside, or show progress to a service.
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
os.environ.setdefault("LANGSMITH_TRACING", "false")
# Spools of handlers that a test gives up unflushed stay out of the user's home.
_state = tempfile.TemporaryDirectory(prefix="state-")
os.environ["XDG_STATE_HOME"] = _state.name
for name in ("AWS_PROFILE", "OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
    os.environ.pop(name, None)

from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk, load_sdk
from langchain_sagemaker_experiments.exceptions import MissingExtraError
from langchain_sagemaker_experiments.local import LocalSageMaker, local_sagemaker
from support.inside import redacting
from support.recording import Recording


@pytest.fixture(autouse=True)
def no_faults_in_callbacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which LangChain had to swallow an exception of the handler, or the handler one
    of its own.
    """
    yield
    swallowed = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if "Error in SageMakerCallbackHandler" in record.getMessage()
        or (
            "could not record all of an event" in record.getMessage()
            and record.levelno >= logging.WARNING
        )
    ]
    assert not swallowed, swallowed
    if redacting():
        # A function of one test's `redact=` sees the log until its handler is gone.
        gc.collect()


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
        return sdk.Run(
            experiment_name=experiment_name, run_name=run_name, sagemaker_session=session, **options
        )

    return make


@pytest.fixture
def recording() -> Recording:
    """A handler whose records are at hand."""
    return Recording()


@pytest.fixture
def make_recording() -> Callable[..., Recording]:
    """Make handlers with settings of their own."""
    return Recording
