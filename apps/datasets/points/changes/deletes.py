"""A range of points -> the part that takes it away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from apps.datasets.points import layers, state
from apps.datasets.points.changes.floors import not_before
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import AT, DELETED, KEY, KNOWN_AT, MOMENT, ROW, Time, Window


@dataclass(frozen=True, slots=True)
class Deletion:
    """``part`` holds a tombstone for each time that is gone (no rows: nothing was there).

    Its entry is ``Entry(path, (), not_before=known_at)``. ``removed`` counts the rows that were there; ``series_removed``
    are those series that have no row left.
    """

    part: pl.DataFrame
    known_at: datetime
    removed: int
    series_touched: int
    series_removed: int
    first_ds: Time | None
    last_ds: Time | None


def delete(
    entries: Sequence[Entry],
    *,
    series: Sequence[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    known_at: datetime,
) -> Deletion:
    """The part that takes away these series (all when None) from ``start`` to ``end``, both included, as from ``known_at``.

    What they were before stays known. ``known_at`` is moved up as in ``upsert``.
    """
    floor = not_before(entries, known_at)
    window = Window(series, start, end)
    there = state.lazy(entries, window=window, columns=(), at=floor).select(KEY).collect()
    part = _tombstones(entries, window, there, floor)
    touched = there["unique_id"].unique()
    return Deletion(
        part=part,
        known_at=floor,
        removed=there.height,
        series_touched=touched.len(),
        series_removed=touched.len() - _left(entries, window, touched),
        first_ds=there["ds"].min(),  # type: ignore[arg-type]
        last_ds=there["ds"].max(),  # type: ignore[arg-type]
    )


def _tombstones(
    entries: Sequence[Entry], window: Window, there: pl.DataFrame, floor: datetime
) -> pl.DataFrame:
    """For each key that is there now; and once more for whoever is to come back later, at that time."""
    coming = pl.col(AT) > pl.lit(floor, MOMENT)
    later = [
        window.of(layer).filter(coming, ~pl.col(DELETED)).select(*KEY, pl.col(AT).alias(KNOWN_AT)).collect()
        for layer in layers.scans(entries, (), start=layers.start_of(entries))
    ]
    now = pl.concat([there, *(each.select(KEY) for each in later)]).unique()
    again = pl.concat(later).unique() if later else now.clear()
    times = [now] if again.is_empty() else [now.with_columns(pl.lit(None, MOMENT).alias(KNOWN_AT)), again]
    marks = [pl.lit(None, pl.Int64).alias(ROW), pl.lit(value=True).alias(DELETED)]
    return pl.concat(times).with_columns(pl.lit(None, pl.Float64).alias("y"), *marks).sort(KEY)


def _left(entries: Sequence[Entry], window: Window, touched: pl.Series) -> int:
    """How many of the touched series have rows outside the window."""
    if window.start is None and window.end is None:
        return 0
    rows = state.lazy(entries, window=Window(touched.to_list()), columns=())
    before = pl.lit(value=False) if window.start is None else pl.col("ds") < window.start
    after = pl.lit(value=False) if window.end is None else pl.col("ds") > window.end
    left: int = rows.filter(before | after).select(pl.col("unique_id").n_unique()).collect().item()
    return left
