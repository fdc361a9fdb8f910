"""Rows of the table of spans that DuckDB can't make by itself, and which files it may read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import orjson

from .._reading.parquet import pyarrow, schema
from .._record.cells import json_text
from .._record.merge import merge_records
from .._record.model_facts import MODEL_KINDS, facts_of
from .._record.provenance import is_provenance
from .._record.schema import ARCHITECTURE, CLOSED_BECAUSE, START_SEEN, Record
from .._record.times import moment_of, rfc3339
from .._storage.keys import is_s3_address
from .source_statements import SPAN_COLUMNS

_GLOB: Final = frozenset("*?[]{}'\\\n")
"""Characters that DuckDB takes for patterns in the names of files."""


def plain_path(address: str) -> str | None:
    """The path of a file that DuckDB can be told by name; None of any other."""
    path = os.path.abspath(address)
    if is_s3_address(address) or not path.isprintable() or _GLOB.intersection(path):
        return None
    return path


def has_our_columns(path: str) -> bool:
    pa = pyarrow()
    try:
        there = pa.parquet.read_schema(path)
    except Exception:
        return False
    return all(
        field.name in there.names and there.field(field.name).type == field.type
        for field in schema()
    )


def row_of(record: Record, number: int, contents: bool) -> tuple[Any, ...]:
    """The row of a record that the readers read."""
    attributes = record["attributes"] or {}
    is_model = record["kind"] in MODEL_KINDS
    facts = facts_of(record)
    is_odd = (
        record["status"] == "running"
        or attributes.get(START_SEEN, True) is False
        or CLOSED_BECAUSE in attributes
        or is_provenance(record)
    )
    return (
        number,
        *(record[name] for name in ("trace_id", "span_id", "parent_span_id", "kind", "name")),
        record["status"],
        # Spans are ordered by this text, also where it tells no time.
        rfc3339(moment_of(record["start_time"])) or record["start_time"],
        rfc3339(moment_of(record["end_time"])),
        float(record["duration_ms"]) if record["duration_ms"] is not None else None,
        record["session_id"],
        *(facts[name] for name in ("model", "input_tokens", "output_tokens")),
        facts["time_to_first_token_ms"],
        facts["error_type"],
        record["experiment_name"],
        record["run_name"],
        attributes.get(ARCHITECTURE) is True,
        json_text(attributes) if is_odd or is_model else None,
        json_text(record["inputs"]) if contents and is_model else None,
        False,
    )


def _merging_record(row: dict[str, Any]) -> Record:
    """What the merge of records looks at."""
    attributes = orjson.loads(row["attributes"]) if row["attributes"] else {}
    error = {"type": row["error_type"]} if row["error_type"] is not None else None
    return {**row, "attributes": attributes, "error": error}


def merged_row(rows: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    """The one row of several of a span."""
    records = [_merging_record(row) for row in rows]
    (merged,) = merge_records(records)
    for row, record in zip(rows, records, strict=True):
        if record is merged:
            return tuple(row[name] for name in SPAN_COLUMNS)
    # An end whose start was not seen, and its start: what the end adds is taken over.
    row = {name: merged[name] for name in SPAN_COLUMNS}
    row["error_type"] = merged["error"]["type"] if merged["error"] else None
    row["attributes"] = json_text(merged["attributes"]) if merged["attributes"] else None
    if merged["attributes"]:
        facts = facts_of({"attributes": merged["attributes"], "error": None})
        row.update({name: facts[name] for name in facts if name in row and name != "error_type"})
    return tuple(row[name] for name in SPAN_COLUMNS)
