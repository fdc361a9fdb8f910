"""A reader of a live window without a browser: what an attacker, or a test, sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx


class Reader:
    """A client of one window, with a session of its own."""

    def __init__(self, window: Any) -> None:
        self.base = f"http://127.0.0.1:{window.port}"
        self.client = httpx.Client(base_url=self.base, follow_redirects=True, timeout=30)
        answer = self.client.get(window.url)
        assert answer.status_code == 200, answer.text

    def ask(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of an answer that must be good."""
        answer = self.client.get(f"/api/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, done: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the first state that fits."""
        for _ in range(400):
            state: dict[str, Any] = self.ask("state")
            if done(state):
                return state
            time.sleep(0.05)
        raise AssertionError(f"never so: {state}")

    def close(self) -> None:
        """End the session."""
        self.client.close()


def record(folder: Any, question: str, *, session: str = "s-1", run: str = "run-1") -> str:
    """Record a trace of a real chain into a folder; return its id."""
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler

    chain = (
        ChatPromptTemplate.from_messages([("human", "{question}")])
        | FakeListChatModel(responses=[f"About {question}: **yes**, it is."])
        | StrOutputParser()
    )
    with OfflineRun(folder, experiment_name="window", run_name=run) as offline:
        with SageMakerCallbackHandler(offline) as handler:
            config: Any = {
                "callbacks": [handler],
                "run_name": "answerer",
                "metadata": {"session_id": session, "user_id": "ada"},
            }
            chain.invoke({"question": question}, config=config)
            result = handler.flush_tracker()
    assert result.uris
    import orjson

    lines = Path(result.uris[0]).read_bytes().splitlines()
    return str(orjson.loads(lines[0])["trace_id"])
