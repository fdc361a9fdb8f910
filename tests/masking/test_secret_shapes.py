"""Each row of the table of secret shapes: its sample is found anywhere, ordinary text is not."""

from __future__ import annotations

import hashlib
import json
import re
import sysconfig
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_sagemaker_experiments._masking.rule_coverage import (
    COVERED,
    NAMES,
    PARTLY,
    UNCOVERED,
    coverage_table,
)
from langchain_sagemaker_experiments._masking.secret_shapes import ANCHORS, SHAPES, Shape

EXPRESSIONS = {shape.name: re.compile(shape.pattern) for shape in SHAPES}
BY_NAME = {shape.name: shape for shape in SHAPES}
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def secrets_in(shape: Shape, text: str) -> list[str]:
    expression = EXPRESSIONS[shape.name]
    group = "secret" if "secret" in expression.groupindex else 0
    return [match.group(group) for match in expression.finditer(text)]


def test_the_table_covers_150_services_and_each_name_stands_once():
    assert len({shape.service for shape in SHAPES}) >= 150
    assert len(BY_NAME) == len(SHAPES)
    assert set(ANCHORS) == {anchor for shape in SHAPES for anchor in shape.anchors}


@each_shape
def test_a_sample_holds_an_anchor_and_its_secret_is_found_whole(shape):
    sample = shape.sample()
    assert shape.sample() == sample
    assert all(len(anchor) >= 3 for anchor in shape.anchors)
    assert any(anchor in sample for anchor in shape.anchors)
    assert secrets_in(shape, sample) == [shape.masked()]


PLACES = (
    "please use {} for this",
    '"{}"',
    "value={}",
    "first line\n{}\nlast line",
    r"in quoted JSON\n{}",
    "a=b%3D{}",
)


@each_shape
def test_a_secret_is_found_in_prose_in_quotes_and_after_an_assignment(shape):
    for place in PLACES:
        assert shape.masked() in secrets_in(shape, place.format(shape.sample())), place


@each_shape
def test_a_secret_is_found_in_json_text_and_in_json_within_json(shape):
    text = json.dumps({"content": shape.sample()})
    assert json.dumps(shape.masked())[1:-1] in secrets_in(shape, text)
    if "\n" not in shape.sample():
        twice = json.dumps(json.dumps(shape.masked())[1:-1])[1:-1]
        assert twice in secrets_in(shape, json.dumps({"text": text}))


@each_shape
def test_each_head_of_a_shape_is_found(shape):
    sample = shape.sample()
    heads = [anchor for anchor in shape.anchors if sample.startswith(shape.anchors[0])]
    for head in heads if len(shape.anchors[0]) == len(shape.anchors[-1]) else heads[:1]:
        other = head + sample[len(shape.anchors[0]) :]
        assert secrets_in(shape, other), other[:40]


