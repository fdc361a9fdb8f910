"""Small applications of real LangChain parts, with models that answer without a network."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda


class EchoModel(GenericFakeChatModel):
    """A chat model that answers with the last message it was given."""

    messages: Any = iter(())

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        from langchain_core.outputs import ChatGeneration, ChatResult

        text = str(messages[-1].content)
        usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        answer = AIMessage(text, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=answer)])


def echo_chain(template: str = "{topic}") -> RunnableLambda:
    """A prompt, a model and a parser: answers with its own prompt."""
    return ChatPromptTemplate.from_messages([("human", template)]) | EchoModel() | StrOutputParser()
