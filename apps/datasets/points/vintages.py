"""Whether it matters when something became known, and what backtests read when it does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from apps.datasets.points import epochs, state
from apps.datasets.points.layers import scans
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import (
    AT,
    DELETED,
    KEY,
    MOMENT,
    ROW,
    Window,
    columns_of,
    has_vintages,
    moment,
)

ALWAYS: Final = datetime(1, 1, 1)  # noqa: DTZ001 - as the parts hold times: UTC, without zone


def revised(entries: Sequence[Entry], *, covariates: Collection[str] = (), zone: str | None = None) -> bool:
    """Whether any stored value was ever corrected, taken away, or came after a later one of its series.

    While it is False, a backtest may cut the current table instead of asking ``as_of``: at the moment at which the newest
    point before the cut had arrived, those before it were known, as they are now. ``covariates`` and ``zone`` as there.
    """
    columns = columns_of(entries)
    return any(
        _taken_back(rows, columns) or any(_late(rows, name, covariates, zone) for name in columns)
        for rows in _suspects(entries, columns)
    )


def panels_as_of(
    entries: Sequence[Entry],
    cutoffs: Iterable[datetime],
    *,
    covariates: Sequence[str] = (),
    past: Sequence[str] = (),
    series: Sequence[str] | None = None,
    zone: str | None = None,
) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """``(cutoff, state.as_of(entries, cutoff, …))`` for each cutoff; the parts are read once.

    Holds all that was ever told of the series, so ask for some at a time where there are many.
    """
    columns = state.columns_asked(entries, (*covariates, *past))
    rows = epochs.told(entries, columns, Window(series))
    for cutoff in cutoffs:
        told = rows.filter(pl.col(AT).is_null() | (pl.col(AT) <= moment(cutoff)))
        known = epochs.latest(told, columns).select(*KEY, *columns, ROW).lazy()
        yield cutoff, state.hidden_after(known, cutoff, columns, covariates, zone=zone).collect()


def _suspects(entries: Sequence[Entry], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """All that was told, of all series of which a part says more than the lowest one, in slices."""
    whole = has_vintages(entries[0])
    above = scans(entries, (), start=0 if whole else 1)
    if not above:
        return
    keys = pl.concat(layer.select("unique_id") for layer in above)
    for low, high in state.bounds(keys, state.SLICE_ROWS):
        window = Window(low=low, high=high)
        names = None if whole else window.of(keys).unique().collect()["unique_id"].to_list()
        rows = epochs.told(entries, columns, Window(names, low=low, high=high))
        yield epochs.spelled_out(rows, columns)


def _taken_back(rows: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether a later moment of a key has no row any more, or another value where there was one."""
    was = {name: pl.col(name).shift() for name in columns}
    again = _same("unique_id") & _same("ds") & pl.col(AT).ne_missing(pl.col(AT).shift())
    gone = pl.col(DELETED) & ~pl.col(DELETED).shift()
    other = [was[name].is_not_null() & was[name].ne_missing(pl.col(name)) for name in columns]
    return bool(rows.select((again & pl.any_horizontal(gone, *other)).any()).item())


def _late(rows: pl.DataFrame, column: str, covariates: Collection[str], zone: str | None) -> bool:
    """Whether a value of the column arrived after one of a later time of its series."""
    there = pl.col(column).is_not_null()
    first = ~(_same("unique_id") & _same("ds") & there.shift())
    arrival = pl.col(AT).fill_null(ALWAYS)
    if column not in covariates and rows.schema["ds"] != pl.Int64:
        arrival = pl.max_horizontal(arrival, _in_utc(zone))
    arrivals = rows.filter(there & first.fill_null(value=True)).with_columns(arrival.alias("__arrival"))
    before = pl.col("__arrival").shift() > pl.col("__arrival")
    return bool(arrivals.select((_same("unique_id") & before).any()).item())


def _same(name: str) -> pl.Expr:
    return (pl.col(name) == pl.col(name).shift()).fill_null(value=False)


def _in_utc(zone: str | None) -> pl.Expr:
    """The moments of ``ds``; an hour that comes twice counts as the second, one that does not exist not at all."""
    if not zone:
        return pl.col("ds")
    aware = pl.col("ds").dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    return aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(MOMENT)
