"""Examples: what an evaluation runs its target on. Loaded, saved, made of recorded traces."""

from __future__ import annotations

import csv
import hashlib
import io
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from .._encoding.any_value import dump_json
from .._experiments.clients import s3_client
from .._record.text import clean_text
from .._storage.atomic_files import whole_file
from .._storage.failure_advice import explain
from .._storage.keys import EXAMPLES_FILE, split_address
from .._storage.object_store import read_object
from ..exceptions import FlushError, MissingExtraError, SpanReadError

if TYPE_CHECKING:
    pass

Example = dict[str, Any]

FIELDS: Final = ("inputs", "reference_outputs", "metadata")
_REFERENCES: Final = ("reference_outputs", "outputs")
"""Names of the expected outputs: ours, and LangSmith's in an exported dataset."""
_ENDINGS: Final = (".jsonl", ".csv", ".parquet")


class Examples(list[Example]):
    """A list of examples that knows its version.

    Each example is a dictionary with `id`, `inputs`, `reference_outputs`, `metadata`, and
    `content_hash`, which changes when inputs or reference outputs do.
    """

    @property
    def version(self) -> str:
        """A hash of ids and contents: equal examples have the same, in any order."""
        contents = sorted(f"{one['id']}\n{one['content_hash']}" for one in self)
        return hashlib.sha256("\n".join(contents).encode()).hexdigest()[:16]


def make_examples(given: Iterable[Any]) -> Examples:
    """Return complete examples of dictionaries, or of objects with LangSmith's attributes.

    Raises:
        ValueError: one has no inputs, its content is no JSON, or an id occurs twice.
    """
    examples = Examples()
    occurrences: dict[str, int] = {}
    seen: set[str] = set()
    for number, one in enumerate(given, 1):
        example = _completed(one, number)
        if example["id"] is None:
            digest = content_hash(example["inputs"])
            occurrences[digest] = occurrences.get(digest, 0) + 1
            example["id"] = f"{digest}-{occurrences[digest]}"
        if example["id"] in seen:
            raise ValueError(f"Example {number} has the id {example['id']!r} of an earlier one.")
        seen.add(example["id"])
        examples.append(example)
    return examples


def _completed(one: Any, number: int) -> Example:
    fields = one if isinstance(one, Mapping) else _attributes(one)
    if "inputs" not in fields:
        raise ValueError(
            f"Example {number} has no inputs. An example is a dictionary with `inputs`, and if "
            "there are such, `reference_outputs`, `metadata` and `id`."
        )
    reference = next((fields[name] for name in _REFERENCES if fields.get(name) is not None), None)
    try:
        digest = content_hash({"inputs": fields["inputs"], "reference_outputs": reference})
    except TypeError as error:
        raise ValueError(
            f"Example {number} can't be written as JSON ({error}); inputs and reference outputs "
            "must be JSON values or LangChain messages."
        ) from error
    given_id = fields.get("id")
    return {
        "id": clean_text(str(given_id)) if given_id is not None else None,
        "inputs": fields["inputs"],
        "reference_outputs": reference,
        "metadata": dict(fields.get("metadata") or {}),
        "content_hash": digest,
    }


def _attributes(one: Any) -> dict[str, Any]:
    names = ("id", *FIELDS, "outputs")
    return {name: getattr(one, name) for name in names if hasattr(one, name)}


