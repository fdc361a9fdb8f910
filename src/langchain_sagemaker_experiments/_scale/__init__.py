"""Beyond one DataFrame: compaction to Parquet, lazy reading with Dask, tables for Athena, figures on either engine."""

from ._compact import Compacted, compact
from ._ddl import athena_ddl
from ._figures import cost, repeated_prompts, slowest_traces, summarize
from ._scan import scan_spans

__all__ = ["Compacted", "athena_ddl", "compact", "cost", "repeated_prompts", "scan_spans", "slowest_traces", "summarize"]
