"""A worker in a container on ECS, EKS or AWS Batch: SIGTERM ends it after the message it works on.

The service sends SIGTERM and, 30 seconds later (`stopTimeout`, `terminationGracePeriodSeconds`),
SIGKILL. So: stop taking messages, finish the one at hand, and leave the `with`, which flushes and
closes the Run. Without a handler of its own for SIGTERM, the process would save its spans too and
then die of the signal, but for the first process of a container, which no signal ends by default.
"""

import os
import re
import signal
import threading

import _stand_ins  # noqa: F401
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import BotoRun, SageMakerCallbackHandler, load_spans

stopping = threading.Event()
chain = ChatPromptTemplate.from_template("tell me a joke about {topic}") | ChatOpenAI(
    model="gpt-4o-mini"
)


def messages():
    """In place of a queue: as many messages as MESSAGES says, 0 for no end."""
    number, limit = 0, int(os.environ.get("MESSAGES", "2"))
    while not limit or number < limit:
        number += 1
        yield {"topic": f"fish {number}"}


def main():
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.set())
    # A Run of its own for each container: HOSTNAME is the pod's name, or the container's id.
    name = re.sub(r"[^a-zA-Z0-9]+", "-", os.environ.get("HOSTNAME", "container")).strip("-")
    run = BotoRun(experiment_name="joke-worker", run_name=name[-59:].strip("-"))
    with run, SageMakerCallbackHandler(run, flush_interval=10) as handler:
        for message in messages():
            chain.invoke(message, config={"callbacks": [handler]})
            print("answered", message["topic"], flush=True)
            if stopping.is_set():
                print("stopping", flush=True)
                break
    spans = load_spans(run)
    print(len(spans), "spans of", spans["trace_id"].nunique(), "messages are stored", flush=True)


if __name__ == "__main__":
    main()
