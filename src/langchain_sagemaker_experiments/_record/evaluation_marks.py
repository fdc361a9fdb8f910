"""What `evaluate` writes into the metadata of a trace's root, so that readers know its example."""

from __future__ import annotations

from typing import Final

EVALUATION_ID: Final = "evaluation_id"
EXAMPLE_ID: Final = "example_id"
EXAMPLE_HASH: Final = "example_hash"
REPETITION: Final = "repetition"
EVALUATED_TRACE: Final = "evaluated_trace_id"
"""In the root of an evaluator's trace: the trace that it judges."""
EVALUATOR_KIND: Final = "evaluator"
"""The kind of that root. What a judge spends does not count as the application's."""
