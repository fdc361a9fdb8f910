"""Finds prose that has to be read twice: phrases that the house does not use, long sentences, and
chains of passives.

    python scripts/prose.py [file ...]

Looks at README, docs, the other pages, and the docstrings of the package. Prints one line for each
finding, and ends with 1 if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_WORDS = 45
"""Words of a sentence."""
MAX_PASSIVES = 2
"""Verbs of a sentence in the passive: a chain of three hides who does what."""
MAX_DOC_LINE = 170
"""Columns of a line of a page, tables and links apart."""

PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being)\s+(?:(?:\w+ly|not|never|also|then)\s+)?"
    r"(?:\w+ed|made|written|read|sent|kept|lost|found|given|taken|told|shown|held|known|done|seen"
    r"|put|cut|set|left|built|run)\b"
)
BANNED = {
    r"\bin no (?:span|block|folder)\b": "say it without the inversion",
    r"\bis all there is\b": "say what is there",
    r"\bTell whether\b": "Return True if",
    r"\btells? (?:of|from|all)\b": "say, show, list",
    r"\bsaid no\b": "refused",
    r"\bare off\b": "are wrong",
    r"\bwithout a word\b(?! about)": "without notice",
    r"(?<=[a-z]), about\.$": "Approximately … at the beginning",
    r"\bhand(?:s|ed)? it over\b": "pass",
    r"\bgives? (?:it )?up on\b": "stops",
    r"\bwhat comes of\b": "the result of",
    r"\bit is no\b(?! (?:error|longer|more))": "it is not a",
    r"\bcan be had\b": "is available",
    r"\bbe that as it may\b": "leave it out",
    r"\bso be it\b": "leave it out",
    r"\bput by\b": "store",
    r"\bthe like\b": "name them",
    r"\bwhosoever|\bwhomever|\bwherefore|\bthereof|\btherein\b|\bhereby\b": "plain words",
    r"\bsimply\b|\bjust works\b|\bblazing|\bseamless|\beffortless|\bleverag": "leave it out",
    r"\butiliz": "use",
    r"\bin order to\b": "to",
}


def pages() -> list[Path]:
    """Return the pages that people read."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def prose_of_page(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each paragraph, list item and cell, without code."""
    text = re.sub(
        r"^```.*?^```", lambda f: "\n" * f[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    text = re.sub(r"`[^`\n]*`", "x", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    paragraph, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("|"):
            yield from ((number, cell.strip()) for cell in line.split("|"))
            continue
        if not line.strip() or re.match(r"\s*(?:[-*#]|\d+\.) ?", line):
            yield start, paragraph
            paragraph, start = "", number
        paragraph = f"{paragraph} {line.strip()}"
        start = start or number
    yield start, paragraph


def prose_of_module(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each paragraph of each docstring."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        written = ast.get_docstring(node)
        if written:
            for part in re.split(r"\n\s*\n|\n(?=\s+\w+: )", written):
                yield getattr(node, "lineno", 1), re.sub(r"`[^`\n]*`", "x", " ".join(part.split()))


def faults(text: str) -> Iterator[str]:
    """Yield what is wrong with a piece of prose."""
    for pattern, better in BANNED.items():
        if found := re.search(pattern, text):
            yield f"{found[0]!r}: {better}"
    for sentence in re.split(r"(?<=[.!?:;])\s+", text):
        words = len(re.findall(r"[\w'’]+", sentence))
        if words > MAX_WORDS:
            yield f"{words} words: {sentence[:60]}…"
        passives = len(PASSIVE.findall(sentence))
        if passives > MAX_PASSIVES:
            yield f"{passives} passives in one sentence: {sentence[:60]}…"


def main() -> int:
    """Look at the files that are named, or at all."""
    named = [Path(name).resolve() for name in sys.argv[1:]]
    count = 0
    for path in named or [*pages(), *sorted((ROOT / "src").rglob("*.py"))]:
        text = path.read_text()
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        is_page = path.suffix == ".md"
        for number, piece in prose_of_page(text) if is_page else prose_of_module(text):
            for fault in faults(piece):
                count += 1
                print(f"{shown}:{number}: {fault}")
        if is_page:
            hand_written = re.sub(r"<!-- benchmark.*?<!-- end", "", text, flags=re.DOTALL)
            for number, line in enumerate(hand_written.splitlines(), 1):
                if len(line) > MAX_DOC_LINE and "|" not in line and "](" not in line:
                    count += 1
                    print(f"{shown}:{number}: {len(line)} columns")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
