"""`log_architecture` on a handler: LangChain's own graph of a runnable, recorded beside the
spans.
"""

from __future__ import annotations

from typing import Any

from .._record.schema import ARCHITECTURE
from .open_spans import new_id
from .span_capture import Capture


class ArchitectureLog(Capture):
    """The part of the handler that records how an application is built, not what it did."""

    def log_architecture(self, runnable: Any, name: str | None = None) -> str:
        """Record the graph of a runnable: its nodes and what they were built with, its edges, its
        subgraphs.

        It goes to the Run with the next flush, as a record with
        `attributes["langchain.architecture"]` and the graph in `component`; reports show it as a
        drawing. Traces show their own components without it.

        Args:
            runnable: a chain, a compiled LangGraph, an agent, any LangChain runnable.
            name: what is shown for it; the runnable's own name by default.

        Returns:
            The id of the record.

        Raises:
            TypeError: it is no runnable.
        """
        from .._langchain_values import graph_of

        graph = graph_of(runnable)
        shown = name or str(graph["name"])
        span = self._recorder.start(new_id(), None, "custom", shown)
        # Not one of the traces that a sample is taken of: it was asked for by name.
        span.sampled = True
        span.component = self._encode(
            {
                "type": "graph",
                "name": shown,
                "graph": {key: graph[key] for key in ("nodes", "edges")},
            }
        )
        span.attributes = {ARCHITECTURE: True}
        self._recorder.close(self._recorder.end(span.run_id, None, "ok", ("custom",), "custom"))
        return str(span.span_id)
