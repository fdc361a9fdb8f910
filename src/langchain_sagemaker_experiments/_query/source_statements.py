"""The statements of `SourceTables`: its columns, and how DuckDB reads our files."""

from __future__ import annotations

from typing import Final

from .._record.model_facts import MODEL_KINDS, MODEL_NAMES, TO_FIRST_CHUNK, TOKEN_NAMES
from .._record.provenance import PROVENANCE
from .._record.schema import ARCHITECTURE, CLOSED_BECAUSE, START_SEEN

SPAN_COLUMNS: Final[dict[str, str]] = {
    "file": "INTEGER",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_span_id": "VARCHAR",
    "kind": "VARCHAR",
    "name": "VARCHAR",
    "status": "VARCHAR",
    "start_time": "VARCHAR",
    "end_time": "VARCHAR",
    "duration_ms": "DOUBLE",
    "session_id": "VARCHAR",
    "model": "VARCHAR",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "time_to_first_token_ms": "DOUBLE",
    "error_type": "VARCHAR",
    "experiment_name": "VARCHAR",
    "run_name": "VARCHAR",
    "is_graph": "BOOLEAN",
    "attributes": "VARCHAR",
    "inputs": "VARCHAR",
    "is_strange": "BOOLEAN",
}
"""Of the table `spans`. `attributes` are there of model calls, of provenance and of rows to be
merged, `inputs` of model calls where they were asked for. `is_strange` marks what our writers
do not write.
"""

_COLUMNS: Final = ", ".join(f"{name} {kind}" for name, kind in SPAN_COLUMNS.items())
CREATE: Final = (
    "CREATE TABLE files (file INTEGER, path VARCHAR, experiment VARCHAR, run VARCHAR)",
    f"CREATE TABLE parsed ({_COLUMNS})",
    f"CREATE TABLE merged ({_COLUMNS})",
    "CREATE TABLE repeated (hashed UBIGINT)",
)
STRANGE_FILES: Final = (
    "SELECT DISTINCT file FROM parsed WHERE is_strange AND file >= ? ORDER BY file"
)
FIND_REPEATED: Final = """INSERT INTO repeated
SELECT hash(span_id) AS hashed FROM whole GROUP BY hashed HAVING count(*) > 1"""
REPEATED_ROWS: Final = (
    "SELECT * FROM whole SEMI JOIN repeated ON hash(span_id) = hashed ORDER BY file, place"
)
"""In the order in which the readers meet them."""
SPANS: Final = """CREATE VIEW spans AS
SELECT * EXCLUDE (place) FROM whole ANTI JOIN repeated ON hash(span_id) = hashed
UNION ALL SELECT * FROM merged"""
SPANS_WITHOUT_REPEATED: Final = "CREATE VIEW spans AS SELECT * EXCLUDE (place) FROM whole"

_ODD: Final = (
    f"status = 'running' OR contains(attributes, '{START_SEEN}')"
    f" OR contains(attributes, '{CLOSED_BECAUSE}') OR contains(attributes, '{PROVENANCE}')"
)
_KEPT: Final = f"CASE WHEN kind IN {MODEL_KINDS!r} OR {_ODD} THEN attributes END"
_INPUTS: Final = f"CASE WHEN {{contents}} AND kind IN {MODEL_KINDS!r} THEN inputs END"
_GRAPH: Final = (
    f"contains(attributes, '{ARCHITECTURE}')"
    f" AND coalesce(json_extract_string(attributes, '$.\"{ARCHITECTURE}\"') = 'true', false)"
)
_TEXT: Final = "strftime({}, '%Y-%m-%dT%H:%M:%S.%fZ')"

WHOLE: Final = "CREATE VIEW whole AS SELECT *, rowid AS place FROM parsed"
WHOLE_WITH_PARQUET: Final = f"""
CREATE VIEW whole AS SELECT *, rowid AS place FROM parsed UNION ALL
SELECT files.file, trace_id, span_id, parent_span_id, kind, name, status,
    {_TEXT.format("start_time AT TIME ZONE 'UTC'")}, {_TEXT.format("end_time AT TIME ZONE 'UTC'")},
    duration_ms, session_id, model, input_tokens, output_tokens, time_to_first_token_ms, error_type,
    coalesce(files.experiment, experiment_name), coalesce(files.run, run_name), {_GRAPH}, {_KEPT},
    {_INPUTS}, false, file_row_number
FROM read_parquet({{files}}, filename = true, file_row_number = true,
    hive_partitioning = false) AS source
JOIN files ON files.path = source.filename
"""

