"""Feedback: a FastAPI service hands out the trace id of each answer in a response header, and takes
thumbs up and down by it.

`uvicorn fastapi_feedback:app` serves it; run as a script, it asks and rates itself.
"""

import asyncio
import tempfile
from contextlib import asynccontextmanager

import _stand_ins  # noqa: F401
import httpx
from fastapi import FastAPI, HTTPException, Response
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    current_trace_id,
    examples_from_spans,
    load_scores,
    load_spans,
    log_score,
    trace_table,
)
from pydantic import BaseModel

chain = ChatPromptTemplate.from_template("tell me a joke about {topic}") | ChatOpenAI(
    model="gpt-4o-mini", temperature=0.1
)
# A Run of SageMaker does as well; see fastapi_service.py.
run = OfflineRun(tempfile.mkdtemp(), experiment_name="joke-service", run_name="feedback")
handler = SageMakerCallbackHandler(run, flush_interval=30)


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield
    await asyncio.to_thread(handler.close)


app = FastAPI(lifespan=lifespan)


@app.get("/jokes/{topic}")
async def joke(topic: str, response: Response) -> dict[str, str]:
    answer = await chain.ainvoke({"topic": topic}, config={"callbacks": [handler]})
    response.headers["X-Trace-Id"] = str(current_trace_id())
    return {"joke": answer.text}


class Thumb(BaseModel):
    up: bool
    comment: str | None = None
    better: str | None = None
    user: str | None = None


@app.post("/feedback/{trace_id}")
async def feedback(trace_id: str, thumb: Thumb) -> dict[str, str]:
    # Also days later, and from another process: the Run need not be open.
    try:
        score_id = await asyncio.to_thread(
            log_score,
            run,
            trace_id=trace_id,
            key="thumb",
            score=thumb.up,
            comment=thumb.comment,
            correction=thumb.better,
            author=thumb.user,
        )
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return {"score_id": score_id}


async def main() -> None:
    async with (
        lifespan(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        answers = await asyncio.gather(
            *(client.get(f"/jokes/{topic}") for topic in ("fish", "cats", "dogs"))
        )
        traces = [answer.headers["X-Trace-Id"] for answer in answers]
        thumbs = [
            {"up": True, "user": "ada"},
            {"up": False, "user": "ada", "comment": "not funny", "better": "A cat walks in."},
            {"up": True, "user": "bob"},
        ]
        for trace_id, thumb in zip(traces, thumbs, strict=True):
            print((await client.post(f"/feedback/{trace_id}", json=thumb)).status_code)
    spans = load_spans(run)
    print(load_scores(run)[["key", "score", "author", "comment"]])
    print(trace_table(spans)[["name", "thumb"]])
    for example in examples_from_spans(spans, corrected_only=True):
        print("to get right:", example["inputs"], "→", example["reference_outputs"])


if __name__ == "__main__":
    asyncio.run(main())
