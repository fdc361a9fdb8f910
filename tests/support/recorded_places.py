"""Every place of a record that an application's texts reach, each filled by one function."""

from __future__ import annotations

import json
from collections.abc import Callable

from langchain_core.agents import AgentAction
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from langchain_core.runnables import RunnableLambda

from langchain_sagemaker_experiments import SageMakerCallbackHandler, Span

Texts = list[str]
Fill = Callable[[SageMakerCallbackHandler, Texts], None]
PLACES: dict[str, Fill] = {}
ANSWER = LLMResult(generations=[[Generation(text="x")]])


def place(fill: Fill) -> Fill:
    """Note a place under the name of its function."""
    PLACES[fill.__name__.replace("_", " ").strip()] = fill
    return fill


@place
def prompt(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_llm_start({}, texts)
    handler.on_llm_end(ANSWER)


@place
def long_prompt(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for _ in range(2):  # a text that records share
        handler.on_llm_start({}, ["\n".join(texts)])
        handler.on_llm_end(ANSWER)


@place
def messages(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    talk = [HumanMessage([{"type": "text", "text": text}]) for text in texts]
    handler.on_chat_model_start({}, [talk])
    handler.on_llm_end(ANSWER)


@place
def output(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_llm_start({}, ["p"])
    handler.on_llm_end(LLMResult(generations=[[Generation(text=text) for text in texts]]))


@place
def tool_argument(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    arguments = {f"a{number}": text for number, text in enumerate(texts)}
    handler.on_tool_start({"name": "t"}, str(arguments), inputs=arguments)
    handler.on_tool_end("x")


@place
def tool_argument_as_text(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_tool_start({"name": "t"}, str({"a": text}))
        handler.on_tool_end("x")


@place
def tool_output(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_tool_start({"name": "t"}, "x")
        handler.on_tool_end(ToolMessage(text, tool_call_id="1", artifact={"raw": text}))


@place
def tool_call(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    calls = [{"name": "t", "args": {"a": text}, "id": str(n)} for n, text in enumerate(texts)]
    handler.on_chain_start({"name": "c"}, {"messages": [AIMessage("", tool_calls=calls)]})
    handler.on_chain_end({"messages": [AIMessage("", additional_kwargs={"calls": texts})]})


@place
def json_in_a_text(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_chain_start({"name": "c"}, {"body": json.dumps({"notes": texts})})
    handler.on_chain_end(json.dumps(json.dumps(texts)))


@place
def metadata(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_chain_start({"name": "c"}, {}, metadata={"notes": texts})
    handler.on_chain_end({})


@place
def tag(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_chain_start({"name": "c"}, {}, tags=texts)
    handler.on_chain_end({})


@place
def name(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_chain_start({"name": text}, {}, name=text)
        handler.on_chain_end({})


@place
def key(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_chain_start({"name": "c"}, dict.fromkeys(texts, 1))
    handler.on_chain_end(dict.fromkeys(texts, 1))


@place
def session_id(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_chain_start({"name": "c"}, {}, metadata={"session_id": text})
        handler.on_chain_end({})


@place
def exception_(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_chain_start({"name": "c"}, {})
        handler.on_chain_error(ValueError(text))


@place
def exception_group(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    class Several(Exception):
        exceptions = tuple(ValueError(text) for text in texts[:10])

    for _ in texts[::10]:
        Several.exceptions = tuple(ValueError(text) for text in texts[:10])
        texts = texts[10:]
        handler.on_chain_start({"name": "c"}, {})
        handler.on_chain_error(Several("several"))


@place
def stack_trace(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    try:
        try:
            raise ValueError("\n".join(texts))
        except ValueError as cause:
            raise RuntimeError("short") from cause
    except RuntimeError as error:
        handler.on_chain_start({"name": "c"}, {})
        handler.on_chain_error(error)


@place
def event(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_chain_start({"name": "c"}, {})
    for number, text in enumerate(texts):
        handler.on_custom_event("note" if number % 2 else text, {"said": text})
    handler.on_text("\n".join(texts))
    handler.on_agent_action(AgentAction("t", {"a": texts[0]}, texts[1]))
    handler.on_chain_end({})


@place
def token_stream(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_llm_start({}, ["p"])
        for at in range(0, len(text), 7):
            piece = text[at : at + 7]
            handler.on_llm_new_token(piece, chunk=GenerationChunk(text=piece))
        handler.on_llm_end(ANSWER)


@place
def parameter(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    for text in texts:
        handler.on_llm_start(
            {"kwargs": {"model_kwargs": {"note": text}}},
            ["p"],
            invocation_params={"model": text, "stop": [text], "endpoint_name": text},
        )
        handler.on_llm_end(ANSWER)


@place
def response(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_llm_start({}, ["p"])
    info = [[Generation(text="x", generation_info={"fingerprint": text}) for text in texts]]
    handler.on_llm_end(LLMResult(generations=info, llm_output={"headers": texts}))


@place
def document(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    handler.on_retriever_start({"name": "r"}, texts[0])
    handler.on_retriever_end([Document(text, metadata={"source": text}) for text in texts])


@place
def span_by_hand(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    notes = dict(enumerate(texts))
    handler.log_trace(Span("s", inputs=texts, attributes={"n": notes}, error="\n".join(texts)))


@place
def architecture(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    from langchain_core.prompts import PromptTemplate

    for text in texts:
        template = PromptTemplate(template="x", input_variables=[], metadata={"note": text})
        step = RunnableLambda(lambda value: value).with_config(run_name=text, tags=[text])
        handler.log_architecture(template | step, name=text)


@place
def score(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    trace = handler.log_trace(Span("scored"))
    for text in texts:
        handler.log_score(trace, key="k", score=text, comment=text, correction={"x": text})


@place
def object_without_json(handler: SageMakerCallbackHandler, texts: Texts) -> None:
    class Held:
        def __init__(self, text: str) -> None:
            self.text = text

        def __repr__(self) -> str:
            return f"Held({self.text})"

    handler.on_chain_start({"name": "c"}, {"held": [Held(text) for text in texts]})
    handler.on_chain_end({"held": Held("\n".join(texts))})