def content_hash(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a value's JSON, keys sorted."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    data = dump_json(value, to_json_form, options)
    return hashlib.sha256(data).hexdigest()[:16]


def to_json_form(value: Any) -> Any:
    """Return the JSON form of a Pydantic model, such as a LangChain message."""
    dump = getattr(value, "model_dump", None)
    if not callable(dump):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return dump()


# --- load -------------------------------------------------------------------------------------
def load_examples(source: Any, *, sagemaker_session: Any = None) -> Examples:
    """Load examples.

    Args:
        source: a list of dictionaries, a DataFrame, a file of JSON Lines, CSV or Parquet, a folder
            with one (`examples.jsonl`), or an `s3://` address of either. Tables have a column
            `inputs` (text, or JSON), or columns `inputs.question`, `inputs.…`; the same for
            `reference_outputs` and `metadata`.
        sagemaker_session: whose credentials and region to use for S3; boto3's default otherwise.

    Returns:
        The examples, a list of dictionaries; `.version` is a hash of their content. An example
        without an id gets a hash of its inputs with the number of its occurrence.

    Raises:
        SpanReadError: there is nothing at `source`, or it can't be read.
        ValueError: an example has no inputs, or an id occurs twice.
        MissingExtraError: a Parquet file, and pyarrow is not installed.
    """
    if isinstance(source, Examples):
        return source
    if isinstance(source, (str, Path)):
        name, data = _read(source, sagemaker_session)
        return make_examples(_parse(name, data))
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return make_examples(_unflatten(source.to_dict("records")))
    if isinstance(source, Iterable) and not isinstance(source, (bytes, Mapping)):
        return make_examples(source)
    raise SpanReadError(
        f"Examples can't be read from {type(source).__name__}. Give a list of dictionaries, a "
        "DataFrame, a .jsonl, .csv or .parquet file, a folder, or an s3:// address."
    )


def _read(source: str | Path, sagemaker_session: Any) -> tuple[str, bytes]:
    if str(source).startswith("s3://"):
        address = str(source)
        if not address.endswith(_ENDINGS):
            address = f"{address.rstrip('/')}/{EXAMPLES_FILE}"
        return address, _read_object(address, sagemaker_session)
    path = Path(source).expanduser()
    if path.is_dir():
        path = _file_of(path)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise SpanReadError(f"There are no examples at {path}: {error.strerror}.") from error


def _read_object(address: str, sagemaker_session: Any) -> bytes:
    try:
        body = read_object(s3_client(sagemaker_session), *split_address(address))
    except (ClientError, BotoCoreError) as error:
        raise SpanReadError(
            f"Examples can't be read from {address}. {explain(error, 'try again')}"
        ) from error
    return body


def _file_of(folder: Path) -> Path:
    if (folder / EXAMPLES_FILE).is_file():
        return folder / EXAMPLES_FILE
    files = [path for path in sorted(folder.iterdir()) if path.name.endswith(_ENDINGS)]
    if len(files) != 1:
        raise SpanReadError(
            f"{folder} holds {len(files)} files of examples and no {EXAMPLES_FILE}; name one of "
            "them."
        )
    return files[0]


def _parse(name: str, data: bytes) -> Iterable[Any]:
    if name.endswith(".csv"):
        return _unflatten(_csv_rows(name, data))
    if name.endswith(".parquet"):
        return _unflatten(_parquet_rows(name, data))
    found = []
    for number, line in enumerate(data.removeprefix(BOM_UTF8).splitlines(), 1):
        if line.strip():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise SpanReadError(f"{name}, line {number} is no JSON ({error}).") from error
    return found


def _csv_rows(name: str, data: bytes) -> list[dict[str, Any]]:
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        return list(csv.DictReader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpanReadError(f"{name} is no CSV in UTF-8 ({error}).") from error


def _parquet_rows(name: str, data: bytes) -> list[dict[str, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "analysis", "Reading Parquet") from error
    try:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise SpanReadError(f"{name} is no Parquet file ({error}).") from error
    return rows


def _unflatten(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of a table as examples: JSON cells parsed, `inputs.question` put into inputs."""
    return [_unflatten_row(row) for row in rows]


def _unflatten_row(row: Mapping[str, Any]) -> dict[str, Any]:
    example: dict[str, Any] = {}
    for column, cell in row.items():
        field, _, inner = str(column).partition(".")
        if field not in (*FIELDS, "outputs", "id") or _is_missing(cell):
            continue
        if inner:
            example.setdefault(field, {})[inner] = cell
        else:
            example[field] = _parsed(cell) if field != "id" else cell
    return example


def _is_missing(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and cell != cell)


def _parsed(cell: Any) -> Any:
    """JSON objects and lists in a cell are values; any other text is that text."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return cell


# --- save -------------------------------------------------------------------------------------
def save_examples(examples: Any, target: str | Path, *, sagemaker_session: Any = None) -> str:
    """Save examples as JSON Lines, CSV or Parquet, as the name of the target ends.

    Args:
        examples: what `load_examples` takes.
        target: a file, a folder (which gets `examples.jsonl`), or an `s3://` address of either.
        sagemaker_session: whose credentials and region to use for S3; boto3's default otherwise.

    Returns:
        The path or address written.

    Raises:
        FlushError: they could not be written to S3.
        OSError: they could not be written to disk.
        MissingExtraError: a Parquet file, and pyarrow is not installed.
    """
    found = load_examples(examples, sagemaker_session=sagemaker_session)
    address = str(target)
    if not address.endswith(_ENDINGS):
        address = f"{address.rstrip('/')}/{EXAMPLES_FILE}"
    data = _dump(address, found)
    if address.startswith("s3://"):
        bucket, _, key = address.removeprefix("s3://").partition("/")
        try:
            s3_client(sagemaker_session).put_object(Bucket=bucket, Key=key, Body=data)
        except (ClientError, BotoCoreError) as error:
            raise FlushError(
                f"The examples were not saved. {explain(error, 'save them again')}"
            ) from error
        return address
    path = Path(address).expanduser()
    with whole_file(path) as scratch:
        scratch.write_bytes(data)
    return str(path)


def _dump(name: str, examples: Examples) -> bytes:
    rows = [{field: one[field] for field in ("id", *FIELDS)} for one in examples]
    if name.endswith(".jsonl"):
        return b"".join(_json(row) + b"\n" for row in rows)
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    if name.endswith(".csv"):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=("id", *FIELDS))
        writer.writeheader()
        writer.writerows(cells)
        return text.getvalue().encode()
    return _parquet(cells)


def _parquet(cells: list[dict[str, Any]]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "analysis", "Writing Parquet") from error
    schema = pa.schema([(name, pa.string()) for name in ("id", *FIELDS)])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(cells, schema), sink, compression="zstd")
    return sink.getvalue()


def _json(value: Any) -> bytes:
    return dump_json(value, to_json_form, orjson.OPT_SERIALIZE_NUMPY)


def _cell(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else _json(value).decode()
