"""The published JSON Schema of the span record, for the tests to hold real records against."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "record.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
_validator = Draft202012Validator(SCHEMA)


def check_lines(part: bytes) -> None:
    """Fail when a line of a part is none that the schema allows."""
    for line in part.splitlines():
        record: dict[str, Any] = json.loads(line)
        problems = [
            f"{'.'.join(map(str, error.absolute_path)) or 'record'}: {error.message:.300}"
            for error in _validator.iter_errors(record)
        ]
        assert not problems, problems
