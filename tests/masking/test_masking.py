"""Secrets are masked wherever they stand; what only looks like one stays readable; the line stays
JSON. All secrets are fake.
"""

from __future__ import annotations

import gc
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments._masking.masked_logger import masked_logger
from langchain_sagemaker_experiments._masking.masking import Masker, mask_value
from langchain_sagemaker_experiments._masking.secret_shapes import SHAPES
from langchain_sagemaker_experiments._masking.text_masking import is_suspicious
from support.secrets import PLACES, SECRETS

ANSWER = LLMResult(generations=[[Generation(text="x")]])


def mask_secrets(data: bytes) -> bytes:
    """JSON as the record writer masks it."""
    return Masker().json(data)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_known_secrets_are_masked_wherever_they_stand(secret: str, place: str) -> None:
    value = {
        "text": place.format(secret),
        "deep": [{"x": json.dumps({"inner": place.format(secret)})}],
    }
    masked = mask_secrets(orjson.dumps(value))
    core = secret.split("\n")[1] if "\n" in secret else secret
    assert core not in masked.decode()
    assert "[REDACTED]" in masked.decode()
    json.loads(masked)


NAMES = [
    "password", "passwd", "PASSWORD", "db_password", "userPassword", "passphrase",
    "secret", "client_secret", "clientSecret",
    "api_key", "apiKey", "api-key", "x-api-key", "openai_api_key", "access_key",
    "aws_secret_access_key", "secretAccessKey",
    "aws_session_token", "SessionToken", "access_token", "refresh_token", "id_token", "auth_token",
    "bearer_token",
    "authorization", "Authorization", "cookie", "Set-Cookie", "private_key", "credential",
    "credentials", "signing_key",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_values_under_telling_names_are_masked(name: str) -> None:
    hidden = 'a "quoted" \\ hidden-value'
    for value in (
        {name: hidden},
        {"headers": {name: hidden, "other": "stays"}},
        json.dumps({name: "hidden-value"}),
        json.dumps({"again": json.dumps({name: "hidden-value"})}),
        str({name: "hidden-value", "n": 1}),
        f"{name}=hidden-value1 next",
        f"Client({name}='hidden-value')",
        f"{name}: hidden-value1",
    ):
        masked = mask_secrets(orjson.dumps(value)).decode()
        assert "hidden-value" not in masked, value
        json.loads(masked)
    assert json.loads(mask_secrets(orjson.dumps({name: 123456}))) == {name: "[REDACTED]"}


def test_passwords_in_addresses_are_masked() -> None:
    for address in (
        "postgres://user:hidden-pw@host:5432/db",
        "https://u:hidden-pw@host/",
        "redis://:hidden-pw@host",
        "postgres://user:hidden-pw@/db?host=/run/postgresql",
        "https://u:hidden-pw@<host>/path",
        'address.replace("http://", "http://u:hidden-pw@")',
    ):
        masked = mask_secrets(orjson.dumps({"url": address})).decode()
        assert "hidden-pw" not in masked
        assert address.split("hidden-pw")[1] in json.loads(masked)["url"]
    signed = "https://bucket.s3.amazonaws.com/k?X-Amz-Credential=hidden-1234&X-Amz-Signature=hidden-5678&x=1"
    masked = mask_secrets(orjson.dumps(signed)).decode()
    assert "hidden-1234" not in masked
    assert "hidden-5678" not in masked
    assert "x=1" in masked


LOOKALIKES: list[Any] = [
    {"max_tokens": 100, "token_usage": {"prompt_tokens": 5}, "next_token": "abc"},
    {"gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3},
    {"openai_api_key": {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}},
    {
        "secretary": "Ada",
        "passage": "a long passage",
        "keyboard": "qwerty",
        "author": "Ada",
        "tokenizer": "bpe",
        "token": "cat",
    },
    {
        "password_hint": "my dog",
        "passwords_are": "hard",
        "authorized": True,
        "monkey": "banana",
        "password": "",
    },
    "the password: please enter it, then press the key",
    "secret agents and their keys; the basic idea; a bearer of good news; Basic training",
    "task-management-of-long-words-and-more is sk-inny, "
    "ask-me-anything-about-risk-assessment-frameworks",
    "sk-learn and scikit-learn; AKIA is short; ghp_short; xoxb; hf_hub; AIzaTooShort",
    "commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad, sha256 "
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "visit https://example.com:8080/path@version and mail me@example.com at 10:30@noon",
    "eyJust a word",
    "01a1fd10-c4b1-70c8-ae87-df7ddaefe4c4",
    "-----BEGIN CERTIFICATE-----\nMIIpublic\n-----END CERTIFICATE-----",
    "What is an API key? An api_key is a string. Set api_key to yours.",
]


@pytest.mark.parametrize(
    "value", LOOKALIKES, ids=[str(number) for number in range(len(LOOKALIKES))]
)
def test_lookalikes_stay_readable(value: Any) -> None:
    data = orjson.dumps(value)
    assert mask_secrets(data) == data


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(list(SECRETS.values())),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text() | st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(json_values)
@settings(max_examples=400)
def test_masking_keeps_json_valid_and_is_stable(value: Any) -> None:
    masked = mask_secrets(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    json.loads(masked)
    assert mask_secrets(masked) == masked


@given(json_values)
@settings(max_examples=400)
def test_what_is_not_suspicious_holds_no_secret(value: Any) -> None:
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    if not is_suspicious(data):
        plain = json.loads(data)
        assert mask_value(plain) == plain


@pytest.mark.parametrize("wrap", ["{}", "\n{}\n", "\t{}", '"{}"', "\u2028{}", "x={}", "é {} é"])
def test_each_shape_is_suspicious_as_json(wrap: str) -> None:
    for shape in SHAPES:
        text = wrap.format(shape.sample())
        if mask_value(text) != text:
            assert is_suspicious(orjson.dumps({"text": text})), (shape.name, wrap)


def test_a_word_of_a_prompt_can_not_remove_the_record(recording: Any) -> None:
    for text in (
        'return text.startswith("-----BEGIN PRIVATE KEY-----")',
        'ends in {"api_key":',
        '"password": "',
        "\\" * 7 + '"token":"',
    ):
        recording.handler.on_llm_start({}, [text])
        recording.handler.on_llm_end(ANSWER)
    recording.handler.flush_tracker()
    prompts = [line["inputs"]["prompts"][0] for line in recording.raw_lines()]
    assert len(prompts) == 4
    assert prompts[0] == 'return text.startswith("-----BEGIN PRIVATE KEY-----")'
    assert prompts[1] == 'ends in {"api_key":'


def test_keys_are_masked_and_two_stay_two() -> None:
    first, second = SECRETS["openai"], SECRETS["github"]
    masked = mask_value({first: 1, second: 2, "plain": 3})
    assert masked == {"[REDACTED]": 1, "[REDACTED-2]": 2, "plain": 3}


def test_redaction_sees_nothing_of_references(make_recording: Any) -> None:
    long = "some words 123 " * 500
    recording = make_recording(redact=lambda text: text.upper())
    for _ in range(3):
        recording.handler.on_chain_start({"name": "c"}, {"text": long, "count": 1})
        recording.handler.on_chain_end({"text": long})
    for record in recording.records():
        assert record["inputs"] == {"TEXT": long.upper(), "COUNT": 1}
        assert record["outputs"] == {"TEXT": long.upper()}
    assert b"$shared" in b"".join(recording.parts)


def test_a_cut_secret_is_masked_first(make_recording: Any) -> None:
    secret = SECRETS["github"]
    recording = make_recording(max_field_bytes=1_024)
    for length in range(600, 1_100, 7):
        recording.handler.on_llm_start({}, ["x" * length + " " + secret + " " + "y" * 5_000])
        recording.handler.on_llm_end(ANSWER)
    recording.handler.flush_tracker()
    written = b"".join(recording.parts).decode()
    assert secret[:12] not in written
    assert written.count("[REDACTED]") > 10


def test_a_secret_in_pieces_of_a_stream_is_masked(make_recording: Any) -> None:
    secret = SECRETS["anthropic"]
    recording = make_recording(record_tokens=True)
    handler = recording.handler
    handler.on_llm_start({}, ["p"])
    for piece in ("the key: ", secret[:5], secret[5:9], secret[9:], " and more"):
        handler.on_llm_new_token(piece)
    handler.flush_tracker()  # while it runs: nothing of the stream is written yet
    assert all(event["name"] != "token" for event in recording.raw_lines()[0]["events"])
    handler.on_llm_end(ANSWER)
    record = recording.records()[0]
    tokens = [e["attributes"]["token"] for e in record["events"] if e["name"] == "token"]
    assert tokens == ["the key: ", "[REDACTED]", "", "", " and more"]


def run_with_secrets(recording: Any) -> str:
    """A call whose prompt, output, tool input, headers, exception and metadata all hold secrets;
    everything that was written.
    """
    from langchain_core.messages import HumanMessage
    from langchain_core.runnables import RunnableLambda

    key = SECRETS["openai"]

    def broken(value: Any) -> Any:
        raise ValueError(f"401 for {key}")

    config = {
        **recording.config,
        "metadata": {"headers": {"Authorization": f"Bearer {key}"}, "note": key},
        "tags": [key],
    }
    RunnableLambda(lambda value: f"your key {key}").with_config(run_name=f"run {key}").invoke(
        {"password": "hidden-value"}, config
    )
    recording.handler.on_chat_model_start(
        {"kwargs": {"api_key": "hidden-value"}}, [[HumanMessage(f"my key is {key}")]]
    )
    recording.handler.on_llm_error(ValueError(f"bad key {key}"))
    recording.handler.on_tool_start({"name": "t"}, str({"password": "hidden-value", "key": key}))
    recording.handler.on_tool_end(f"used {key}")
    with pytest.raises(ValueError, match="401"):
        RunnableLambda(broken).invoke(1, config)
    recording.handler.on_llm_start(
        {}, ["p"], invocation_params={"model": "m", "extra_headers": {"x-api-key": "hidden-value"}}
    )
    recording.handler.on_text(f"event {key}")
    recording.handler.flush_tracker()
    return b"".join(recording.parts).decode() + str(recording.parameters)


def test_no_secret_is_written_whatever_it_came_in(recording: Any) -> None:
    written = run_with_secrets(recording)
    assert SECRETS["openai"] not in written
    assert "hidden-value" not in written
    assert written.count("[REDACTED]") > 10


def test_masking_can_be_turned_off(make_recording: Any) -> None:
    assert SECRETS["openai"] in run_with_secrets(make_recording(redact=None))


def test_a_function_of_the_users_sees_every_string_first(make_recording: Any) -> None:
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return text.replace("Ada", "<name>")

    recording = make_recording(redact=redact)
    written = run_with_secrets(recording)
    assert SECRETS["openai"] not in written  # known secrets are masked all the same
    recording.handler.on_chain_start(
        {"name": "Ada's chain"}, {"who": "Ada", "deep": [{"x": "Ada Lovelace"}]}
    )
    recording.handler.on_chain_end("hello Ada")
    record = recording.one(name="<name>'s chain")
    assert record["inputs"] == {"who": "<name>", "deep": [{"x": "<name> Lovelace"}]}
    assert record["outputs"] == "hello <name>"
    assert "Ada Lovelace" in seen


def test_a_function_that_raises_withholds_the_field(make_recording: Any) -> None:
    def redact(text: str) -> str:
        if "dangerous" in text:
            raise RuntimeError("can't decide")
        return text

    recording = make_recording(redact=redact)
    recording.handler.on_chain_start({"name": "c"}, {"a": "dangerous"})
    recording.handler.on_chain_end("harmless")
    result = recording.handler.flush_tracker()
    (line,) = recording.raw_lines()
    assert line["inputs"] == "<withheld: the redact function raised RuntimeError>"
    assert line["outputs"] == "harmless"
    assert result.faults == {"redact function raised": 1}


def test_a_function_of_the_users_sees_what_the_log_quotes(
    make_recording: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our own words stay, whatever the function makes of texts."""
    recording = make_recording(redact=lambda text: text.replace("Ada", "<name>").upper())
    logger = masked_logger("langchain_sagemaker_experiments.tests")
    logger.warning("%d parts were not sent: %s", 3, OSError("Ada has no right to write"))
    assert caplog.messages == ["3 parts were not sent: <NAME> HAS NO RIGHT TO WRITE"]
    del recording
    gc.collect()
    logger.warning("Not sent: %s", OSError("Ada has no right"))
    assert caplog.messages[-1] == "Not sent: Ada has no right"


def test_what_is_cut_is_masked_first_in_stack_traces_and_in_reprs(recording: Any) -> None:
    """However a cut falls, no part of a secret is left before it."""
    secret = SECRETS["github"]

    class Held:
        def __init__(self, before: int) -> None:
            self.before = before

        def __repr__(self) -> str:
            return "x " * (self.before // 2) + secret + " y" * 3_000

    for before in range(1_960, 2_010):
        recording.handler.on_chain_start({"name": "c"}, {"held": Held(before)})
        recording.handler.on_chain_error(
            ValueError("y " * 100 + secret + " x" * (8_970 + before // 2))
        )
    recording.handler.flush_tracker()
    written = b"".join(recording.parts).decode()
    assert secret[4:14] not in written
    assert secret[-10:] not in written


def test_the_short_last_line_of_a_key_block_is_masked() -> None:
    block = "-----BEGIN PRIVATE " + "KEY-----\n" + "Ab1+" * 16 + "\n" + "Cd2/" * 16 + "\nQ9xZ0w=="
    assert mask_value(f"{block}\nand then") == "[REDACTED]\nand then"


def test_a_users_attribute_named_like_ours_hides_nothing_from_redaction(
    make_recording: Any,
) -> None:
    recording = make_recording(redact=lambda text: text.replace("jane", "***"))
    with recording.handler.span("work") as span:
        span.set_attribute("langchain.architecture", True)
        span.set_attribute("customer", "jane")
    (record,) = recording.records()
    assert record["attributes"]["customer"] == "***"
