"""Some things are done in one file only, so that a change of the layout is a change of one file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import langchain_sagemaker_experiments as package

SOURCE = Path(package.__file__).parent
_JOINS = re.compile(r"\{[^{}]*(FOLDER|PREFIX|KEY|[Pp]refix|[Ff]older|bucket)[^{}]*\}/")
_LISTS = ("list_objects_v2", "list_objects")


def users_of(*texts: str) -> set[str]:
    """Files whose code has a string with one of these texts, or an attribute of that name."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            word = node.value if isinstance(node, ast.Constant) else getattr(node, "attr", None)
            if word in texts:
                found.add(path.relative_to(SOURCE).as_posix())
    return found


def test_keys_and_addresses_are_joined_in_one_file() -> None:
    found = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and _JOINS.search(ast.unparse(node)):
                name = path.relative_to(SOURCE).as_posix()
                found.setdefault(name, []).append(ast.unparse(node))
    assert set(found) == {"_storage/keys.py"}, found


def test_objects_are_listed_in_one_file() -> None:
    # The stand-in for AWS answers such requests.
    assert {name for name in users_of(*_LISTS) if not name.startswith("local/")} == {
        "_storage/object_store.py"
    }


def test_folders_and_files_have_their_names_from_one_file() -> None:
    names = ("langchain-traces", "langchain-scores", "langchain-evaluations", "run.jsonl")
    assert users_of(*names, "_manifest.json", "target.json", ".synced.jsonl", "examples.jsonl") == {
        "_storage/keys.py"
    }
