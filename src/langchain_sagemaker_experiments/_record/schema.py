"""The span record: its version, kinds and statuses, and the attributes by which records are merged.

`docs/record.md` describes the format for users.
"""

from __future__ import annotations

from typing import Final, Literal

SCHEMA_VERSION: Final = 1

# Attributes of the record that say how a span was seen; readers put records together by them.
START_SEEN: Final = "langchain.start_seen"
"""False on the record of an end whose start was not seen."""
LATE_END: Final = "langchain.late_end"
"""True where that end belongs to a span that was recorded before."""
CLOSED_BECAUSE: Final = "langchain.closed_because"
"""Why a span that never ended was closed as cancelled."""
ARCHITECTURE: Final = "langchain.architecture"
"""True on a record that is no call but the graph of a runnable, in `component`, from
`log_architecture`.
"""

Kind = Literal[
    "chain",
    "llm",
    "chat_model",
    "tool",
    "agent",
    "retriever",
    "prompt",
    "parser",
    "embedding",
    "custom",
]
Status = Literal["ok", "error", "interrupted", "cancelled", "running"]

KINDS: Final[frozenset[str]] = frozenset(
    (
        "chain",
        "llm",
        "chat_model",
        "tool",
        "agent",
        "retriever",
        "prompt",
        "parser",
        "embedding",
        "custom",
    )
)
