"""Where any of some words stand in a line of bytes: one pass with `ahocorasick_rs` installed, else
one pass for each word.

Both ways give the same places. `ahocorasick_rs` is Rust's aho-corasick crate. It has wheels for the
usual platforms and is a requirement there; elsewhere Python does the same, more slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Find = Callable[[bytes], list[tuple[int, int, int]]]
"""A line → (number of the word, start, end) for each place, in no order that counts."""


def make_find(words: Sequence[bytes]) -> Find:
    """Return the quickest way there is to find these words, overlapping ones too."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, Implementation
    except ImportError:
        return one_by_one(words)
    # Four times as quick as the default, for 1 MB and 2 ms.
    automaton = BytesAhoCorasick(list(words), implementation=Implementation.DFA)

    def find(line: bytes) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = automaton.find_matches_as_indexes(
            line, overlapping=True
        )
        return found

    return find


def one_by_one(words: Sequence[bytes]) -> Find:
    """Return the way that needs nothing but Python."""

    def find(line: bytes) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        for number, word in enumerate(words):
            start = line.find(word)
            while start >= 0:
                found.append((number, start, start + len(word)))
                start = line.find(word, start + 1)
        return found

    return find
