"""A few series, thin enough to travel to a page as JSON."""

from __future__ import annotations

import datetime

import polars as pl

from apps.datasets.reading.contracts import Sample

MAX_SERIES = 12
MAX_POINTS = 400


def take_samples(past: pl.DataFrame) -> tuple[Sample, ...]:
    """Series spread evenly over the sorted ids, each with its last 400 points."""
    ids = past["unique_id"].unique(maintain_order=True)
    step = max(1, -(-ids.len() // MAX_SERIES))
    return tuple(_sample(past, series_id) for series_id in ids.gather_every(step).head(MAX_SERIES).to_list())


def _sample(past: pl.DataFrame, series_id: str) -> Sample:
    points = past.filter(pl.col("unique_id") == series_id).select("ds", "y")
    tail = points.tail(MAX_POINTS)
    ds = tuple(value if isinstance(value, int) else spoken(value) for value in tail["ds"].to_list())
    return Sample(series_id, ds, tuple(tail["y"].to_list()), points.height)


def spoken(value: object) -> str:
    """A time as ISO text: only the date at midnight, whole numbers as they are."""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    return str(value)
