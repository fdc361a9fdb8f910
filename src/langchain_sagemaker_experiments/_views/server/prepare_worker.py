"""A process that prepares parts of a large folder for the index, beside others on other cores.

It reads a line of JSON for each part from its standard input, and answers with a line of JSON and,
of the length that line tells, the part's table in Arrow's stream format.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from ..._analysis.preview import preview
from ..._query.prepared import prepare
from ..._reading.collection_pause import collection_paused
from ..._reading.parquet import pyarrow
from ..._reading.parts import Contents


def main() -> None:
    """Serve until the input ends."""
    pa = pyarrow()
    with collection_paused():
        for line in sys.stdin.buffer:
            asked = orjson.loads(line)
            try:
                answer(pa, asked)
            except OSError as error:
                sys.stdout.buffer.write(orjson.dumps({"error": str(error)}) + b"\n")
            sys.stdout.buffer.flush()


def answer(pa: Any, asked: dict[str, Any]) -> None:
    """Write one part, prepared."""
    data = Path(asked["address"]).read_bytes()
    contents = Contents(data, asked["experiment"], asked["run"])
    prepared = prepare(asked["address"], contents, preview)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, prepared.table.schema) as stream:
        stream.write_table(prepared.table)
    buffer = sink.getvalue()
    head = {
        "size": buffer.size,
        "graphs": prepared.graphs,
        "count": prepared.count,
        "problems": prepared.problems,
    }
    sys.stdout.buffer.write(orjson.dumps(head) + b"\n")
    sys.stdout.buffer.write(buffer)


if __name__ == "__main__":
    main()
