"""Real clients over their real wire: OpenAI's against a server of its protocol, AWS's against moto
and a server of theirs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import langchain_aws.llms.sagemaker_endpoint as aws_endpoint
import langchain_community.llms.sagemaker_endpoint as community_endpoint
import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from moto.sagemakerruntime.models import sagemakerruntime_backends
from pydantic import BaseModel

from langchain_sagemaker_experiments.demo import Reply, ScriptedOpenAI, scripted_openai
from support.aws_runtime import aws_runtime


def script(text: str, request: dict[str, Any]) -> Reply | str:
    if "fail" in text:
        return Reply("scripted failure", status=400)
    if "flaky" in text:
        flaky.append(text)
        return Reply("overloaded", status=503) if len(flaky) < 2 else "at last"
    if request.get("tools") and "tool" in text:
        return Reply(tool_calls=({"id": "c1", "name": "add", "arguments": {"a": 1, "b": 2}},))
    if request.get("response_format"):
        return '{"number": 3}'
    return f"you said {text}"


flaky: list[str] = []


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedOpenAI]:
    flaky.clear()
    with scripted_openai(script) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-not-a-real-key-000000000000")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_BASE", server.base_url)
        yield server


SETTINGS = {"temperature": 0.3, "max_tokens": 50, "top_p": 0.9, "seed": 7}


def test_openai_completion(recording: Any, openai: ScriptedOpenAI) -> None:
    llm = OpenAI(model_name="gpt-3.5-turbo-instruct", callbacks=[recording.handler], **SETTINGS)
    assert llm.invoke("hello there") == "you said hello there"
    record = recording.one(kind="llm")
    assert record["inputs"] == {"prompts": ["hello there"]}
    assert openai.requests[0]["prompt"] == ["hello there"]
    attributes = record["attributes"]
    assert attributes["gen_ai.operation.name"] == "text_completion"
    assert attributes["gen_ai.provider.name"] == "openai"
    assert (
        attributes["gen_ai.request.model"]
        == attributes["gen_ai.response.model"]
        == "gpt-3.5-turbo-instruct"
    )
    assert attributes["gen_ai.request.temperature"] == 0.3
    assert attributes["gen_ai.request.max_tokens"] == 50
    assert attributes["gen_ai.request.top_p"] == 0.9
    assert attributes["gen_ai.request.seed"] == 7
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (
        2,
        4,
    )
    expected = {"model_name": "gpt-3.5-turbo-instruct", "provider": "openai", "n": 1, **SETTINGS}
    assert {name: recording.parameters[name] for name in expected} == expected


def test_openai_completion_stream(recording: Any, openai: ScriptedOpenAI) -> None:
    llm = OpenAI(model_name="gpt-3.5-turbo-instruct", callbacks=[recording.handler])
    assert "".join(llm.stream("one two three")) == "you said one two three"
    record = recording.one(kind="llm")
    assert record["outputs"]["generations"][0][0]["text"] == "you said one two three"
    assert record["attributes"]["langchain.stream.chunks"] >= 5


def test_chat_openai(recording: Any, openai: ScriptedOpenAI) -> None:
    chat = ChatOpenAI(model="gpt-4o-mini", callbacks=[recording.handler], **SETTINGS)
    chat.invoke([("system", "be brief"), ("human", "hi")])
    record = recording.one(kind="chat_model")
    assert record["inputs"]["messages"][0] == [
        {"type": "system", "content": "be brief"},
        {"type": "human", "content": "hi"},
    ]
    message = record["outputs"]["generations"][0][0]["message"]
    assert (message["type"], message["content"]) == ("ai", "you said hi")
    attributes = record["attributes"]
    assert attributes["gen_ai.operation.name"] == "chat"
    assert (
        attributes["gen_ai.request.model"] == attributes["gen_ai.response.model"] == "gpt-4o-mini"
    )
    usage = message["usage_metadata"]
    assert attributes["gen_ai.usage.input_tokens"] == usage["input_tokens"]
    assert attributes["gen_ai.usage.output_tokens"] == usage["output_tokens"] == 3
    assert (
        attributes["gen_ai.usage.cache_read.input_tokens"]
        == usage["input_token_details"]["cache_read"]
        > 0
    )
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 0
    assert attributes["gen_ai.response.id"] == "scripted-1"
    assert recording.parameters["model_name"] == "gpt-4o-mini"
    component = json.dumps(record["component"])
    assert "OPENAI_API_KEY" in component
    assert "not-a-real-key" not in component


@pytest.mark.parametrize("is_async", [False, True])
def test_chat_openai_stream_counts_usage_once(
    recording: Any, openai: ScriptedOpenAI, is_async: bool
) -> None:
    chat = ChatOpenAI(model="gpt-4o-mini", stream_usage=True, callbacks=[recording.handler])
    if is_async:

        async def run() -> str:
            return "".join([chunk.text async for chunk in chat.astream("a b c")])

        text = asyncio.run(run())
    else:
        text = "".join(chunk.text for chunk in chat.stream("a b c"))
    assert text == "you said a b c"
    record = recording.one(kind="chat_model")
    assert record["outputs"]["generations"][0][0]["text"] == text
    assert record["attributes"]["gen_ai.usage.output_tokens"] == 5
    assert record["attributes"]["gen_ai.response.finish_reasons"] == ["stop"]
    assert recording.metrics["output_tokens"] == 5
    assert record["attributes"]["gen_ai.response.time_to_first_chunk"] > 0


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


class Number(BaseModel):
    """A number."""

    number: int


def test_chat_openai_tool_calls_and_structured_output(
    recording: Any, openai: ScriptedOpenAI
) -> None:
    chat = ChatOpenAI(model="gpt-4o-mini", callbacks=[recording.handler])
    chat.bind_tools([add]).invoke("use the tool")
    record = recording.one(kind="chat_model")
    message = record["outputs"]["generations"][0][0]["message"]
    assert message["tool_calls"] == [
        {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1", "type": "tool_call"}
    ]
    assert record["attributes"]["gen_ai.tool.definitions"][0]["function"]["name"] == "add"
    assert record["attributes"]["gen_ai.response.finish_reasons"] == ["tool_calls"]
    structured = chat.with_structured_output(Number, method="json_schema")
    assert structured.invoke("a number", recording.config) == Number(number=3)
    parsed = recording.records()[-1]
    assert parsed["outputs"] == {"number": 3}


def test_openai_errors_are_recorded_and_raised(recording: Any, openai: ScriptedOpenAI) -> None:
    chat = ChatOpenAI(model="gpt-4o-mini", callbacks=[recording.handler])
    with pytest.raises(Exception, match="scripted failure"):
        chat.invoke("please fail")
    record = recording.one(kind="chat_model")
    assert record["status"] == "error"
    assert record["error"]["type"].endswith("RequestError")
    assert "scripted failure" in record["error"]["message"]
    assert "not-a-real-key" not in json.dumps(record)


def test_a_retry_inside_the_client_is_one_span(recording: Any, openai: ScriptedOpenAI) -> None:
    chat = ChatOpenAI(model="gpt-4o-mini", max_retries=2, callbacks=[recording.handler])
    assert chat.invoke("flaky").text == "at last"
    assert recording.tree() == [("chat_model", "ChatOpenAI", "ok", [])]
    assert len(openai.requests) == 2


def test_two_models_leave_one_set_of_parameters_each(
    recording: Any, openai: ScriptedOpenAI
) -> None:
    for name, temperature in (("gpt-4o", 0.1), ("gpt-4o-mini", 0.7)):
        ChatOpenAI(model=name, temperature=temperature, callbacks=[recording.handler]).invoke("hi")
    recording.records()
    assert (recording.parameters["model_name"], recording.parameters["temperature"]) == (
        "gpt-4o",
        0.1,
    )
    assert (
        recording.parameters["model_2.model_name"],
        recording.parameters["model_2.temperature"],
    ) == ("gpt-4o-mini", 0.7)


# --- SageMaker endpoints --------------------------------------------------------------------------
def content_handler(module: ModuleType) -> Any:
    class Handler(module.LLMContentHandler):  # type: ignore[name-defined,misc]
        content_type = "application/json"
        accepts = "application/json"

        def transform_input(self, prompt: str, model_kwargs: dict[str, Any]) -> bytes:
            return json.dumps({"inputs": prompt, "parameters": model_kwargs}).encode()

        def transform_output(self, output: Any) -> str:
            text = output if isinstance(output, (str, bytes)) else output.read().decode()
            return str(json.loads(text)[0]["generated_text"])

    return Handler()


def answer(text: str, account: str = "123456789012", region: str = "us-west-2") -> None:
    body = (json.dumps([{"generated_text": text}]), "application/json", "prod", "")
    sagemakerruntime_backends[account][region].results_queue.append(body)


@pytest.mark.parametrize(
    "module", [aws_endpoint, community_endpoint], ids=["langchain_aws", "langchain_community"]
)
def test_sagemaker_endpoint_by_region(recording: Any, local: Any, module: ModuleType) -> None:
    answer(" 3 days")
    component = {"inference_component_name": "component-1"} if module is aws_endpoint else {}
    llm = module.SagemakerEndpoint(
        endpoint_name="endpoint-name",
        **component,
        region_name="us-west-2",
        model_kwargs={"temperature": 1e-10, "max_new_tokens": 20},
        content_handler=content_handler(module),
        callbacks=[recording.handler],
    )
    assert llm.invoke("How long?") == " 3 days"
    record = recording.one(kind="llm")
    assert record["outputs"]["generations"][0][0]["text"] == " 3 days"
    attributes = record["attributes"]
    assert attributes["gen_ai.provider.name"] == "aws.sagemaker"
    assert attributes["sagemaker.endpoint_name"] == "endpoint-name"
    if module is aws_endpoint:
        assert attributes["sagemaker.inference_component_name"] == "component-1"
    assert attributes["sagemaker.region"] == "us-west-2"
    assert attributes["sagemaker.model_kwargs"] == {"temperature": 1e-10, "max_new_tokens": 20}
    assert attributes["gen_ai.request.temperature"] == 1e-10
    assert attributes["gen_ai.request.max_tokens"] == 20
    assert recording.parameters["endpoint_name"] == "endpoint-name"
    assert recording.parameters["temperature"] == 1e-10
    assert "testing" not in json.dumps(record)


@pytest.mark.parametrize(
    "module", [aws_endpoint, community_endpoint], ids=["langchain_aws", "langchain_community"]
)
def test_sagemaker_endpoint_with_a_client_of_another_account(
    recording: Any, local: Any, module: ModuleType
) -> None:
    role = "arn:aws:iam::111122223333:role/cross-account-role"
    credentials = boto3.client("sts").assume_role(
        RoleArn=role, RoleSessionName="CrossAccountSession"
    )["Credentials"]
    client = boto3.client(
        "sagemaker-runtime",
        region_name="us-west-2",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    answer("from there", account="111122223333")
    llm = module.SagemakerEndpoint(
        endpoint_name="theirs",
        client=client,
        content_handler=content_handler(module),
        callbacks=[recording.handler],
    )
    assert llm.invoke("hello") == "from there"
    record = recording.one(kind="llm")
    assert record["attributes"]["sagemaker.endpoint_name"] == "theirs"
    for secret in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
        assert credentials[secret] not in json.dumps(record)


def test_sagemaker_endpoint_stream(recording: Any, local: Any) -> None:
    with aws_runtime() as address:
        client = boto3.client("sagemaker-runtime", region_name="us-west-2", endpoint_url=address)
        llm = aws_endpoint.SagemakerEndpoint(
            endpoint_name="streaming",
            client=client,
            streaming=True,
            content_handler=content_handler(aws_endpoint),
        )
        assert "".join(llm.stream("hello", recording.config)) == "Yousaidhello"
    record = recording.one(kind="llm")
    assert record["outputs"]["generations"][0][0]["text"] == "Yousaidhello"
    assert record["attributes"]["langchain.stream.chunks"] == 3


def test_a_failing_endpoint_stream_is_one_error(recording: Any, local: Any) -> None:
    client = boto3.client(
        "sagemaker-runtime",
        region_name="us-west-2",
        endpoint_url="http://127.0.0.1:9",
        config=_no_retries(),
    )
    llm = aws_endpoint.SagemakerEndpoint(
        endpoint_name="gone",
        client=client,
        streaming=True,
        content_handler=content_handler(aws_endpoint),
    )
    with pytest.raises(Exception, match="Could not connect"):
        list(llm.stream("hello", recording.config))
    # The client tells of its error itself, and LangChain tells of it once more.
    assert recording.tree() == [("llm", "SagemakerEndpoint", "error", [])]
    assert recording.one(kind="llm")["inputs"] == {"prompts": ["hello"]}
    assert recording.metrics["errors"] == 1


def _no_retries() -> Any:
    from botocore.config import Config

    return Config(retries={"total_max_attempts": 1}, connect_timeout=2)


# --- Bedrock --------------------------------------------------------------------------------------
@pytest.mark.parametrize("stream", [False, True])
def test_chat_bedrock_converse(recording: Any, local: Any, stream: bool) -> None:
    with aws_runtime() as address:
        chat = ChatBedrockConverse(
            model="anthropic.claude-3-haiku-20240307-v1:0",
            region_name="us-west-2",
            temperature=0.2,
            max_tokens=30,
            endpoint_url=address,
            callbacks=[recording.handler],
        )
        text = (
            "".join(chunk.text for chunk in chat.stream("hi")) if stream else chat.invoke("hi").text
        )
    assert text == "Hello from Bedrock"
    attributes = recording.one(kind="chat_model")["attributes"]
    assert attributes["gen_ai.provider.name"] == "aws.bedrock"
    assert attributes["gen_ai.request.model"] == "anthropic.claude-3-haiku-20240307-v1:0"
    assert attributes["gen_ai.request.temperature"] == 0.2
    assert attributes["gen_ai.request.max_tokens"] == 30
    assert attributes["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) in (
        (7, 3),
        (9, 3),
    )
