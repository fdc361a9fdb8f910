"""Scores as assessments of MLflow: feedback on the trace or the span that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from .._conventions.genai import span_id, trace_id
from ..exceptions import import_extra
from .otlp import Answer

_SOURCES: Final = {"human": "HUMAN", "code": "CODE", "model": "LLM_JUDGE"}
"""Sources of scores → `mlflow.entities.AssessmentSourceType`."""
_SCORE_ID: Final = "score_id"
_TIME: Final = "time"
_AGAIN: Final = (408, 429, 502, 503, 504)


def send_score(tracking_uri: str, score: Mapping[str, Any]) -> Answer:
    """Make a score an assessment; one that is there already stays one. Raises nothing.

    A later score of the same author, key and span takes the place of the earlier one, and one
    without a value takes it away, as readers of scores see it.
    """
    try:
        client = import_extra("mlflow.tracing.client", "mlflow", "An MLflow run").TracingClient(
            tracking_uri
        )
        _put(client, f"tr-{trace_id(score['trace_id'])}", score)
    except Exception as error:
        status = getattr(error, "get_http_status_code", lambda: 503)()
        return Answer(
            False, again=status in _AGAIN, message=f"{type(error).__name__}: {error}"[:300]
        )
    return Answer(True)


def _put(client: Any, trace: str, score: Mapping[str, Any]) -> None:
    rivals = [one for one in client.get_trace_info(trace).assessments if _is_rival(one, score)]
    if any(one.metadata[_TIME] >= score["time"] for one in rivals):
        return  # this one, sent before, or a later one
    for one in rivals:
        client.delete_assessment(trace, one.assessment_id)
    if score.get("score") is not None or score.get("error"):
        client.log_assessment(trace, _feedback(trace, score))


def _is_rival(assessment: Any, score: Mapping[str, Any]) -> bool:
    """Return True for a score of ours that the same author gave to the same thing."""
    return (
        _SCORE_ID in (assessment.metadata or {})
        and assessment.name == score["key"]
        and assessment.source.source_id == _author(score)
        and assessment.metadata.get("evaluation_id", "") == (score.get("evaluation_id") or "")
        and assessment.span_id == _span(score)
    )


def _author(score: Mapping[str, Any]) -> str:
    return str(score.get("author") or score["source"])


def _span(score: Mapping[str, Any]) -> str | None:
    return span_id(score["span_id"]) if score.get("span_id") else None


def _feedback(trace: str, score: Mapping[str, Any]) -> Any:
    entities = import_extra("mlflow.entities", "mlflow", "An MLflow run")
    error = score.get("error")
    told = {name: score.get(name) for name in ("evaluation_id", "example_id", "correction")}
    return entities.Feedback(
        name=score["key"],
        value=score.get("score"),
        error=(
            entities.AssessmentError(
                error_code=str(error.get("type") or "error"),
                error_message=str(error.get("message") or ""),
            )
            if isinstance(error, Mapping)
            else None
        ),
        source=entities.AssessmentSource(_SOURCES[score["source"]], _author(score)),
        trace_id=trace,
        span_id=_span(score),
        rationale=score.get("comment"),
        metadata={
            _SCORE_ID: score["score_id"],
            _TIME: score["time"],
            **{
                name: value if isinstance(value, str) else orjson.dumps(value).decode()
                for name, value in told.items()
                if value is not None
            },
        },
    )
