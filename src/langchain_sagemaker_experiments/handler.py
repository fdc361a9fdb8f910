"""`SageMakerCallbackHandler`: the public face. Its arguments, its run, its flushes; LangChain's
callbacks are in `_recording.langchain_events`, its parts are put together in `_delivery.assembly`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from ._masking.masked_logger import masked_logger
from ._record.limits import (
    DEFAULT_ABANDONED_AFTER,
    DEFAULT_BUFFER_BYTES,
    DEFAULT_MAX_FIELD_BYTES,
    DEFAULT_MAX_OPEN_SPANS,
)
from ._recording.arguments import check_settings, content_is_recorded
from ._recording.faults import Faults
from ._recording.ids import as_uuid
from ._recording.langchain_events import LangChainEvents
from ._recording.spans_by_hand import SpansByHand

if TYPE_CHECKING:
    from ._delivery.flush_result import FlushResult
    from ._destinations.otlp import Backend
    from ._masking.masking import Redact

logger = masked_logger(__name__)


class SageMakerCallbackHandler(LangChainEvents, SpansByHand):
    """Records every LLM, chat model, chain, tool, agent and retriever call as a span, and uploads
    them to a SageMaker Run.

    Pass it wherever LangChain takes callbacks; call `flush_tracker()` inside the `with Run(...)`,
    or use the handler as a context manager, which flushes when it is left. One handler serves any
    number of threads and tasks at a time, sync and async, and goes on working after a flush.

    Args:
        run: a `Run` of sagemaker 2.x or 3.x, an `OfflineRun`, or any object with `log_file` (and,
            where it has them, `log_parameters` and `log_metric`). None takes the Run of the `with
            Run(...)` that surrounds the flush.
        durable: write each span to disk as it ends, so that it survives even a killed process.
        spool_dir: folder for what does not fit into memory or could not be uploaded; the platform's
            own place by default.
        redact: `"secrets"` masks what looks like a secret or has a telling name. A function
            additionally sees each string that is recorded, first, and returns what may be recorded
            in its place; a field for which it raises is withheld. None records everything as it is.
        extra_args: passed to every S3 upload, as boto3's `ExtraArgs`: `ServerSideEncryption`,
            `SSEKMSKeyId`, `StorageClass`, `Tagging`, `ExpectedBucketOwner`, …
        max_field_bytes: bound of one span's `inputs` or `outputs` in bytes of JSON; longer ones are
            truncated with marks of true size and SHA-256. None keeps them whole. Default: 1 MiB.
        keep_media: keep base64 images, sound and files in messages instead of their media type,
            size and SHA-256.
        buffer_bytes: bytes of finished spans held in memory before they go over into the spool.
            Default: 64 MiB.
        sample_rate: share of traces to record, 0 to 1. A trace is recorded whole or not at all; one
            that has an error, is slower than `keep_slower_than`, or is scored with `log_score`
            before it ends is recorded in any case. Until a trace ends, its spans are held.
        keep_slower_than: seconds; with `sample_rate`, traces that take at least as long are
            recorded in any case.
        record_tokens: record every streamed token as an event; by default only their count and the
            time of the first.
        max_open_spans: spans open at a time; beyond it the oldest is closed as cancelled. Default:
            100,000.
        flush_interval: seconds between flushes from a background thread; None, the default, for
            flushes by hand only.
        flush_bytes: with `flush_interval`, also flush once this many bytes wait.
        record_content: False leaves prompts, outputs, arguments and messages of errors out: shape,
            times, tokens, models and kinds of errors stay. By default True, unless the environment
            variable `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is false.
        record_provenance: record git commit and dirty flag, versions and prompt templates for
            comparisons of runs, and as parameters of the Run; found out at the flush.
        run_inline: handle the events of async calls in place. LangChain then skips other handlers
            that are not inline at the start of completion models called asynchronously
            (langchain#39633); False gives them all events, and costs a thread for each event.
        forward: backends that get every finished span once its part is stored, such as
            `[Otlp("http://localhost:4318/v1/traces")]` or `[CloudWatch(region="us-east-1")]`.
            "otel" takes the one that OpenTelemetry's environment variables name. A backend that is
            down or slow delays no flush. Needs the extra `otlp`.
        forward_timeout: seconds that closing and the end of the process wait for backends.
        abandoned_after: seconds after which, at a flush, an open span is closed as cancelled when
            its root has ended (24 times as long while the root is open, or for a root). Default:
            one hour.

    Raises:
        DestinationError: `run` can't take records.
        ValueError: another argument is not what it must be.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from langchain_sagemaker_experiments import OfflineRun, SageMakerCallbackHandler
        >>> run = OfflineRun("runs", experiment_name="jokes", run_name="first")
        >>> handler = SageMakerCallbackHandler(run)
        >>> model = FakeListChatModel(responses=["Blub."])
        >>> answer = model.invoke("a joke", config={"callbacks": [handler]})
        >>> handler.flush_tracker().spans
        1
    """

    def __init__(
        self,
        run: Any = None,
        *,
        durable: bool = False,
        spool_dir: str | Path | None = None,
        redact: Redact | Literal["secrets"] | None = "secrets",
        extra_args: Mapping[str, Any] | None = None,
        max_field_bytes: int | None = DEFAULT_MAX_FIELD_BYTES,
        keep_media: bool = False,
        buffer_bytes: int = DEFAULT_BUFFER_BYTES,
        sample_rate: float = 1.0,
        keep_slower_than: float | None = None,
        record_tokens: bool = False,
        record_content: bool | None = None,
        record_provenance: bool = False,
        run_inline: bool = True,
        max_open_spans: int = DEFAULT_MAX_OPEN_SPANS,
        abandoned_after: float = DEFAULT_ABANDONED_AFTER,
        flush_interval: float | None = None,
        flush_bytes: int | None = None,
        forward: Sequence[Backend] | Literal["otel"] = (),
        forward_timeout: float = 5.0,
    ) -> None:
        check_settings(
            spool_dir=spool_dir,
            redact=redact,
            extra_args=extra_args,
            max_field_bytes=max_field_bytes,
            buffer_bytes=buffer_bytes,
            sample_rate=sample_rate,
            keep_slower_than=keep_slower_than,
            record_content=record_content,
            max_open_spans=max_open_spans,
            abandoned_after=abandoned_after,
            flush_interval=flush_interval,
            flush_bytes=flush_bytes,
        )
        # Imported here: it loads orjson, botocore and the table of secrets, which a program that
        # only imports the name of this class does not need.
        from ._delivery.assembly import HandlerSettings, assemble
        from ._forwarding import Forwarding

        faults = Faults()
        self._forwarding = Forwarding(faults.count, forward, spool_dir)
        self._forward_timeout = forward_timeout
        self._parts = assemble(
            HandlerSettings(
                durable=durable,
                spool_dir=spool_dir,
                redact=redact,
                max_field_bytes=max_field_bytes,
                keep_media=keep_media,
                buffer_bytes=buffer_bytes,
                sample_rate=sample_rate,
                keep_slower_than=keep_slower_than,
                record_content=content_is_recorded(record_content),
                max_open_spans=max_open_spans,
                abandoned_after=abandoned_after,
                flush_interval=flush_interval,
                flush_bytes=flush_bytes,
                record_provenance=record_provenance,
            ),
            dict(extra_args or {}),
            self._forwarding.with_backends,
            self._forwarding.key,
            faults,
        )
        capture = self._parts.capture
        LangChainEvents.__init__(self, capture, record_tokens=record_tokens, run_inline=run_inline)
        SpansByHand.__init__(self, capture, self._parts.manual)
        self._parts.route.set_run(run)

    # --- the run ----------------------------------------------------------------------------------
    @property
    def run(self) -> Any:
        """The run given to this handler; None takes the one that surrounds its calls, or the flush.
        Setting another one is allowed.
        """
        return self._parts.route.run

    @run.setter
    def run(self, run: Any) -> None:
        self._parts.route.set_run(run)

    def wait_forwarded(self, timeout: float | None = None) -> int:
        """Wait until the backends have taken what was flushed; return how many parts still wait.

        Args:
            timeout: seconds to wait at most; `forward_timeout` by default.
        """
        seconds = self._forward_timeout if timeout is None else timeout
        return self._forwarding.wait(seconds, self._parts.route.wait_forwarded)

    # --- flushing ---------------------------------------------------------------------------------
    def flush_tracker(self) -> FlushResult:
        """Upload all that is recorded to the Run, log parameters and metrics, and reset the
        counters.

        Spans still open are written with status `running`; their final record replaces them when
        they are read. The handler goes on working. In a notebook a line says where it all went.

        Returns:
            What was written: `.spans` (a count), `.uris`, `.bytes`, `.parameters`, `.metrics`,
                `.faults`.

        Raises:
            FlushError: the upload failed. Nothing is lost: what has not arrived is kept, and the
                next flush sends it.
        """
        result = self._parts.route.flush()
        if "IPython" in sys.modules:
            from ._views.notebook import announce

            announce(result)
        return result

    def log_score(
        self,
        trace_id: str,
        span_id: str | None = None,
        *,
        key: str,
        score: bool | int | float | str | None,
        comment: str | None = None,
        correction: Any = None,
        source: Literal["human", "code", "model"] = "human",
        author: str | None = None,
    ) -> str:
        """Record what somebody thinks of a trace; it goes to the Run with the next flush.

        Args:
            trace_id: the trace, as `current_trace_id()` or `load_spans` tell it.
            span_id: a span within it; None for the whole trace.
            key: what is scored, such as `helpful`.
            score: a number, yes or no, or a text; None withdraws what the author said before.
            comment: why.
            correction: what the outputs should have been; `examples_from_spans` takes it.
            source: who scores.
            author: a name or id of whoever scores; of two scores of one author the later counts.

        Returns:
            The id of the score record.

        Raises:
            ValueError: an argument is not what a score record can hold.
        """
        from ._record.score import make_score

        record = make_score(
            trace_id,
            span_id,
            key=key,
            score=score,
            comment=comment,
            correction=correction,
            source=source,
            author=author,
        )
        self._parts.route.add_scores([record])
        if self._parts.open_spans.sampling is not None:
            self._parts.open_spans.sampling.keep(as_uuid(trace_id))
        return str(record["score_id"])

    async def aflush_tracker(self) -> FlushResult:
        """Do what `flush_tracker` does without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(self.flush_tracker)

    def close(self) -> None:
        """Stop the background flush, if there is one, and flush what waits.

        Raises:
            FlushError: the flush failed; what waits is kept.
        """
        self._parts.route.stop_background()
        if self._parts.route.is_waiting:
            self.flush_tracker()
        self.wait_forwarded()

    @property
    def open_spans(self) -> int:
        """How many spans are open now."""
        return len(self._parts.open_spans.by_run)

    @property
    def pending_spans(self) -> int:
        """How many finished spans no flush has written yet, in memory and on disk."""
        return self._parts.route.pending_spans

    def __enter__(self) -> SageMakerCallbackHandler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._parts.route.leaving(error):
            self.flush_tracker()
            self.wait_forwarded()

    async def __aenter__(self) -> SageMakerCallbackHandler:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._parts.route.leaving(error):
            await self.aflush_tracker()

    def __del__(self) -> None:
        """A handler that nobody holds any more leaves what it has not flushed to its Run, or puts
        it on disk and says where.
        """
        if not hasattr(self, "_parts"):  # it was never made as a whole
            return
        try:
            self._parts.route.give_up()
        except Exception as error:
            logger.warning("Spans of a handler that was given up could not be kept: %s", error)

    def __copy__(self) -> SageMakerCallbackHandler:
        """Copies of a model or chain go on recording here."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SageMakerCallbackHandler:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A SageMakerCallbackHandler can't be pickled: what it records belongs to this process. "
            "In each worker, open the Run "
            "with load_run (an OfflineRun by its names) and make a handler there; record_calls "
            "needs no callbacks in what you send."
        )

    def __repr__(self) -> str:
        return (
            f"SageMakerCallbackHandler(run={self.run!r}, pending_spans={self.pending_spans}, "
            f"open_spans={self.open_spans})"
        )
