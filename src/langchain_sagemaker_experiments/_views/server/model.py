"""What a window knows: an index that follows its source, and answers that are more than a query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from ..._analysis.example_file import add_example, examples_address
from ..._analysis.prices import Prices, rates_of
from ..._analysis.trace_examples import example_of_span
from ..._query.cache import cache_size, open_index
from ..._query.costs import Costs
from ..._query.follow import Follower
from ..._query.listing import Source
from ..._query.questions import Questions
from ..._query.records import PartReader, merged, pick
from ..._query.search import Searches
from ..._reading import to_frame
from ..._reading.scores import attach_scores, scores_by_trace
from ..._record.cells import json_bytes
from ..._record.schema import OWNERS
from ..._storage.keys import run_folder_of
from ...exceptions import SpanReadError
from ..report.score_pairs import score_pair
from .live_comparison import live_comparison
from .live_structure import live_architectures
from .prepare_pool import prepare_on_all_cores

_SCORED: Final = 20_000
"""Scored traces of two runs that are compared, the newest."""
_TURNS: Final = 100
"""Traces of a session that are shown as a chat, the newest."""


class Model:
    """Everything behind one window but the server.

    Args:
        where: the source.
        read_only: take no scores.
        prices: a table that goes before that of `genai-prices`.
        examples: the file or folder that traces are added to; None for `examples.jsonl` in the
            source.
        on_change: called, from a thread, when there is something new.
    """

    def __init__(
        self,
        where: Source,
        read_only: bool,
        prices: Prices | None,
        examples: str | None,
        on_change: Callable[[], None],
    ) -> None:
        place = examples or where.place_of_examples
        self._examples = None if place is None else examples_address(place)
        self._where = where
        self._read_only = read_only
        self._on_change = on_change
        self.index = open_index(where.title)
        self.questions = Questions(self.index)
        self._costs = Costs(
            self.index, lambda model, provider, day: rates_of(model, provider, day, prices)
        )
        self._costs.update()
        self._searches = Searches(self.index)
        self._reader = PartReader()
        self._follower = Follower(where, self.index, prepare_on_all_cores, self._changed)

    def start(self) -> None:
        """Begin to follow the source."""
        self._follower.start()

    def close(self) -> None:
        """Stop, and let the index go."""
        self._follower.stop()
        self.index.close()

    def refresh(self) -> None:
        """Look at the source now."""
        self._follower.refresh()

    def _changed(self) -> None:
        self._costs.update()
        self._on_change()

    def state(self) -> dict[str, Any]:
        """Return what the page shows of the window itself."""
        place = self._where.title if self._where.source is not None else None
        return {
            "source": self._where.title,
            "place": place,
            "read_only": self._read_only,
            "examples": self._examples,
            "changed": self.index.changed,
            "choices": self.questions.choices(),
            "cache": str(self.index.path),
            "cache_bytes": cache_size(),
            "how": _how(self._where),
            **self.questions.counts(),
            **self._follower.status.as_dict(),
        }

    # --- traces and spans -----------------------------------------------------------------------
    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return a trace's row and spans, as the timeline shows them.

        Raises:
            LookupError: there is none.
        """
        found = self.questions.trace(trace_id)
        if found is None:
            raise LookupError(f"There is no trace {trace_id} here.")
        return found

    def span(self, span_id: str) -> dict[str, Any]:
        """Return the whole record of a span, as the page shows it.

        Raises:
            LookupError: there is none.
        """
        trace_id = self.questions.trace_of(span_id)
        records = self._records([trace_id], [span_id]) if trace_id is not None else []
        for record in records:
            if record["span_id"] == span_id:
                return _shown(record)
        raise LookupError(f"There is no span {span_id} here.")

    def _records(
        self, trace_ids: list[str], span_ids: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Return whole records of traces, of some of their spans or all.

        Raises:
            LookupError: a part is gone; the next look at the source finds what took its place.
        """
        by_part: dict[tuple[str, int], list[dict[str, Any]]] = {}
        owners: dict[str, dict[str, Any]] = {}
        for place in self.questions.places(trace_ids, span_ids):
            by_part.setdefault((place["address"], place["count"]), []).append(place)
            owners[place["span_id"]] = {name: place[name] for name in OWNERS}
        listing = self._follower.listing
        records: list[Any] = []
        for (address, count), places in by_part.items():
            part = listing.parts.get(address)
            if part is None:
                raise LookupError("This trace is being moved. Try again in a moment.")
            try:
                data = self._reader.bytes_of(part, listing.fingerprints[address])
            except SpanReadError as error:
                raise LookupError(str(error)) from error
            records += pick(address, data, places, count)
        for record in records:
            record.update(owners.get(record["span_id"], {}))
        return merged(records)

    def find(self, trace_id: str, text: str) -> list[str]:
        """Return the spans of a trace that hold a text anywhere."""
        wanted = orjson.dumps(text.lower())[1:-1].decode()
        return [
            record["span_id"]
            for record in self._records([trace_id])
            if wanted in json_bytes(record).decode("utf-8", "replace").lower()
        ]

    def chat(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the turns of a conversation: the row and the first span of each trace, in order
        of time.
        """
        rows = self.questions.traces(filters, "start", True, 0, _TURNS)["rows"]
        traces, roots = ([row[name] for row in rows] for name in ("trace_id", "root"))
        found = {record["span_id"]: record for record in self._records(traces, roots)}
        return [
            {"row": row, "root": _shown(found[row["root"]])}
            for row in reversed(rows)
            if row["root"] in found
        ]

    def search(self, text: str) -> Iterator[dict[str, Any]]:
        """Search whole texts, and yield how far it is."""
        return self._searches.run(text, list(self._follower.listing.parts.values()))

    # --- runs and applications ------------------------------------------------------------------
    def comparison(self) -> dict[str, Any]:
        """Return what the comparison of runs shows."""
        return live_comparison(self.index)

    def pair(self, baseline: str, candidate: str) -> dict[str, Any]:
        """Return two runs side by side, example by example, of their newest scored traces."""
        traces = self.questions.scored_traces([baseline, candidate], _SCORED)
        records = self._records(traces)
        attach_scores(records, scores_by_trace(self._follower.scores.records()))
        return score_pair(to_frame(records), baseline, candidate)

    def architectures(self) -> list[dict[str, Any]]:
        """Return what the drawings of the applications show."""
        return live_architectures(self.questions)

    # --- scores ---------------------------------------------------------------------------------
    def score(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Write a score to the source.

        Raises:
            ValueError: the window is read only, or the score is none.
            LookupError: there is no such trace.
            TrackerError: the score could not be written.
        """
        if self._read_only:
            raise ValueError("This window is read only.")
        trace_id = str(given.get("trace_id", ""))
        places = self.questions.places([trace_id])
        if not places:
            raise LookupError(f"There is no trace {trace_id} here.")
        from ..._evaluation.score_log import log_score

        span_id, comment = given.get("span_id"), given.get("comment")
        score_id = log_score(
            run_folder_of(places[0]["address"]),
            trace_id,
            str(span_id) if span_id is not None else None,
            key=str(given.get("key", "")),
            score=given.get("score"),
            comment=str(comment) if comment is not None else None,
            sagemaker_session=self._where.sagemaker_session,
        )
        self._follower.refresh()
        return {"score_id": score_id}

    def add_example(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Add a trace, or a span of one, to the file of examples.

        Raises:
            ValueError: the window is read only, has no place for examples, or the span no inputs.
            LookupError: there is no such trace or span.
            TrackerError: the example could not be written.
        """
        if self._read_only:
            raise ValueError("This window is read only.")
        if self._examples is None:
            raise ValueError(
                "This window has no place for examples: give view(examples=…), or --examples."
            )
        trace_id, span_id = str(given.get("trace_id", "")), given.get("span_id")
        records = self._records([trace_id])
        if not records:
            raise LookupError(f"There is no trace {trace_id} here.")
        attach_scores(records, scores_by_trace(self._follower.scores.records()))
        example = example_of_span(records, None if span_id is None else str(span_id))
        count = add_example(
            example, self._examples, sagemaker_session=self._where.sagemaker_session
        )
        return {"id": example["id"], "place": self._examples, "count": count}


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    from ..._query.columns import microseconds_of

    for name, short in (("start_time", "start"), ("end_time", "end")):
        at = microseconds_of(record.pop(name, None))
        record[short] = at / 1e3 if at is not None else None
    record.pop("line", None)
    record.pop("shared", None)
    return record


def _how(where: Source) -> str:
    """Return the lines that record into this source."""
    folder = where.folder
    run = (
        f'OfflineRun({str(folder)!r}, experiment_name="my-experiment", run_name="my-run")'
        if folder is not None
        else 'Run(experiment_name="my-experiment", run_name="my-run")'
    )
    name = "OfflineRun" if folder is not None else "SageMakerCallbackHandler"
    names = "OfflineRun, SageMakerCallbackHandler" if folder is not None else name
    return (
        f"from langchain_sagemaker_experiments import {names}\n\n"
        f"with {run} as run:\n"
        "    with SageMakerCallbackHandler(run) as handler:\n"
        '        chain.invoke({"topic": "fish"}, config={"callbacks": [handler]})\n'
    )
