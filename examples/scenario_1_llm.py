"""Scenario 1 in today's LangChain: one chat model in a LangChain expression, the handler passed
with the call.
"""

import _stand_ins  # noqa: F401
from _sagemaker_sdk import Run
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans, trace_table

chain = (
    ChatPromptTemplate.from_template("tell me a joke about {topic}")
    | ChatOpenAI(model="gpt-4o-mini", temperature=0.1)
    | StrOutputParser()
)

with Run(experiment_name="langchain-sagemaker-modern", run_name="run-scenario-1") as run:
    # Leaving the handler's block flushes it.
    with SageMakerCallbackHandler(run) as handler:
        print(chain.invoke({"topic": "fish"}, config={"callbacks": [handler]}))

    spans = load_spans(run)

print(spans[["kind", "name", "status", "duration_ms"]])
print(trace_table(spans)[["name", "inputs", "outputs", "model", "input_tokens", "output_tokens"]])
