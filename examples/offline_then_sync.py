"""Recorded in a folder, without AWS; looked at there; brought into SageMaker later, with
`sagemaker-traces sync` or `sync`.
"""

import tempfile

import _stand_ins  # noqa: F401
from _sagemaker_sdk import ExperimentAnalytics
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import OfflineRun, load_spans, record_calls, sync, trace_table

chain = ChatPromptTemplate.from_template("tell me a joke about {topic}") | ChatOpenAI(
    model="gpt-4o-mini", temperature=0.1
)

with tempfile.TemporaryDirectory() as folder:
    with OfflineRun(folder, experiment_name="on-the-train", run_name="monday") as run:
        run.log_parameter("prompt_version", 3)
        with record_calls(run):
            chain.invoke({"topic": "trains"})
    print(
        "in the folder:",
        trace_table(load_spans(folder))[["name", "status", "model"]].to_dict("records"),
    )

    print("first sync:", sync(folder))
    print("again:", sync(folder))  # what has arrived is not sent twice

spans = load_spans(experiment_name="on-the-train")
print("in SageMaker:", trace_table(spans)[["name", "status", "model"]].to_dict("records"))
print(
    ExperimentAnalytics(experiment_name="on-the-train")
    .dataframe()[["prompt_version", "model_name"]]
    .to_string(index=False)
)
