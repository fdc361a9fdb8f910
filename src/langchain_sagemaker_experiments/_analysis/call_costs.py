"""Costs as columns of a frame of spans, pandas or Dask."""

from __future__ import annotations

from typing import Any

from .._record.cells import has_value
from .._record.model_facts import MODEL_KINDS, usage_of
from .prices import RatesOf, cost_of, rates_of_call


def with_costs(frame: Any, rates: RatesOf) -> Any:
    """Return the frame with `cost`, dollars or NaN, and `unpriced`, True of a model call without a
    known price.
    """
    names = [name for name in _NEEDED if name in frame.columns]
    if hasattr(frame, "map_partitions"):
        meta = {**frame.dtypes.to_dict(), "cost": "float64", "unpriced": "bool"}
        return frame.map_partitions(_add, names, rates, meta=meta)
    return _add(frame, names, rates)


_NEEDED = ("kind", "start_time", "attributes", "model", "input_tokens", "output_tokens")


def _add(frame: Any, names: list[str], rates: RatesOf) -> Any:
    columns = [frame[name].tolist() for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    found = [_priced(row, rates) for row in rows]
    return frame.assign(
        cost=[dollars for dollars, _ in found], unpriced=[unpriced for _, unpriced in found]
    ).astype({"cost": "float64", "unpriced": "bool"})


def _priced(row: dict[str, Any], rates: RatesOf) -> tuple[float, bool]:
    if row["kind"] not in MODEL_KINDS:
        return float("nan"), False
    if "attributes" in row:
        attributes = row["attributes"] if has_value(row["attributes"]) else {}
        record = {"attributes": attributes, "start_time": row.get("start_time")}
        tiers, usage = rates_of_call(record, rates), usage_of(attributes)
    else:  # a frame of fewer columns: what is told of caches is not there
        model = row["model"] if isinstance(row["model"], str) else None
        tiers = rates(model, None, None)
        usage = tuple(_count(row[name]) for name in ("input_tokens", "output_tokens")) + (None,) * 3
    dollars = cost_of(usage, tiers)
    return (float("nan") if dollars is None else dollars), not tiers


def _count(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):  # None, NaN, pandas' NA
        return None
