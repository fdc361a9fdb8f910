"""A handler whose records are at hand, and records as trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from langchain_sagemaker_experiments import SageMakerCallbackHandler
from support.schema import check_lines


class Recording:
    """A handler whose records are at hand: flushes into memory instead of a Run."""

    def __init__(self, **settings: Any) -> None:
        self.parts: list[bytes] = []
        self.parameters: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.handler = SageMakerCallbackHandler(self, **settings)

    def log_file(self, file_path: str, name: str | None = None) -> None:
        """Take a part as a Run does."""
        part = Path(file_path).read_bytes()
        check_lines(part)
        self.parts.append(part)

    def log_parameters(self, parameters: dict[str, Any]) -> None:
        """Take parameters as a Run does."""
        self.parameters.update(parameters)

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Take a metric as a Run does."""
        self.metrics[name] = value

    @property
    def config(self) -> Any:
        """What to pass to `invoke`."""
        return {"callbacks": [self.handler]}

    def records(self) -> list[dict[str, Any]]:
        """Flush, and return all records so far, one for each span, in order of their start."""
        from langchain_sagemaker_experiments._reading.parse import parse_part
        from langchain_sagemaker_experiments._record.merge import merge_records

        result = self.handler.flush_tracker()
        assert result.faults == {}, result.faults
        problems: list[Any] = []
        records = merge_records(
            record for part in self.parts for record in parse_part("memory", part, problems)
        )
        assert not problems
        return sorted(records, key=lambda record: record["start_time"])

    def raw_lines(self) -> list[dict[str, Any]]:
        """All lines as they were written."""
        return [json.loads(line) for part in self.parts for line in part.splitlines()]

    def one(self, **fields: Any) -> dict[str, Any]:
        """The one record with these fields."""
        found = [
            r for r in self.records() if all(r[name] == value for name, value in fields.items())
        ]
        assert len(found) == 1, f"{len(found)} records with {fields}"
        return found[0]

    def tree(self, *fields: str) -> list[Any]:
        """The recorded trees as nested `(kind, name, status, *fields, [children])`."""
        return trees(self.records(), *fields)


def trees(records: list[dict[str, Any]], *fields: str) -> list[Any]:
    """Records as nested tuples `(kind, name, status, *fields, [children])`, children in order of
    their start.
    """
    ids = {record["span_id"] for record in records}

    def node(record: dict[str, Any]) -> Any:
        children = [
            node(child) for child in records if child["parent_span_id"] == record["span_id"]
        ]
        return (
            record["kind"],
            record["name"],
            record["status"],
            *(record[name] for name in fields),
            children,
        )

    return [node(record) for record in records if record["parent_span_id"] not in ids]
