"""Puts what a benchmark found where it is quoted, so that no figure is copied by hand.

A page quotes it between `<!-- benchmark: NAME -->` and `<!-- end of benchmark -->`.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def pages() -> list[Path]:
    """The pages that may quote figures."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def publish(name: str, text: str) -> int:
    """Write a text between its marks on each page that has them; return how many do."""
    count = 0
    for page in pages():
        before = page.read_text()
        after, found = put_between_marks(before, name, text)
        count += found
        if after != before:
            page.write_text(after)
    return count


def put_between_marks(page: str, name: str, text: str) -> tuple[str, int]:
    """Return a page with a text between its marks, and how many such marks it has."""
    marks = re.compile(
        rf"(<!-- benchmark: {re.escape(name)} -->\n).*?(<!-- end of benchmark -->)", re.DOTALL
    )
    return marks.subn(lambda match: f"{match[1]}\n{text.strip()}\n\n{match[2]}", page)