_JSON_COLUMNS: Final = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "kind",
    "name",
    "status",
    "start_time",
    "end_time",
    "duration_ms",
    "session_id",
    "attributes",
    "error",
    "experiment_name",
    "run_name",
    "inputs",
    "schema_version",
]
_READ: Final = ", ".join(f"{name}: 'JSON'" for name in _JSON_COLUMNS)
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


def _plain(name: str) -> str:
    """The JSON text of a field; NULL where it is missing or null."""
    return f"nullif(source.{name}::VARCHAR, 'null')"


def _string(name: str) -> str:
    return f"CASE WHEN {_plain(name)} IS NOT NULL THEN json_extract_string(source.{name}, '$') END"


def _path(name: str) -> str:
    return f"""'$."{name}"'"""


def attribute_number(name: str) -> str:
    """Return an expression for an attribute as a number, where the readers take it for a fact."""
    text = f"json_extract(attributes, {_path(name)})::VARCHAR"
    value = f"try_cast({text} AS DOUBLE)"
    return f"CASE WHEN {value} >= 0 AND {value} < 9007199254740992 THEN {value} END"


_MODEL: Final = "coalesce({})".format(
    ", ".join(
        f"CASE WHEN json_type(attributes, {_path(name)}) = 'VARCHAR'"
        f" THEN nullif(json_extract_string(attributes, {_path(name)}), '') END"
        for name in MODEL_NAMES
    )
)
_STRINGS: Final = ("trace_id", "span_id", "kind", "status")
_OPTIONAL: Final = (
    "parent_span_id",
    "name",
    "start_time",
    "end_time",
    "session_id",
    "experiment_name",
    "run_name",
)
_STRANGE: Final = " OR ".join(
    [
        *(f"coalesce(NOT starts_with({_plain(name)}, '\"'), true)" for name in _STRINGS),
        *(f"coalesce(NOT starts_with({_plain(name)}, '\"'), false)" for name in _OPTIONAL),
        *(
            f"({_plain(name)} IS NOT NULL AND try_strptime({_string(name)}, '{_TIME}') IS NULL)"
            for name in ("start_time", "end_time")
        ),
        *(
            f"coalesce(NOT starts_with({_plain(name)}, '{{{{'), false)"
            for name in ("attributes", "error")
        ),
        f"({_plain('duration_ms')} IS NOT NULL AND coalesce(NOT regexp_full_match("
        f"{_plain('duration_ms')}, '-?[0-9]{{{{1,12}}}}([.][0-9]+)?'), true))",
        f"coalesce({_plain('schema_version')} != '1', false)",
        "coalesce(NOT list_contains(['VARCHAR', 'NULL'], json_type(error, '$.type')), false)",
        "({contents} AND coalesce(json(inputs)::VARCHAR != inputs::VARCHAR"
        " OR contains(inputs::VARCHAR, '\\u'), false))",
    ]
)

INSERT_JSON: Final = f"""
INSERT INTO parsed
WITH source AS (
    SELECT * FROM read_json({{files}}, format = 'newline_delimited', filename = true,
        ignore_errors = true, maximum_object_size = 8388608, compression = 'none',
        columns = {{{{{_READ}}}}})),
plain AS (
    SELECT files.file AS file, {", ".join(f"{_string(name)} AS {name}" for name in _STRINGS)},
        {", ".join(f"{_string(name)} AS {name}" for name in _OPTIONAL)},
        try_cast({_plain("duration_ms")} AS DOUBLE) AS duration_ms,
        coalesce({_plain("attributes")}, '{{{{}}}}') AS attributes,
        {_plain("error")} AS error, {_plain("inputs")} AS inputs, {_STRANGE} AS is_strange,
        files.experiment AS experiment, files.run AS run
    FROM source JOIN files ON files.path = source.filename)
SELECT file, trace_id, span_id, parent_span_id, kind, name, status, start_time, end_time,
    duration_ms, session_id, {_MODEL}, trunc({attribute_number(TOKEN_NAMES["input"])})::BIGINT,
    trunc({attribute_number(TOKEN_NAMES["output"])})::BIGINT,
    {attribute_number(TO_FIRST_CHUNK)} * 1e3,
    CASE WHEN error IS NOT NULL THEN coalesce(json_extract_string(error, '$.type'), 'None') END,
    coalesce(experiment, experiment_name), coalesce(run, run_name), {_GRAPH}, {_KEPT}, {_INPUTS},
    is_strange
FROM plain
"""
