"""Scenario 3 in today's LangChain: `create_agent` with a search tool and a calculator."""

import os

import _stand_ins  # noqa: F401
import numexpr
from _sagemaker_sdk import Run
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans, trace_table


@tool
def search(query: str) -> str:
    """Search the web for current events."""
    if os.environ.get("SERPAPI_API_KEY"):
        from langchain_community.utilities import SerpAPIWrapper

        return SerpAPIWrapper().run(query)
    return "The oldest living person is Ethel Caterham of Surrey, England, who is 116 years old."


@tool
def calculator(expression: str) -> str:
    """Compute a numerical expression, such as 37593 ** (1 / 5)."""
    return str(numexpr.evaluate(expression.strip()).item())


agent = create_agent(
    ChatOpenAI(model="gpt-4o-mini", temperature=0.1), [search, calculator], name="calculating-agent"
)

with Run(experiment_name="langchain-sagemaker-modern", run_name="run-scenario-3") as run:
    handler = SageMakerCallbackHandler(run)
    question = (
        "Who is the oldest person alive? And what is their current age raised to the power of 1.51?"
    )
    answer = agent.invoke({"messages": [("user", question)]}, config={"callbacks": [handler]})
    print(answer["messages"][-1].content)
    print(handler.flush_tracker())

    spans = load_spans(run)

print(spans[["kind", "name", "status", "duration_ms"]])
print(trace_table(spans)[["name", "status", "model", "input_tokens", "output_tokens", "spans"]])
