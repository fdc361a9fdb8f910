"""Stand-ins for the services an example needs, each only where the real one is not configured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from ..exceptions import MissingExtraError
from ..local import local_sagemaker
from ._openai import scripted_openai
from ._script import OLDEST, answer

FORCE: Final = "SAGEMAKER_TRACES_STAND_INS"
"""Set to 1, this variable makes the stand-ins serve even where real services are configured."""

_AWS_SIGNS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def has_aws() -> bool:
    """Return True if AWS credentials are configured, without asking the network for them."""
    return (
        any(os.environ.get(name) for name in _AWS_SIGNS)
        or (Path.home() / ".aws" / "credentials").is_file()
    )


@contextmanager
def stand_ins(*, force: bool | None = None) -> Iterator[list[str]]:
    """Run a block with whatever it lacks: a local SageMaker without AWS credentials, a scripted
    model without OPENAI_API_KEY.

    Args:
        force: use them even where the real services are configured; None asks the variable
            SAGEMAKER_TRACES_STAND_INS.

    Yields:
        What is stood in for, in words.
    """
    forced = os.environ.get(FORCE) == "1" if force is None else force
    used: list[str] = []
    with ExitStack() as stack:
        if forced or not os.environ.get("OPENAI_API_KEY"):
            server = stack.enter_context(scripted_openai(answer))
            environment = {
                "OPENAI_API_KEY": "sk-scripted-no-real-key",
                "OPENAI_API_BASE": server.base_url,
                "OPENAI_BASE_URL": server.base_url,
            }
            stack.enter_context(mock.patch.dict(os.environ, environment))
            used.append("a scripted model instead of OpenAI")
        if forced or not has_aws():
            stack.enter_context(local_sagemaker())
            # moto passes on what is not AWS, which the scripted model is.
            used.append("a local SageMaker instead of AWS")
        yield used


def load_tools(names: Sequence[str], llm: Any = None, **options: Any) -> list[Any]:
    """Do what LangChain's `load_tools` does, with canned search results when SERPAPI_API_KEY is
    missing.

    Args:
        names: `serpapi` and any other tool LangChain can load.
        llm: the model a tool needs.
        options: passed on; `callbacks` reach every tool.

    Raises:
        MissingExtraError: LangChain's classic tools are not installed.
    """
    try:
        from langchain_community.agent_toolkits.load_tools import load_tools as load
        from langchain_core.tools import Tool
    except ImportError as error:
        raise MissingExtraError(
            error.name or "langchain-community", "demo", "load_tools"
        ) from error
    scripted = "serpapi" in names and (
        os.environ.get(FORCE) == "1" or not os.environ.get("SERPAPI_API_KEY")
    )
    tools: list[Any] = []
    for name in names:
        if scripted and name == "serpapi":
            search = Tool(
                name="Search",
                description="A search engine. Useful for when you need to answer questions about "
                "current events.",
                func=lambda query: OLDEST,
                callbacks=options.get("callbacks"),
            )
            tools.append(search)
        else:
            tools += load([name], llm=llm, **options)
    return tools
