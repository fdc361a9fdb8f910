"""Beyond one DataFrame: compaction to Parquet, forgetting, lazy reading with
Dask, tables for Athena, figures on either engine.
"""

from .athena import athena_ddl
from .compaction import Compacted, compact, compact_runs
from .forgetting import Forgotten, forget
from .scan import scan_spans

__all__ = [
    "Compacted",
    "Forgotten",
    "athena_ddl",
    "compact",
    "compact_runs",
    "forget",
    "scan_spans",
]
