"""The regular grid below the times: which frequency the series share, and each row's place on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from apps.engine.errors import EngineError
from apps.engine.frequency import SECONDS, Frequency, infer

VOTERS = 50
MONTHS = {"M": 1, "Q": 3, "Y": 12}


@dataclass(frozen=True, slots=True)
class Grid:
    """``frequency``: None when no series is long and regular enough; ``votes``: number of series by alias."""

    frequency: Frequency | None
    votes: dict[str, int]


def find_grid(table: pl.DataFrame) -> Grid:
    """The frequency of most of the longest series of a table sorted by (unique_id, ds)."""
    lengths = (
        table.group_by("unique_id").len().sort("len", "unique_id", descending=[True, False]).head(VOTERS)
    )
    votes: Counter[str] = Counter()
    for series_id in lengths.filter(pl.col("len") >= 3)["unique_id"].to_list():
        alias = _alias(table.filter(pl.col("unique_id") == series_id)["ds"])
        if alias:
            votes[alias] += 1
    if not votes:
        return Grid(None, {})
    return Grid(Frequency.parse(_merged(votes)), dict(votes))


def frequency_of(alias: str) -> Frequency | None:
    """The frequency as versions name it; None for ""."""
    if not alias:
        return None
    return Frequency.parse(int(alias) if alias.isdigit() else alias)


def _merged(votes: Counter[str]) -> str:
    """The commonest alias; daily wins over business days when any series has weekends."""
    if "D" in votes and "B" in votes:
        return "D"
    return votes.most_common(1)[0][0]


def _alias(times: pl.Series) -> str | None:
    """The alias of one series; of a series with stray times, that of its regular stretch."""
    array = times.unique(maintain_order=True).to_numpy()
    try:
        return infer(array).alias
    except EngineError:
        pass
    for start in (0, len(array) // 3, 2 * len(array) // 3):
        try:
            return infer(array[start : start + max(3, len(array) // 3)]).alias
        except EngineError:
            continue
    return None


def with_steps(table: pl.DataFrame, frequency: Frequency) -> pl.DataFrame:
    """``table`` with ``step``: each row's place on its series' grid, counted from 0; None off the grid."""
    first = pl.col("ds").first().over("unique_id")
    if frequency.is_integer:
        distance = pl.col("ds") - first
        return table.with_columns(step=_whole(distance, frequency.multiple))
    if frequency.unit in SECONDS:
        distance = (pl.col("ds") - first).dt.total_microseconds()
        return table.with_columns(
            step=_whole(distance, frequency.multiple * SECONDS[frequency.unit] * 1_000_000)
        )
    if frequency.unit == "B":
        return _business_steps(table, frequency.multiple)
    return _month_steps(table, frequency)


def _whole(distance: pl.Expr, step: int) -> pl.Expr:
    return pl.when(distance % step == 0).then(distance // step)


def _business_steps(table: pl.DataFrame, multiple: int) -> pl.DataFrame:
    first = pl.col("ds").first().over("unique_id")
    count = pl.business_day_count(first.dt.date(), pl.col("ds").dt.date()).cast(pl.Int64)
    weekday = (pl.col("ds").dt.weekday() <= 5) & (pl.col("ds").dt.time() == first.dt.time())
    return table.with_columns(step=pl.when(weekday & (count % multiple == 0)).then(count // multiple))


def _month_steps(table: pl.DataFrame, frequency: Frequency) -> pl.DataFrame:
    first = pl.col("ds").first().over("unique_id")
    months = (
        (pl.col("ds").dt.year() - first.dt.year()) * 12
        + pl.col("ds").dt.month().cast(pl.Int32)
        - first.dt.month().cast(pl.Int32)
    )
    if frequency.end:
        aligned = (pl.col("ds").dt.date() == pl.col("ds").dt.month_end().dt.date()) & (
            pl.col("ds").dt.time() == first.dt.time()
        )
    else:
        aligned = (pl.col("ds").dt.day() == first.dt.day()) & (pl.col("ds").dt.time() == first.dt.time())
    step = frequency.multiple * MONTHS[frequency.unit]
    return table.with_columns(
        step=pl.when(aligned & (months % step == 0)).then(months // step).cast(pl.Int64)
    )
