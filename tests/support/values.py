"""Values as a record holds them: encoded, and then what the record writer makes of them."""

from __future__ import annotations

from typing import Any

from langchain_sagemaker_experiments._delivery.outgoing_values import OutgoingValues
from langchain_sagemaker_experiments._encoding.encoder import Encoder
from langchain_sagemaker_experiments._langchain_values import value_kinds
from langchain_sagemaker_experiments._masking.masking import Masker


def written(value: Any, *, max_bytes: int | None = None, keep_media: bool = False) -> bytes:
    """JSON of a value as it stands in a record."""
    kinds = value_kinds(keep_media=keep_media)
    encoder = Encoder(kinds.choose, fields_of=kinds.fields_of)
    rules = OutgoingValues(
        Masker(secrets=False), lambda what: None, max_bytes=max_bytes, keep_media=keep_media
    )
    encoded = encoder.encode(value)
    outgoing = rules.of_part().outgoing(encoded.json, encoded.references)
    return rules.without_media(outgoing.join())
