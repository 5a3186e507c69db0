"""What a version says: now, as it was known at some time, and all that it ever said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from apps.datasets.points import clocks, epochs, layers
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import (
    ALL,
    AT,
    DELETED,
    KEY,
    KNOWN_AT,
    MOMENT,
    ROW,
    Time,
    Window,
    columns_of,
    moment,
)

SLICE_ROWS: Final = 500_000


def current(
    entries: Sequence[Entry],
    *,
    series: Sequence[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    covariates: Sequence[str] = (),
) -> pl.DataFrame:
    """The long table of a version, all that was told taken into account: the newest of each series and time.

    ``unique_id``, ``ds``, ``y``, the named ``covariates`` (all that the parts give when none is named; null where no part
    does) and ``__row``, sorted by (unique_id, ds, __row). ``start`` and ``end`` are inclusive.
    """
    window = Window(series, start, end)
    return lazy(entries, window=window, columns=columns_asked(entries, covariates)).collect()


def as_of(
    entries: Sequence[Entry],
    at: datetime,
    *,
    covariates: Sequence[str] = (),
    past: Sequence[str] = (),
    series: Sequence[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    zone: str | None = None,
) -> pl.DataFrame:
    """The long table as it was known at ``at`` (UTC where it has no zone); columns and order as in ``current``.

    ``covariates`` are known for the future; ``past`` (and every other column) counts up to ``at`` only, as ``y`` does. Of
    later times there are only rows in which a known-future covariate has a value. ``zone``: where the clock hung that ``ds``
    was read from, UTC when not given. Integer ``ds`` has no clock: only known_at is compared.
    """
    columns = columns_asked(entries, (*covariates, *past))
    rows = lazy(entries, window=Window(series, start, end), columns=columns, at=at)
    return hidden_after(rows, at, columns, covariates, zone=zone).collect()


def history(
    entries: Sequence[Entry],
    *,
    series: Sequence[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    covariates: Sequence[str] = (),
) -> pl.DataFrame:
    """Every state that each series and time ever had: the long table's columns, complete in every row, with the
    ``known_at`` from which on it held (null: known at its own time) and ``__deleted`` where it was taken away then.

    Sorted by (unique_id, ds, known_at, __row). What was replaced at the very moment in which it came is left out.
    """
    columns = columns_asked(entries, covariates)
    rows = epochs.told(entries, columns, Window(series, start, end))
    complete = epochs.spelled_out(rows, columns)
    return complete.select(*KEY, *columns, pl.col(AT).alias(KNOWN_AT), ROW, DELETED)


def lazy(
    entries: Sequence[Entry], *, window: Window = ALL, columns: Sequence[str], at: datetime | None = None
) -> pl.LazyFrame:
    """``current``, or what was told by ``at`` with nothing hidden, of which only the contested rows are read yet."""
    until = moment(at)
    start = layers.start_of(entries, until)
    laid = layers.lay(entries, columns, start=start, window=window, until=until)
    shown = [*KEY, *columns, ROW]
    untouched = laid.untouched.filter(~pl.col(DELETED)).select(shown)
    if laid.contested.is_empty():
        return untouched
    newest = layers.settled(laid.contested, columns).filter(~pl.col(DELETED)).select(shown)
    return untouched.merge_sorted(newest.lazy(), key=KEY)


def hidden_after(
    rows: pl.LazyFrame, at: datetime, columns: Sequence[str], covariates: Sequence[str], *, zone: str | None
) -> pl.LazyFrame:
    """The rows of a long table with what nobody could know at ``at`` taken out; integer times stay as they are."""
    if rows.collect_schema()["ds"] == pl.Int64:
        return rows
    seen = pl.col("ds") <= pl.lit(clocks.reading_at(at, zone), MOMENT)
    if not covariates:
        return rows.filter(seen)
    told = pl.any_horizontal(pl.col(name).is_not_null() for name in covariates)
    masked = [name for name in columns if name not in covariates]
    return rows.filter(seen | told).with_columns(pl.when(seen).then(pl.col(name)) for name in masked)


def slices(
    entries: Sequence[Entry],
    *,
    window: Window = ALL,
    columns: Sequence[str],
    at: datetime | None = None,
    rows: int = SLICE_ROWS,
) -> Iterator[pl.DataFrame]:
    """``lazy`` in tables of whole series with about so many rows each, in order; one table at least."""
    ranges = bounds(lazy(entries, window=window, columns=(), at=at), rows)
    for low, high in ranges or [("", "")]:
        narrow = replace(window, low=low, high=high)
        yield lazy(entries, window=narrow, columns=columns, at=at).collect()


def bounds(rows: pl.LazyFrame, size: int) -> list[tuple[str, str]]:
    """The first and last series of stretches of about ``size`` rows that together cover all series."""
    counts = rows.group_by("unique_id").len().sort("unique_id").collect(engine="streaming")
    stretch = (pl.col("len").cast(pl.Int64).cum_sum() - pl.col("len")) // size
    ranges = counts.group_by(stretch.alias("stretch"), maintain_order=True).agg(
        low=pl.col("unique_id").first(), high=pl.col("unique_id").last()
    )
    return [(low, high) for _, low, high in ranges.rows()]


def columns_asked(entries: Sequence[Entry], named: Sequence[str]) -> tuple[str, ...]:
    """``y`` and the named columns, or all that the parts give when none is named."""
    return tuple(dict.fromkeys(["y", *named])) if named else columns_of(entries)
