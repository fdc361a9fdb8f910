"""Words are found at the same places with `ahocorasick_rs` and without."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_sagemaker_experiments._masking import text_masking
from langchain_sagemaker_experiments._masking.masking import Masker
from langchain_sagemaker_experiments._masking.word_search import make_find, one_by_one
from support.secrets import PLACES, SECRETS

WORDS = [b"token", b"key", b"eyj", b"sk-", b"://", b"a", b"aa", b"private key"]


@given(st.lists(st.sampled_from([*WORDS, b"k", b"e", b"x", b" "]), max_size=30).map(b"".join))
def test_both_ways_find_the_same_places(line: bytes) -> None:
    pytest.importorskip("ahocorasick_rs", reason="ahocorasick_rs is not installed")
    fast = make_find(WORDS)
    assert sorted(fast(line)) == sorted(one_by_one(WORDS)(line))


def test_without_the_extra_the_same_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [place.format(secret).encode() for place in PLACES for secret in SECRETS.values()]
    lines += [
        b'{"password": "x", "input_tokens": 3, "token": "abcdef0123456789ab", "Authorization": '
        b'"Basic dXNlcjpwYXNz1"}'
    ]
    texts = [line.decode() for line in lines]
    expected = [Masker().text(text) for text in texts]
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    monkeypatch.setattr(text_masking, "_find", make_find(text_masking._WORDS))
    assert [Masker().text(text) for text in texts] == expected
    assert any("[REDACTED]" in text for text in expected)
