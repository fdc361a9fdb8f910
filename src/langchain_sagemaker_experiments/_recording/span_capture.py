"""The start, the end and the failure of a span, with values taken at the moment: what callbacks and
spans by hand share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .._record.model_facts import MODEL_KINDS
from .._record.schema import Status
from .live_span import LiveSpan, bytes_of
from .outcome import describe_error, status_of

if TYPE_CHECKING:
    from .._encoding.encoder import Encoded
    from .._langchain_values import ComponentCache
    from .._record.kept import Kept
    from .open_spans import Recorder

logger = logging.getLogger(__name__)

_MAX_LOGGED_FAULTS: Final = 20

innermost: ContextVar[tuple[UUID, UUID | None] | None] = ContextVar(
    "sagemaker_manual_span", default=None
)
"""The innermost span by hand of this context, and the LangChain run it was opened in."""


class Capture:
    """Takes values and tells the recorder. What goes wrong is counted, logged once, and reported by
    the next flush.
    """

    _recorder: Recorder
    _components: ComponentCache
    _faults: dict[str, int]
    _encode: Callable[[Any], bytes]
    _encode_metadata: Callable[[Any], bytes]
    _take: Callable[[Any], bytes | Encoded | Kept]
    _parent_here: Callable[..., UUID | None]

    def _fault(self, where: str, error: Exception) -> None:
        what = f"{where}: {type(error).__name__}: {error}"[:300]
        if what not in self._faults and len(self._faults) < _MAX_LOGGED_FAULTS:
            logger.warning(
                "SageMakerCallbackHandler could not record all of an event: %s",
                what,
                exc_info=error,
            )
        elif what not in self._faults:
            what = "other faults"
        self._faults[what] = self._faults.get(what, 0) + 1

    def _start(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        kind: str,
        name: str,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        tags: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
    ) -> LiveSpan:
        # Most starts have a parent and lie in no span by hand: then LangChain's word is all there
        # is.
        if (parent_run_id is None or innermost.get() is not None) and (
            run_id is not None or self._recorder.current(None) is None
        ):
            parent_run_id = self._parent_here(parent_run_id)
        span = self._recorder.start(run_id, parent_run_id, kind, name)
        if span.sampled:
            taken = span.inputs = self._take(inputs)
            # The commonest cases without a call; so at the end.
            span.size += (
                len(taken) if type(taken) is str or type(taken) is bytes else bytes_of(taken)
            )
            if tags:
                span.tags = list(tags)
            if metadata:
                # That of models comes again, that of a graph's steps never does.
                span.metadata = (
                    self._encode_metadata(metadata)
                    if kind in MODEL_KINDS
                    else self._encode(metadata)
                )
            if serialized:
                span.component = self._components.encode(serialized)
        return span

    def _end(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        kinds: tuple[str, ...],
        outputs: Any,
        status: Status = "ok",
    ) -> LiveSpan:
        span = self._recorder.end(run_id, parent_run_id, status, kinds, kinds[0])
        if span.sampled and outputs is not None:
            taken = span.outputs = self._take(outputs)
            span.size += (
                len(taken) if type(taken) is str or type(taken) is bytes else bytes_of(taken)
            )
        return span

    def _fail(
        self,
        run_id: UUID | None,
        parent_run_id: UUID | None,
        kinds: tuple[str, ...],
        error: BaseException,
        outputs: Any = None,
    ) -> LiveSpan:
        status = status_of(error)
        span = self._end(run_id, parent_run_id, kinds, outputs, status)
        if status == "error":
            span.error = describe_error(error)
            span.size += len(span.error["stacktrace"] or "")
        else:
            span.attributes = {
                **(span.attributes or {}),
                f"langchain.{status}_by": type(error).__name__,
            }
            if status == "interrupted":
                self._recorder.add_event(span, "interrupt", self._encode(error.args), span.end_ns)
        return span

    def _as_it_is(self, value: Any) -> Any:
        """Return a plain value that no later change of `value` reaches, for an attribute."""
        if value is None or type(value) in (str, bool, float):
            return value
        import orjson

        return orjson.loads(self._encode(value))

    def _event(
        self, name: str, data: Any, run_id: UUID | None, kinds: tuple[str, ...] = ()
    ) -> None:
        span = self._recorder.current(run_id, kinds)
        if span is None:
            self._faults[f"{name} of an unknown run"] = (
                self._faults.get(f"{name} of an unknown run", 0) + 1
            )
        elif span.sampled:
            self._recorder.add_event(span, name, self._encode(data))
