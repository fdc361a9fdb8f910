"""The three scenarios of the "SageMaker Tracking" page: one model, a sequential chain, an agent
with tools.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..exceptions import MissingExtraError
from ..handler import SageMakerCallbackHandler
from ._stand_ins import load_tools

HPARAMS: Final[dict[str, Any]] = {"temperature": 0.1, "model_name": "gpt-3.5-turbo-instruct"}
EXPERIMENT_NAME: Final = "langchain-sagemaker-tracker"

_SYNOPSIS = """You are a playwright. Given the title of play, it is your job to write a synopsis \
for that title.
Title: {title}
Playwright: This is a synopsis for the above play:"""
_REVIEW = """You are a play critic from the New York Times. \
Given the synopsis of play, it is your job to write a review for that play.
Play Synopsis: {synopsis}
Review from a New York Times play critic of the above play:"""
_QUESTION = (
    "Who is the oldest person alive? And what is their current age raised to the power of 1.51?"
)


def _model(handler: SageMakerCallbackHandler) -> Any:
    from langchain_openai import OpenAI

    return OpenAI(callbacks=[handler], **HPARAMS)


def _prompt(template: str) -> Any:
    from langchain_core.prompts import PromptTemplate

    return PromptTemplate.from_template(template)


def one_model(handler: SageMakerCallbackHandler) -> str:
    """Scenario 1: one model answers one prompt."""
    from langchain_classic.chains import LLMChain

    chain = LLMChain(
        llm=_model(handler), prompt=_prompt("tell me a joke about {topic}"), callbacks=[handler]
    )
    return str(chain.invoke({"topic": "fish"})["text"])


def sequential_chain(handler: SageMakerCallbackHandler) -> str:
    """Scenario 2: a synopsis, and a review of it."""
    from langchain_classic.chains import LLMChain, SimpleSequentialChain

    llm = _model(handler)
    first = LLMChain(llm=llm, prompt=_prompt(_SYNOPSIS), callbacks=[handler])
    second = LLMChain(llm=llm, prompt=_prompt(_REVIEW), callbacks=[handler])
    chain = SimpleSequentialChain(chains=[first, second], callbacks=[handler])
    return str(
        chain.invoke(
            {"input": "documentary about good video games that push the boundary of game design"}
        )["output"]
    )


def agent_with_tools(handler: SageMakerCallbackHandler) -> str:
    """Scenario 3: an agent that searches and calculates."""
    from langchain_classic.agents import initialize_agent

    llm = _model(handler)
    tools = load_tools(["serpapi", "llm-math"], llm=llm, callbacks=[handler])
    kind: Any = "zero-shot-react-description"
    agent = initialize_agent(tools, llm, agent=kind, callbacks=[handler])
    return str(agent.invoke({"input": _QUESTION})["output"])


SCENARIOS: Final[tuple[tuple[str, str, Callable[[SageMakerCallbackHandler], str]], ...]] = (
    ("run-scenario-1", "one LLM", one_model),
    ("run-scenario-2", "a sequential chain", sequential_chain),
    ("run-scenario-3", "an agent with tools", agent_with_tools),
)


def check_installed() -> None:
    """Say what is missing before anything is started.

    Raises:
        MissingExtraError: a package the scenarios need is not installed.
    """
    for module in (
        "langchain_classic",
        "langchain_openai",
        "langchain_community",
        "mypy_extensions",
        "numexpr",
    ):
        try:
            __import__(module)
        except ImportError as error:
            raise MissingExtraError(module.replace("_", "-"), "demo", "The demo") from error
