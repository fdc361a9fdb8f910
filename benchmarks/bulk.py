"""What bulk work costs: flushing, reading and storing many spans, each against the least that could
be done with the same bytes.

    python benchmarks/bulk.py [--spans 100000] [--json] [--publish]

Spans are those of `prompt | model | parser` with a context of 1.5 KB, recorded from LangChain. S3
is moto's server in a process of its own, on loopback, so that it takes no time from ours.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import boto3
import orjson
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from made_spans import WORDS
from publish import publish

from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import load_sdk

ROUNDS = 3


class Model(BaseChatModel):
    """Answers at once, each time something else, with usage as providers report it."""

    temperature: float = 0.1
    answers: Any = None

    @property
    def _llm_type(self) -> str:
        return "at-once"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "temperature": self.temperature}

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        usage = {"input_tokens": 400, "output_tokens": 90, "total_tokens": 490}
        about = {"finish_reason": "stop", "model_name": "gpt-4o-mini-2024-07-18"}
        return ChatResult(
            generations=[
                ChatGeneration(
                    message=AIMessage(
                        next(self.answers), usage_metadata=usage, response_metadata=about
                    )
                )
            ]
        )


def texts(words: int) -> Iterator[str]:
    """Texts of so many words, all different."""
    chance = random.Random(1)
    while True:
        yield " ".join(chance.choices(WORDS, k=words))


def record(handler: Any, spans: int) -> tuple[int, int]:
    """Record so many spans; return the bytes of plain JSON of their own inputs and outputs, and of
    prompts and answers alone.
    """
    answers, kept = texts(70), []
    model = Model(answers=(kept.append(text) or text for text in answers))
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from the context."), ("human", "{context}\n\n{question}")]
    )
    chain = prompt | model | StrOutputParser()
    own = alone = 0
    for context in texts(250):
        given = {"context": context, "question": "What does it say?"}
        chain.invoke(given, {"callbacks": [handler]})
        answer = kept.pop()
        messages = [
            {"type": "system", "content": "Answer from the context."},
            {"type": "human", "content": f"{context}\n\nWhat does it say?"},
        ]
        said = {"type": "ai", "content": answer}
        once = len(orjson.dumps({"messages": messages})) + len(orjson.dumps(said))
        alone += once
        own += len(orjson.dumps(given)) + len(orjson.dumps(answer))  # the sequence
        own += len(orjson.dumps(given)) + len(orjson.dumps({"messages": messages}))  # the prompt
        own += once  # the model
        own += len(orjson.dumps(said)) + len(orjson.dumps(answer))  # the parser
        spans -= 4
        if spans <= 0:
            return own, alone
    return own, alone


@contextlib.contextmanager
def server() -> Iterator[None]:
    """The local SageMaker in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "langchain_sagemaker_experiments.local"],
        stdout=subprocess.PIPE,
        text=True,
    )
    before = dict(os.environ)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            name, _, value = line.removeprefix("export ").strip().partition("=")
            os.environ[name] = value
            if name == "AWS_ENDPOINT_URL":
                break
        # The variables come in one burst; the rest of them is there by now.
        while "SAGEMAKER_USER_CONFIG_OVERRIDE" not in os.environ:
            name, _, value = (
                process.stdout.readline().removeprefix("export ").strip().partition("=")
            )
            os.environ[name] = value
        yield
    finally:
        process.terminate()
        os.environ.clear()
        os.environ.update(before)


def best(work: Any) -> float:
    """Seconds of the best of several rounds."""
    found = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        found = min(found, time.perf_counter() - began)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--spans",
        type=int,
        default=100_000,
        help="spans of each measurement (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--publish", action="store_true", help="write the table into the pages that quote it"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sdk = load_sdk("The benchmark")
    results: dict[str, float] = {}
    with server():
        session = sdk.Session()
        client = boto3.client("s3")
        bucket = session.default_bucket()
        flushes, uploads = [], []
        for number in range(ROUNDS):
            with sdk.Run(
                experiment_name="bulk", run_name=f"run-{number}", sagemaker_session=session
            ) as run:
                handler = SageMakerCallbackHandler(run, buffer_bytes=1 << 40)
                own, alone = record(handler, options.spans)
                began = time.perf_counter()
                written = handler.flush_tracker()
                flushes.append(time.perf_counter() - began)
            assert written.spans == options.spans, written
            data = b"".join(
                client.get_object(Bucket=bucket, Key=uri.split("/", 3)[3])["Body"].read()
                for uri in written.uris
            )
            began = time.perf_counter()
            client.upload_fileobj(io.BytesIO(data), bucket, "floor")
            uploads.append(time.perf_counter() - began)
        results["flush / one upload of the same bytes"] = min(flushes) / min(uploads)
        results["bytes a span / plain JSON of its own inputs and outputs"] = len(data) / own
        results["bytes a trace / plain JSON of its prompt and answer once"] = len(data) / alone
        lines = data.splitlines()
        floor = best(lambda: [orjson.loads(line) for line in lines])
        with sdk.load_run(
            experiment_name="bulk", run_name="run-0", sagemaker_session=session
        ) as run:
            reading = best(lambda: load_spans(run))
        results["load_spans / orjson.loads of the same lines"] = reading / floor
    if options.json:
        print(json.dumps(results))
        return
    table = [
        f"| {options.spans:,} spans, {len(data) / 1e6:,.0f} MB in {len(written.uris)} parts | |",
        "|---|---|",
    ]
    table += [f"| {name} | {ratio:.2f}× |" for name, ratio in results.items()]
    print("\n".join(table))
    print(
        f"\nflush {min(flushes):.2f} s, upload {min(uploads):.2f} s, load_spans {reading:.2f} s, "
        f"orjson.loads {floor:.2f} s"
    )
    if options.publish:
        publish("bulk", "\n".join(table))


if __name__ == "__main__":
    main()
