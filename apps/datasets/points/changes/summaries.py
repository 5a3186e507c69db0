"""How much a version holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from apps.datasets.points import state
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import Time


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the current table: its rows and series, and the first and last time (None where there are no rows)."""

    rows: int
    series_count: int
    first_ds: Time | None
    last_ds: Time | None


def summary(entries: Sequence[Entry]) -> Summary:
    """The summary of a version; of a big lowest part only counts are kept in memory."""
    counts = state.lazy(entries, columns=()).select(
        rows=pl.len(),
        series_count=pl.col("unique_id").n_unique(),
        first_ds=pl.col("ds").min(),
        last_ds=pl.col("ds").max(),
    )
    return Summary(**counts.collect(engine="streaming").row(0, named=True))
