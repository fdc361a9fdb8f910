"""S3 servers that are not moto: SeaweedFS the whole way, and one without conditional writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from langchain_sagemaker_experiments import (
    BotoRun,
    CompactionError,
    OfflineRun,
    SageMakerCallbackHandler,
    compact,
    load_spans,
    sync,
)
from langchain_sagemaker_experiments._storage.object_store import S3Store
from langchain_sagemaker_experiments.local import local_sagemaker
from support.naive_s3 import naive_s3
from support.seaweed import ACCESS_KEY, SECRET_KEY, client, seaweed


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a SeaweedFS."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as address:
        yield address


@pytest.fixture
def bucket(sea: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A local SageMaker whose S3 is the SeaweedFS; gives a client and the default bucket."""
    with local_sagemaker(server=True) as local:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", sea)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        for token in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
            monkeypatch.delenv(token, raising=False)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it found
        s3 = client(sea)
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=local.bucket)
        yield s3, local.bucket
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=local.bucket):
            for item in page.get("Contents", ()):
                s3.delete_object(Bucket=local.bucket, Key=item["Key"])


def _keys(s3: Any, bucket: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def _record(run: Any, names: list[str], spool: Path) -> None:
    handler = SageMakerCallbackHandler(run, spool_dir=spool)
    for name in names:
        with handler.span(name):
            pass
        handler.flush_tracker()


def test_from_flush_to_compaction_and_sync_on_seaweedfs(bucket, tmp_path):
    s3, name = bucket
    with BotoRun("experiment", "real") as run:
        _record(run, ["a", "b", "c"], tmp_path)
        assert sorted(load_spans(run)["name"]) == ["a", "b", "c"]
    keys = _keys(s3, name)
    assert len([key for key in keys if key.endswith(".jsonl")]) == 3
    prefix = keys[0].partition("langchain-traces")[0]
    done = compact(experiment_name="experiment")
    assert (done.parts, done.spans, done.problems) == (3, 3, [])
    assert compact(f"s3://{name}/{prefix}", grace=0).removed == 3
    keys = _keys(s3, name)
    assert [key for key in keys if key.endswith(".jsonl")] == []
    assert len([key for key in keys if key.endswith(".parquet")]) == 1
    assert [key for key in keys if "_probe" in key or "_compacting" in key] == []
    assert sorted(load_spans(experiment_name="experiment")["name"]) == ["a", "b", "c"]

    with OfflineRun(tmp_path / "off", experiment_name="experiment", run_name="real") as offline:
        _record(offline, ["d", "e"], tmp_path)
        offline.log_parameter("temperature", 0.5)
        offline.log_metric("score", 0.9, step=1)
        (tmp_path / "note.txt").write_text("a file")
        offline.log_file(str(tmp_path / "note.txt"))
    result = sync(tmp_path / "off")
    assert (result.parts, result.spans, result.runs) == (2, 2, ["experiment/real"])
    assert sync(tmp_path / "off").skipped == 2
    spans = load_spans(experiment_name="experiment", run_name="real")
    assert sorted(spans["name"]) == ["a", "b", "c", "d", "e"]
    assert any(key.endswith("note.txt") for key in _keys(s3, name))
    compact(experiment_name="experiment", grace=0)
    compact(experiment_name="experiment", grace=0)
    assert sorted(load_spans(experiment_name="experiment")["name"]) == ["a", "b", "c", "d", "e"]
    assert len([key for key in _keys(s3, name) if key.endswith(".jsonl")]) == 0


def test_pages_of_a_long_listing_on_seaweedfs(bucket):
    s3, name = bucket
    store = S3Store(s3, name, "many/langchain-traces")
    for number in range(1_100):
        store.put(f"part-{number:04d}.jsonl", b"")
    assert len(store.names()) == 1_100


def test_two_compactions_on_seaweedfs_do_not_meet(bucket, tmp_path):
    s3, name = bucket
    with BotoRun("experiment", "held") as run:
        _record(run, ["a"], tmp_path)

    def meanwhile(line: str) -> None:
        store = S3Store(s3, name, folder)
        assert store.create("compacted/_compacting.json", b"{}") is False

    (key,) = [key for key in _keys(s3, name) if key.endswith(".jsonl")]
    folder = key.rpartition("/")[0]
    assert compact(f"s3://{name}/{folder}", progress=meanwhile).spans == 1


_LINE = (
    b'{"trace_id":"t","span_id":"s","kind":"tool","status":"ok","name":"n","schema_version":1,'
    b'"start_time":"2026-01-01T00:00:00.000000Z","end_time":"2026-01-01T00:00:01.000000Z"}\n'
)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_server_that_ignores_if_none_match_is_found_out(monkeypatch, conditional):
    with naive_s3(conditional=conditional) as (address, objects):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        session = boto3.Session()
        objects["runs/langchain-traces/part-1.jsonl"] = _LINE
        source = "s3://bucket/runs/langchain-traces"
        assert len(load_spans(source, sagemaker_session=session)) == 1
        if conditional:
            assert compact(source, sagemaker_session=session).spans == 1
            assert min(objects).endswith("_manifest.json")
        else:
            with pytest.raises(CompactionError, match="ignores If-None-Match"):
                compact(source, sagemaker_session=session)
            assert list(objects) == ["runs/langchain-traces/part-1.jsonl"]
        assert len(load_spans(source, sagemaker_session=session)) == 1
