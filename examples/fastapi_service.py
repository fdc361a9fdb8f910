"""A FastAPI service: one handler for all requests, flushed in the background, the Run open as long
as the worker lives.

`uvicorn fastapi_service:app` serves it; run as a script, it serves three requests at a time to
itself.
"""

import asyncio
import uuid
from contextlib import asynccontextmanager

import _stand_ins  # noqa: F401
import httpx
from _sagemaker_sdk import Run
from fastapi import FastAPI
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans, trace_table

chain = ChatPromptTemplate.from_template("tell me a joke about {topic}") | ChatOpenAI(
    model="gpt-4o-mini", temperature=0.1
)
# Its run comes with the worker. A thread flushes every half minute; no request waits for it.
handler = SageMakerCallbackHandler(flush_interval=30)


@asynccontextmanager
async def lifespan(app: FastAPI):
    # A Run a worker, not a request: SageMaker counts its own calls, S3's are cheap.
    with Run(experiment_name="joke-service", run_name=f"worker-{uuid.uuid4().hex[:8]}") as run:
        handler.run = app.state.run = run
        yield
        await asyncio.to_thread(handler.close)


app = FastAPI(lifespan=lifespan)


@app.get("/jokes/{topic}")
async def joke(topic: str, session: str = "none") -> dict[str, str]:
    config = {"callbacks": [handler], "metadata": {"session_id": session}}
    answer = await chain.ainvoke({"topic": topic}, config=config)
    return {"joke": answer.text}


async def main() -> None:
    async with (
        lifespan(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        asked = (
            client.get(f"/jokes/{topic}", params={"session": "s-1"})
            for topic in ("fish", "cats", "dogs")
        )
        for answer in await asyncio.gather(*asked):
            print(answer.status_code, answer.json()["joke"])
        print(await handler.aflush_tracker())
        spans = load_spans(app.state.run)
    print(trace_table(spans)[["name", "status", "session_id", "model", "output_tokens"]])


if __name__ == "__main__":
    asyncio.run(main())
