"""A SageMaker processing job that writes into the Run of the program that started it, with
`load_run`.

The starter passes the names of its Run; the job opens it again, records, and flushes. Any number of
jobs may do so at a time: each flush writes parts of its own, and the Run's parameters are merged by
    the service.

    ScriptProcessor(...).run(code="processing_job.py", arguments=["--experiment", "jokes", "--run",
    "nightly"], inputs=[...])
"""

import argparse
import tempfile
from pathlib import Path

import _stand_ins  # noqa: F401
from _sagemaker_sdk import ExperimentAnalytics, Run, load_run
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans, summarize


def job(arguments: list[str] | None = None) -> None:
    """What runs in the container, over the files that SageMaker put into its input folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--input", type=Path, default=Path("/opt/ml/processing/input"))
    options = parser.parse_args(arguments)

    prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")
    chain = prompt | ChatOpenAI(model="gpt-4o-mini", temperature=0.1) | StrOutputParser()
    topics = [{"topic": path.read_text()} for path in sorted(options.input.glob("*.txt"))]
    with (
        load_run(experiment_name=options.experiment, run_name=options.run) as run,
        SageMakerCallbackHandler(run) as handler,
    ):
        for joke in chain.batch(topics, config={"callbacks": [handler], "max_concurrency": 8}):
            print(joke)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for topic in ("fish", "cats", "dogs"):
            Path(folder, f"{topic}.txt").write_text(topic)
        with Run(experiment_name="jokes", run_name="nightly") as run:
            run.log_parameter("topics", 3)
        # In AWS, the processor's run(...) of above stands here.
        job(["--experiment", "jokes", "--run", "nightly", "--input", folder])

    spans = load_spans(experiment_name="jokes", run_name="nightly")
    print(summarize(spans, by="model")[["model", "spans", "input_tokens", "output_tokens"]])
    runs = ExperimentAnalytics(experiment_name="jokes").dataframe()
    print(
        runs[["TrialComponentName", "topics", "model_name", "temperature"]].to_string(index=False)
    )
