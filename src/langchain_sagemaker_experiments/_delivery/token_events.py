"""The pieces of a stream, recorded as events: a secret may be spread over several of them."""

from __future__ import annotations

from typing import Any

from .._masking.masking import Masker
from .._masking.text_masking import MARK

Event = dict[str, Any]


def mask_tokens(events: list[Event], masker: Masker) -> list[Event]:
    """Return events in which secrets are masked in the text that `token` events make together.

    The pieces are joined, looked at, and split again where they were: the mark stands in the piece
    in which the secret begins, and the others lose what belonged to it.
    """
    places = [
        place
        for place, event in enumerate(events)
        if event.get("name") == "token" and isinstance(_token(event), str)
    ]
    pieces = [_token(events[place]) for place in places]
    spans = masker.spans("".join(pieces)) if len(pieces) > 1 else []
    if not spans:
        return events
    events = list(events)
    for place, piece in zip(places, _without_spans(pieces, spans), strict=True):
        attributes = {**events[place]["attributes"], "token": piece}
        events[place] = {**events[place], "attributes": attributes}
    return events


def _token(event: Event) -> Any:
    attributes = event.get("attributes")
    return attributes.get("token") if isinstance(attributes, dict) else None


def _without_spans(pieces: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """Return the pieces with the spans, which count characters of all of them, masked."""
    masked = []
    begin = 0
    for piece in pieces:
        end, done, kept = begin + len(piece), begin, ""
        for start, stop in spans:
            if stop <= begin or start >= end:
                continue
            kept += piece[done - begin : max(start, begin) - begin]
            kept += MARK if start >= begin else ""
            done = min(stop, end)
        masked.append(kept + piece[done - begin :])
        begin = end
    return masked
