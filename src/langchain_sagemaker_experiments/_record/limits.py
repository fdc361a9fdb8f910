"""Limits of the services this package writes to, and of the package itself. One name, one source
each.

The service's own maxima stand in botocore's model of SageMaker (`service-2.json`, shapes named
beside each constant); the tests compare these constants with the installed botocore, so that a
change of the service shows up there.
"""

from __future__ import annotations

from typing import Final

# --- SageMaker, botocore service-2.json -----------------------------------------------------------
MAX_PARAMETERS: Final = 300
"""Parameters of a trial component (`TrialComponentParameters`: max 300)."""
MAX_PARAMETER_KEY: Final = 320
"""Characters of a parameter's name (`TrialComponentKey320`)."""
MAX_PARAMETER_STRING: Final = 2_500
"""Characters of a parameter's string value (`StringParameterValue`)."""
MAX_ARTIFACT_NAME: Final = 128
"""Characters of an artifact's name (`TrialComponentKey128`)."""
MAX_ARTIFACTS: Final = 60
"""Input, and output, artifacts of a trial component (`TrialComponentArtifacts`)."""
MAX_STATUS_MESSAGE: Final = 1_024
"""Characters of a trial component's status message (`TrialComponentStatusMessage`)."""
MAX_METRIC_NAME: Final = 255
"""Characters of a metric's name (`MetricName`)."""
MAX_METRICS_PER_CALL: Final = 10
"""Metrics of one BatchPutMetrics call (`RawMetricDataList`)."""

# --- our own, each a default that the handler lets the user change --------------------------------
DEFAULT_MAX_FIELD_BYTES: Final = 1024 * 1024
"""Bytes of one `inputs` or `outputs` value, as JSON, before it is truncated with a mark."""
DEFAULT_BUFFER_BYTES: Final = 64 * 1024 * 1024
"""Bytes of finished spans held in memory before they go over into the spool."""
DEFAULT_MAX_OPEN_SPANS: Final = 100_000
"""Spans that may be open at a time; past it the oldest is closed as cancelled."""
DEFAULT_ABANDONED_AFTER: Final = 3_600.0
"""Seconds after which, at a flush, an open span whose root has ended is closed as cancelled."""
DEFAULT_COMPACTION_GRACE: Final = 3_600.0
"""Seconds for which parts stay after they were compacted: a reader that listed them may still be
reading.
"""
MAX_EVENTS_PER_SPAN: Final = 1_000
"""Events kept on one span; the rest is counted in `langchain.dropped_events`."""
MAX_PART_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one uploaded part, about; a larger flush becomes several parts, which are sent and read
several at a time.
"""
MAX_REPR_CHARS: Final = 2_000
"""Characters of a `repr` that stands in for an object that has no JSON form."""
MAX_STACKTRACE_CHARS: Final = 20_000
"""Characters of a recorded stack trace; the end, which names the cause, is kept."""

# --- what readers take of data that anybody may have written --------------------------------------
MAX_EXPANDED_PART_BYTES: Final = 512 * 1024 * 1024
"""Bytes of a compressed part after decompression, and of the texts of one row group of a Parquet
file. Our own parts are about 16 MiB; a few MB of gzip can become gigabytes.
"""
MAX_SHARED_RECORD_BYTES: Final = 64 * 1024 * 1024
"""Bytes that shared values may add to one record, approximately. Lists of lists of references grow
exponentially.
"""
MAX_SHARED_PART_BYTES: Final = 8 * 1024**3
"""The same for all records of a part. 4,000 steps over a history of 1 MB take half of it."""
MAX_SHARED_PART_ITEMS: Final = 32_000_000
"""Items of shared lists that the records of a part may repeat; each takes 8 bytes of memory."""
MAX_FOREIGN_COLUMNS: Final = 1_000
"""Columns of a table for fields that this version does not know."""
