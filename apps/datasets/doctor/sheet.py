"""The long table as flat arrays, and each row's step on its series' grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from apps.datasets.reading.build import ROW
from apps.engine.frequency import MONTH_COUNT, SECONDS, Frequency

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
BLOCK_ROWS = 1_000_000
OFF = -1


@dataclass(frozen=True, slots=True)
class Sheet:
    """N rows of S series, sorted by series, time and row. ``ds``: microseconds since 1970, or integers; ``y``: NaN where
    there is no value; ``rows``: lines of the file; ``step``: place on the grid, -1 off it (all -1 without a frequency);
    ``offset``: where these rows begin in the whole table."""

    ids: Sequence[str]
    indptr: Ints
    ds: Ints
    y: Floats
    rows: Ints
    step: Ints
    frequency: Frequency | None
    is_integer: bool
    covariates: Mapping[str, Floats] = field(default_factory=dict)
    offset: int = 0

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ds)

    @property
    def codes(self) -> Ints:
        """Each row's series."""
        return np.repeat(np.arange(len(self.ids)), np.diff(self.indptr))

    @property
    def starts(self) -> Ints:
        """The first row of each series."""
        return self.indptr[:-1]

    @property
    def season(self) -> int:
        """Steps of the main season; 1 for none."""
        return self.frequency.season_length if self.frequency else 1

    def same(self, lag: int = 1) -> Bools:
        """Whether the row ``lag`` before belongs to the same series."""
        out = np.zeros(len(self), bool)
        codes = self.codes
        out[lag:] = codes[lag:] == codes[:-lag]
        return out

    def blocks(self) -> Iterator[Sheet]:
        """The sheet in pieces of whole series."""
        series = 0
        while series < len(self.ids):
            end = int(np.searchsorted(self.indptr, self.indptr[series] + BLOCK_ROWS, side="right")) - 1
            end = min(max(end, series + 1), len(self.ids))
            yield self._between(series, end)
            series = end

    def _between(self, first: int, end: int) -> Sheet:
        rows = slice(int(self.indptr[first]), int(self.indptr[end]))
        return replace(
            self,
            ids=self.ids[first:end],
            indptr=self.indptr[first : end + 1] - self.indptr[first],
            ds=self.ds[rows],
            y=self.y[rows],
            rows=self.rows[rows],
            step=self.step[rows],
            covariates={name: values[rows] for name, values in self.covariates.items()},
            offset=self.offset + rows.start,
        )


def sheet_of(table: pl.DataFrame, frequency: Frequency | None, covariates: Sequence[str]) -> Sheet:
    """The arrays of a long table that is sorted by (unique_id, ds, row)."""
    lengths = table["unique_id"].rle().struct.unnest()
    indptr = np.concatenate([[0], np.cumsum(lengths["len"].to_numpy())]).astype(np.int64)
    is_integer = table.schema["ds"] == pl.Int64
    ds = (
        table["ds"].cast(pl.Int64).to_numpy()
        if is_integer
        else table["ds"].cast(pl.Datetime("us")).cast(pl.Int64).to_numpy()
    )
    rows = table[ROW].to_numpy() if ROW in table.columns else np.zeros(len(ds), np.int64)
    return Sheet(
        ids=lengths["value"].cast(pl.String).to_list(),
        indptr=indptr,
        ds=ds,
        y=_floats(table["y"]),
        rows=rows,
        step=steps(ds, indptr, frequency),
        frequency=frequency,
        is_integer=is_integer,
        covariates={name: _floats(table[name]) for name in covariates},
    )


def steps(ds: Ints, indptr: Ints, frequency: Frequency | None) -> Ints:
    """Each row's place on its series' grid. The grid begins at the first row, or, where most rows are off that, at the
    second."""
    if frequency is None or not len(ds):
        return np.full(len(ds), OFF, np.int64)
    lengths = np.diff(indptr)
    found = _steps_from(ds, np.repeat(ds[indptr[:-1]], lengths), frequency)
    off = np.add.reduceat(found == OFF, indptr[:-1])
    stray = np.flatnonzero((off > lengths / 2) & (lengths > 2))
    for series in stray:
        rows = slice(int(indptr[series]), int(indptr[series + 1]))
        again = _steps_from(ds[rows], np.full(lengths[series], ds[rows][1]), frequency)
        if (again == OFF).sum() < off[series]:
            found[rows] = np.where(again == OFF, OFF, again - again[again != OFF].min())
    return found


def _steps_from(ds: Ints, first: Ints, frequency: Frequency) -> Ints:
    unit, multiple = frequency.unit, frequency.multiple
    if frequency.is_integer:
        return _whole(ds - first, multiple)
    if unit in SECONDS:
        return _whole(ds - first, multiple * SECONDS[unit] * 1_000_000)
    times, begin = ds.view("datetime64[us]"), first.view("datetime64[us]")
    days, first_days = times.astype("datetime64[D]"), begin.astype("datetime64[D]")
    same_clock = (times - days) == (begin - first_days)
    if unit == "B":
        count = np.busday_count(first_days, days)
        fits = same_clock & np.is_busday(days) & (count % multiple == 0)
        return np.where(fits, count // multiple, OFF)
    months, first_months = days.astype("datetime64[M]"), first_days.astype("datetime64[M]")
    apart = (months - first_months).astype(np.int64)
    if frequency.end:
        on_day = (days + np.timedelta64(1, "D")).astype("datetime64[M]") != months
    else:
        on_day = (days - months) == (first_days - first_months)
    size = multiple * MONTH_COUNT[unit]
    return np.where(on_day & same_clock & (apart % size == 0), apart // size, OFF)


def _whole(distance: Ints, size: int) -> Ints:
    return np.where(distance % size == 0, distance // size, OFF)


def _floats(column: pl.Series) -> Floats:
    values: Any = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(values, np.float64)
