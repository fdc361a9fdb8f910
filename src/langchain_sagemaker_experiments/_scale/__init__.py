"""Beyond one DataFrame: compaction to Parquet, lazy reading with Dask, tables for Athena, figures
on either engine.
"""

from .athena import athena_ddl
from .compaction import Compacted, compact, compact_runs
from .scan import scan_spans

__all__ = ["Compacted", "athena_ddl", "compact", "compact_runs", "scan_spans"]
