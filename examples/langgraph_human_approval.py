"""A LangGraph agent that waits for a human: the interrupted call and the resumed one are two traces
of one session.
"""

from typing import TypedDict

import _stand_ins  # noqa: F401
from _sagemaker_sdk import Run
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans, trace_table
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt


class State(TypedDict, total=False):
    request: str
    draft: str
    approved: bool
    sent: str


def write(state: State) -> State:
    return {"draft": ChatOpenAI(model="gpt-4o-mini", temperature=0.1).invoke(state["request"]).text}


def ask(state: State) -> State:
    return {"approved": interrupt({"question": "Send this?", "draft": state["draft"]})}


def send(state: State) -> State:
    return {"sent": state["draft"] if state["approved"] else "nothing"}


graph = StateGraph(State)
for node in (write, ask, send):
    graph.add_node(node.__name__, node)
graph.add_edge(START, "write")
graph.add_edge("write", "ask")
graph.add_edge("ask", "send")
graph.add_edge("send", END)
agent = graph.compile(checkpointer=InMemorySaver(), name="approval")

with Run(experiment_name="langgraph", run_name="human-approval") as run:
    handler = SageMakerCallbackHandler(run)
    config = {"callbacks": [handler], "configurable": {"thread_id": "customer-7"}}

    waiting = agent.invoke({"request": "tell me a joke about fish"}, config)
    print("waits for:", waiting["__interrupt__"][0].value)
    done = agent.invoke(Command(resume=True), config)
    print("sent:", done["sent"])

    handler.log_architecture(agent)
    handler.flush_tracker()
    spans = load_spans(run)

print(trace_table(spans)[["name", "status", "session_id", "spans", "errors"]])
print(spans[spans["kind"] == "chain"][["name", "status"]].to_string(index=False))
