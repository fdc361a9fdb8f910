"""The span outside LangChain that a trace belongs to: OpenTelemetry's active one, or the one that
`traceparent` in the metadata names. As text it has the form of W3C's Trace Context.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

TRACEPARENT: Final = "traceparent"
"""The key in metadata, and the attribute of each span of the trace."""
_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(metadata: Any) -> str | None:
    """Return the span outside that a root span belongs to; None where there is none.

    Where the application has not imported OpenTelemetry, this is a look at `sys.modules`.
    """
    if metadata and isinstance(metadata, Mapping):
        told = metadata.get(TRACEPARENT)
        if isinstance(told, str) and _FORM.fullmatch(told):
            return told
    module = sys.modules.get("opentelemetry.trace")
    return None if module is None else _active(module)


def _active(module: Any) -> str | None:
    try:
        context = module.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        ids = f"{context.trace_id:032x}-{context.span_id:016x}"
        return f"00-{ids}-{int(context.trace_flags):02x}"
    except Exception:  # half imported, or something else of that name
        return None
