"""Requests grow with bytes, never with spans: counted at ten thousand and at a million, as
docs/scale.md reckons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from langchain_sagemaker_experiments import SageMakerCallbackHandler, Span
from langchain_sagemaker_experiments._reading.parts import read_all
from langchain_sagemaker_experiments._reading.sources import find_parts
from langchain_sagemaker_experiments._record.limits import MAX_PART_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("count", [10_000, 1_000_000])
def test_requests_of_writing_and_reading(
    open_run: Callable[..., Any], local: Any, tmp_path: Any, count: int
) -> None:
    with open_run() as run:
        handler = SageMakerCallbackHandler(run, spool_dir=tmp_path)
        handler.log_trace(Span("first"))
        handler.flush_tracker()  # the session finds its bucket
        before = Counter(local.requests)
        for _ in range(count // 1_000):
            handler.log_trace(
                Span(
                    "root",
                    children=[Span("step", kind="tool", inputs={"n": n}) for n in range(999)],
                )
            )
        result = handler.flush_tracker()
        written = Counter(local.requests) - before
        assert result.spans == count
        assert written["PutObject"] == len(result.uris)
        # Parts are filled by what spans take in memory, twice what these small ones take as JSON.
        assert len(result.uris) <= math.ceil(result.bytes / (MAX_PART_BYTES / 4)) + 1
        assert set(written) <= {"PutObject", "BatchPutMetrics", "GetCallerIdentity"}
        assert sum(written.values()) - written["PutObject"] <= 3
        before = Counter(local.requests)
        parts = find_parts(run, None, None, None)
        lines = sum(contents.data.count(b"\n") for _, contents in read_all(parts))
        read = Counter(local.requests) - before
        assert lines == count + 1
        read = Counter(
            {
                "ListObjectsV2" if name == "ListBucket" else name: number
                for name, number in read.items()
            }
        )  # moto 5.1's name
        assert read == {
            "ListObjectsV2": math.ceil((len(parts) or 1) / 1_000),
            "GetObject": len(parts),
        }
    print(
        f"{count:,} spans, {result.bytes:,} bytes: {dict(written)} to write, {dict(read)} to read"
    )
