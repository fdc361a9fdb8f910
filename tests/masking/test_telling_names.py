"""Values under telling names are found in each form of text; code and placeholders are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_sagemaker_experiments._masking.masking import mask_value
from langchain_sagemaker_experiments._masking.telling_names import (
    TELLING_NAMES,
    is_telling_name,
    is_weak_name,
    named_values,
)

VALUE = "Zq8kT2mN" + "5vR1xW7c"


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in named_values(text)]


@pytest.mark.parametrize("name", [name for rule in TELLING_NAMES for name in rule.samples])
def test_a_telling_name_is_one_in_every_case(name):
    assert is_telling_name(name)
    assert is_telling_name("x" * 100_000 + "_" + name)


@pytest.mark.parametrize(
    "name",
    [
        *("max_tokens", "token_usage", "total_tokens", "prompt_tokens", "token_count", "tokenizer"),
        *(
            "secretary",
            "passage",
            "keyboard",
            "primary_key",
            "foreign_key",
            "cache_key",
            "sort_key",
        ),
        *("key", "token", "eos_token", "next_token", "NextToken", "is_secret", "withCredentials"),
        *("public_key", "credentials_profile_name", "on_llm_new_token", "partition_key", "compass"),
        *("tokens", "output_token_details", "monkey", "cookiecutter", "string", "path", ""),
    ],
)
def test_an_ordinary_name_is_not_telling(name):
    assert not is_telling_name(name)


def test_a_weak_name_tells_only_a_value_that_looks_random():
    assert is_weak_name("token")
    assert not is_weak_name("key")
    assert found(f'"token": "{VALUE}"') == [VALUE]
    assert found('"token": "Hello"') == []


@pytest.mark.parametrize(
    "form",
    [
        "db_password={}",
        "password: {}",
        "  secret: {}\n",
        "X-Api-Key: {}",
        '"api_key": "{}"',
        "'clientSecret': '{}'",
        r"\"api_key\": \"{}\"",
        r"\\\"api_key\\\": \\\"{}\\\"",
        "?api_key={}&b=1",
        "API_KEY={}",
        'export API_KEY="{}"',
        "--api-key {}",
        "--password={}",
        "-H 'X-Auth-Token: {}'",
        "<password>{}</password>",
        "password%3D{}",
        "%22api_key%22%3A%22{}%22",
        'os.environ["OPENAI_API_KEY"] = "{}"',
        "hf_token={}, model=x",
        '{{"api_key":"{}',
        "Config(api_key='{}')",
        'secretKey => "{}"',
        "('x-api-key', '{}')",
    ],
)
def test_the_value_of_a_telling_name_is_found_whole(form):
    assert found(form.format(VALUE)) == [VALUE]


@pytest.mark.parametrize(
    "form",
    [
        "Authorization: Bearer {}",
        "[b'authorization', b'Bearer {}']",
        "Authorization: Bot {}",
        "Authorization: GenieKey {}",
        "Cookie: session={}",
        '"cookie": "a=b; s={}"',
    ],
)
def test_a_header_is_found_with_its_scheme(form):
    assert any(VALUE in value for value in found(form.format(VALUE)))


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=100",
        'api_key=os.environ["X"]',
        "password: str",
        "password: Optional[str] = None",
        "token = tokenizer.encode(x)",
        "secret = get_secret()",
        'api_key="<your-api-key>"',
        'api_key="my-api-key"',
        'openai_api_key: "OPENAI_API_KEY"',
        'api_key="sk-..."',
        "headers={'Authorization': f'Bot {self.token}'}",
        "headers={'Authorization': f'GenieKey {key}'}",
        '"jwt": "urn:ietf:params:oauth:token-type:jwt"',
        "access_token: 'urn:ietf:params:oauth:token-type:access_token'",
        "api_key=xxxx1234",
        'password="****"',
        "password=None",
        "TOKEN=${TOKEN}",
        "api_key=self.api_key",
        "api_key={api_key1}",
        'share_token = f"share-{portfolio_id}-{kind1}-{value}"',
        'key = f"{a}:{b}:{row[0]}"',
        'headers = {"Authorization": f"Bearer {token2}"}',
        "password is wrong 12 times",
        "password: must be 8 characters",
        "Secret Manager 12345",
        'api_key = config.get("x1")',
        "password=password",
        "cache_key: 123456789abcdef0",
        'secret: "[REDACTED]"',
    ],
)
def test_code_prose_and_gaps_are_no_values(text):
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    ['secret = f"hunter22hunter22{suffix}"', 'password = "pa{ss}w0rd{x}"', 'secret = f"hunter22"'],
)
def test_an_f_string_that_holds_more_than_gaps_is_a_value(text):
    assert len(found(text)) == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        'key="',
        "password: ",
        "\\",
        "key\\",
        "api_key ",
        "token%3D",
        "password>a",
        "key','",
        "key = ",
        'api_key="a',
    ],
)
def test_a_long_text_is_read_in_one_pass(piece):
    text = (piece * 200_000)[:200_000]
    assert all(start < end for start, end in named_values(text))


# --- values that a name beside them or above them makes secrets -----------------------------------
HIDDEN = "f00d" + "cafe12345678" + "90abcdef12345678"


@pytest.mark.parametrize(
    "value",
    [
        {"algolia": HIDDEN},
        {"algolia": {"settings": [HIDDEN]}},
        {"datadog_api": {"value": HIDDEN}},
        [{"name": "DB_PASSWORD", "value": "hunter-two"}],
        {"env": [{"Name": "API_KEY", "Value": HIDDEN}]},
        {"headers": [["x-api-key", HIDDEN], ["accept", "json"]]},
        "db:\n  password: |\n    hunter-two\n    and more\nport: 1",
        json.dumps("db:\n  password: >-\n    hunter-two\n"),
    ],
    ids=str,
)
def test_a_name_beside_or_above_a_value_tells(value: Any) -> None:
    masked = json.dumps(mask_value(value))
    assert HIDDEN not in masked
    assert "hunter" not in masked
    assert "[REDACTED]" in masked


@pytest.mark.parametrize(
    "value",
    [
        {"name": "temperature", "value": "0.7"},
        ["password", "username"],
        {"name": "Ada", "key": "value-1"},
        {"algolia": "a search engine of 32 characters"},
        {"aws": {"key": "folder/file-1.txt"}},
        "description: |\n  a password is asked for\n",
    ],
    ids=str,
)
def test_names_and_values_that_tell_nothing_stay(value: Any) -> None:
    assert mask_value(value) == value
