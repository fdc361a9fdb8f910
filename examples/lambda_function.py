"""A Lambda function: the Run is opened once for each container, every invocation flushes what it
recorded before it ends.

Name `lambda_function.handler` as the function's handler. A container is frozen between invocations
and ended without a word, so nothing may wait in memory: one invocation is one PUT. Spans that could
not be uploaded lie in /tmp and go with the next flush.
"""

import os
import re
from contextlib import ExitStack

import _stand_ins  # noqa: F401
from _sagemaker_sdk import Run
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import (
    FlushError,
    SageMakerCallbackHandler,
    load_spans,
    trace_table,
)

# The log stream's name is the container's: a Run of its own for each needs no two of them to agree
# on anything.
container = re.sub(
    r"[^a-zA-Z0-9]+",
    "-",
    os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0a1b2c3d"),
).strip("-")
run = ExitStack().enter_context(
    Run(experiment_name="joke-function", run_name=container[-59:].strip("-"))
)
tracker = SageMakerCallbackHandler(
    run, spool_dir="/tmp/spool" if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else None
)
chain = ChatPromptTemplate.from_template("tell me a joke about {topic}") | ChatOpenAI(
    model="gpt-4o-mini", temperature=0.1
)


def handler(event, context):
    metadata = {
        "session_id": event.get("session", "none"),
        "aws_request_id": getattr(context, "aws_request_id", None),
    }
    try:
        answer = chain.invoke(
            {"topic": event["topic"]}, config={"callbacks": [tracker], "metadata": metadata}
        )
        return {"statusCode": 200, "body": answer.text}
    finally:
        try:
            tracker.flush_tracker()
        except FlushError as error:
            print(error)  # nothing is lost; the answer matters more


if __name__ == "__main__":
    for topic in ("fish", "cats"):
        print(handler({"topic": topic, "session": "s-1"}, None))
    print(trace_table(load_spans(run))[["name", "status", "session_id", "model"]])
    run.__exit__(None, None, None)
