"""What expectations look at: the points, the series, the whole. Made once for all tests, each when first asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import polars as pl

from apps.datasets.expectations.contracts import Summary
from apps.datasets.reading import grid
from apps.engine.frequency import SECONDS, Frequency

ROW: Final = "__row"
SLICE_ROWS: Final = 500_000
KEYS: Final = {"unique_id", "ds", ROW, "known_at"}


class CannotCheck(Exception):
    """The test makes no sense on this data; the message says why."""


class Given:
    """The long table (sorted by unique_id, ds, __row) and what is known around it.

    ``now`` is the moment of the test in the zone in which the table's times are written; aware ones count as UTC.
    """

    def __init__(
        self,
        table: pl.DataFrame,
        *,
        previous: Summary | None,
        frequency: str | None,
        now: datetime,
        statics: pl.DataFrame | None = None,
    ) -> None:
        self.table = table if ROW in table.columns else table.with_columns(pl.lit(None, pl.Int64).alias(ROW))
        self.previous = previous
        self.statics = statics
        self.now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
        self._frequency = frequency
        self._present: dict[str, pl.DataFrame] = {}

    @property
    def frequency(self) -> Frequency:
        """Raises ``CannotCheck`` where the data has none."""
        if not self._frequency:
            raise CannotCheck("the times have no regular grid, so there are no steps to count.")
        return Frequency.parse(self._frequency)

    def column(self, name: str) -> pl.DataFrame:
        """The table that has the column: the points, or the statics. Raises ``CannotCheck``."""
        for table in (self.table, self.statics):
            if table is not None and name in table.columns:
                return table
        known = [*self.table.columns, *(self.statics.columns if self.statics is not None else [])]
        raise CannotCheck(
            f"there is no column “{name}”; there are {', '.join(sorted(set(known) - KEYS | {'unique_id'}))}."
        )

    def numbers(self, name: str) -> pl.DataFrame:
        """The table that has the column of numbers. Raises ``CannotCheck``."""
        table = self.column(name)
        if name in KEYS or not table[name].dtype.is_numeric():
            raise CannotCheck(f"the column “{name}” does not hold numbers.")
        return table

    def present(self, name: str) -> pl.DataFrame:
        """The points that have a value in the column, in the table's order. Raises ``CannotCheck``."""
        if self.numbers(name) is not self.table:
            raise CannotCheck(f"the column “{name}” says the same at all times.")
        if name not in self._present:
            full = self.table[name].null_count() == 0
            self._present[name] = self.table if full else self.table.filter(pl.col(name).is_not_null())
        return self._present[name]

    @functools.cached_property
    def series(self) -> pl.DataFrame:
        """One row a series: ``unique_id``; of its values ``first``, ``ds`` (the last) and ``__row`` of that, each null
        where it has none."""
        points = self.present("y")
        starts, ends = _runs(points)
        found = points[ends].select(
            "unique_id", "ds", ROW, first=points["ds"].gather(starts), _start=starts, _end=ends
        )
        named = self.table[_runs(self.table)[0]].select("unique_id")
        return named.join(found, on="unique_id", how="left", maintain_order="left")

    @functools.cached_property
    def completeness(self) -> pl.DataFrame:
        """``series`` with ``present`` and ``expected``: grid steps with a value, and from the first to the last."""
        points, frequency = self.present("y"), self.frequency
        table = self.series.with_columns(
            expected=(steps_between(pl.col("first"), pl.col("ds"), frequency) + 1).fill_null(1)
        )
        if points.is_empty():
            return table.with_columns(present=pl.lit(0))
        counted = _on_grid(points, frequency).cast(pl.Int64).cum_sum()
        # The first point of a series is on its grid, so it counts itself.
        from_to = [pl.lit(counted).gather(pl.col(name)) for name in ("_start", "_end")]
        return table.with_columns(present=(from_to[1] - from_to[0] + 1).fill_null(0))

    @functools.cached_property
    def summary(self) -> Summary:
        """What the next version will be compared with."""
        values = [
            name for name in self.table.columns if name not in KEYS and self.table[name].dtype.is_numeric()
        ]
        totals = {name: self.table[name].sum() for name in values}
        return Summary(
            self.table.height, self.series.height, {name: float(value or 0) for name, value in totals.items()}
        )


def same_as_before() -> pl.Expr:
    """Whether a row has the series and the time of the row before it."""
    both = [pl.col(name) == pl.col(name).shift() for name in ("unique_id", "ds")]
    return (both[0] & both[1]).fill_null(False)


def steps_between(earlier: pl.Expr, later: pl.Expr, frequency: Frequency) -> pl.Expr:
    """How many whole steps of the grid lie between two times."""
    if frequency.is_integer:
        return (later - earlier) // frequency.multiple
    if frequency.unit in SECONDS:
        step = frequency.multiple * SECONDS[frequency.unit] * 1_000_000
        return (later - earlier).dt.total_microseconds() // step
    if frequency.unit == "B":
        count = pl.business_day_count(earlier.dt.date(), later.dt.date()).cast(pl.Int64)
        return count // frequency.multiple
    years = (later.dt.year() - earlier.dt.year()).cast(pl.Int64)
    months = years * 12 + later.dt.month().cast(pl.Int64) - earlier.dt.month().cast(pl.Int64)
    return months // (frequency.multiple * grid.MONTHS[frequency.unit])


def _on_grid(points: pl.DataFrame, frequency: Frequency) -> pl.Series:
    """Whether each point is the first of its time, and that on the grid. In slices of whole series: the work on all of
    them at once would take as much memory again as the table."""
    found = []
    for piece in _slices(points):
        steps = grid.with_steps(piece.select("unique_id", "ds"), frequency)["step"]
        found.append(steps.is_not_null() & ~piece.select(same_as_before()).to_series())
    return pl.concat(found)


def _slices(points: pl.DataFrame) -> Iterator[pl.DataFrame]:
    ends = (_runs(points)[1] + 1).to_list()
    begin = 0
    for end in ends:
        if end - begin >= SLICE_ROWS or end == points.height:
            yield points[begin:end]
            begin = end


def _runs(table: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """The positions at which each series begins and ends."""
    if table.is_empty():
        return pl.Series([], dtype=pl.UInt32), pl.Series([], dtype=pl.UInt32)
    begins = (pl.col("unique_id") != pl.col("unique_id").shift()).fill_null(True)
    starts = table.select(begins.arg_true()).to_series()
    ends = pl.concat([starts[1:] - 1, pl.Series([table.height - 1], dtype=starts.dtype)])
    return starts, ends
