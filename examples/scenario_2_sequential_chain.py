"""Scenario 2 in today's LangChain: two prompts one after the other, recorded without passing
callbacks at all.
"""

import _stand_ins  # noqa: F401
from _sagemaker_sdk import Run
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import load_spans, record_calls, trace_table

llm = ChatOpenAI(model="gpt-4o-mini", temperature=0.1)
synopsis = (
    ChatPromptTemplate.from_template(
        "You are a playwright. Given the title of play, it is your job to write a synopsis for "
        "that title.\n"
        "Title: {title}\nPlaywright: This is a synopsis for the above play:"
    )
    | llm
    | StrOutputParser()
)
review = (
    ChatPromptTemplate.from_template(
        "You are a play critic from the New York Times. Given the synopsis of play, it is your job "
        "to write a review for that "
        "play.\nPlay Synopsis: {synopsis}\nReview from a New York Times play critic of the above "
        "play:"
    )
    | llm
    | StrOutputParser()
)
chain = {"synopsis": synopsis} | review

with Run(experiment_name="langchain-sagemaker-modern", run_name="run-scenario-2") as run:
    with record_calls(run):
        print(
            chain.invoke(
                {
                    "title": "documentary about good video games that push the boundary of game "
                    "design"
                }
            )
        )

    spans = load_spans(run)

print(spans[["kind", "name", "status", "duration_ms"]])
print(trace_table(spans)[["name", "inputs", "outputs", "model", "input_tokens", "output_tokens"]])