@pytest.mark.timeout(240)
@each_shape
def test_no_expression_backtracks_without_bound(shape):
    """Each text is 200 KB: an expression that is not linear takes minutes and times out."""
    size, anchor, sample = 200_000, shape.anchors[0], shape.sample()
    for text in (anchor, f"{anchor}-", sample[:-1], anchor + " = '", sample[: len(sample) // 2]):
        secrets_in(shape, (text * size)[:size])
    secrets_in(shape, anchor + "aA1" * (size // 3))


ORDINARY = [
    "max_tokens=100",
    "{'token_usage': {'prompt_tokens': 12, 'completion_tokens': 5}}",
    str(uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF)),
    hashlib.md5(b"a").hexdigest(),
    hashlib.sha1(b"a").hexdigest(),
    hashlib.sha256(b"a").hexdigest(),
    f"commit {hashlib.sha1(b'b').hexdigest()}",
    f"github_sha: {hashlib.sha1(b'b').hexdigest()}",
    f"datadog-agent commit = {hashlib.sha1(b'b').hexdigest()}",
    f"azure-core==1.2.3 --hash=sha256:{hashlib.sha256(b'c').hexdigest()}",
    '"integrity": "sha512-' + "Zm9vYmFyYmF6cXV4" * 5 + 'Aa=="',
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    'api_key=os.environ["OPENAI_API_KEY"]',
    "password: str",
    "token = tokenizer.encode(x)",
    "secret = get_secret()",
    'ChatOpenAI(api_key="<your-api-key>")',
    "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-your-api-key-here-please-0000",
    "Authorization: Bearer ${TOKEN}",
    "postgresql://${USER}:${PASSWORD}@host/db",
    "postgresql://{user}:{password}@host/db",
    "http://localhost:8080/path?x=1@2",
    'if text.startswith("-----BEGIN PRIVATE KEY-----"):',
    "It has -----BEGIN RSA PRIVATE KEY----- first and -----END RSA PRIVATE KEY----- last.",
    "It is -----BEGIN PRIVATE KEY-----, then comes the material, and -----END PRIVATE KEY-----.",
    "-----BEGIN PRIVATE KEY----- characteristically begins a file -----END PRIVATE KEY-----",
    '("-----BEGIN PRIVATE KEY-----", CallbackManagerForLLMRun)',
    "-----BEGIN CERTIFICATE-----\n" + "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0B" * 3,
    "a bearer of good news, and basic understanding of authentication",
    "The task-force-sk-learn2 and risk-adjusted-returns-2024-overview",
    "langchain_core.callbacks.manager.CallbackManagerForLLMRun",
    "arn:aws:sagemaker:eu-west-1:123456789012:experiment-trial-component/abc-2024",
    "s3://bucket/trial-component-artifacts/langchain-spans/part-0001.jsonl",
    "docker run -u 1000:1000 image; curl -s https://example.com:8443/x",
    "The linear model = 12345; okta, plaid and etsy are companies.",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_no_secret(text):
    assert {shape.name: found for shape in SHAPES if (found := secrets_in(shape, text))} == {}


def installed_texts() -> Iterator[tuple[str, str]]:
    """Some 1,500 text files of installed packages, none over 100 KB."""
    site = Path(sysconfig.get_paths()["purelib"])
    for package in ("langchain*", "langgraph*", "requests*", "urllib3*", "botocore"):
        for folder in sorted(site.glob(package)):
            files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
            texts = [file for file in files if file.suffix in {".py", ".md", ".txt", ".json"}]
            for file in texts[:300]:
                if file.is_file() and file.stat().st_size <= 100_000:
                    yield file.name, file.read_text(encoding="utf-8", errors="replace")


REVIEWED = {
    "url-password": r"^(password|pass|pwd|pw|mypassword)$",  # passwords of examples in docstrings
    "aws-access-key-id": r"EXAMPLE$",  # the keys of AWS's documentation
    "aws-presigned-url": r"^\{signature\}$",  # the code that builds one
}


def test_installed_packages_hold_no_secret_but_reviewed_ones():
    found = []
    count = 0
    for name, text in installed_texts():
        count += 1
        for shape in SHAPES:
            if not any(anchor in text for anchor in shape.anchors):
                continue
            reviewed = re.compile(REVIEWED.get(shape.name, r"(?!)"))
            found += [
                (name, shape.name, secret)
                for secret in secrets_in(shape, text)
                if not reviewed.search(secret)
            ]
    assert found == []
    assert count > 500


def test_each_rule_of_the_public_set_is_masked_by_a_shape_or_says_why_not():
    assert len(COVERED) >= 200
    assert {name for by in COVERED.values() for name in by} - {NAMES} <= set(BY_NAME)
    assert not set(COVERED) & set(UNCOVERED)
    assert set(PARTLY) <= set(COVERED)
    rows = coverage_table()
    assert [row.rule for row in rows] == sorted({*COVERED, *UNCOVERED})
    assert [row.rule for row in rows if not row.masked] == list(UNCOVERED)
    assert all(row.why and row.service for row in rows)
