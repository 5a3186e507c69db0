"""A part's file -> a layer: the rows of one entry, with what the laying of layers over each other has to know.

A layer has ``unique_id``, ``ds``, the value columns that are asked for (null where the part gives none), ``__row``,
``__deleted``, ``__order`` (the entry's place in its manifest), ``__at`` (the effective known_at), ``__own`` (the known_at
that the row says itself) and for each value column ``__has_…``: whether the row gives it. In the file a Boolean
``__keeps_…`` marks the rows that do not give a column which others of the part do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from apps.datasets.points.manifest import Entry

KEY: Final = ("unique_id", "ds")
ROW: Final = "__row"
DELETED: Final = "__deleted"
KNOWN_AT: Final = "known_at"
ORDER: Final = "__order"
AT: Final = "__at"
OWN: Final = "__own"
HAS: Final = "__has_"
KEEPS: Final = "__keeps_"
MOMENT: Final = pl.Datetime("us")
GROUP_ROWS: Final = 1 << 16

Time = datetime | int


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows are wanted: of these ``series`` (None: all), ``low <= unique_id <= high``, ``start <= ds <= end``."""

    series: Sequence[str] | None = None
    start: Time | None = None
    end: Time | None = None
    low: str | None = None
    high: str | None = None

    def of(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows that lie in the window."""
        name, ds = pl.col("unique_id"), pl.col("ds")
        if self.series is not None:
            rows = rows.filter(name.is_in(pl.Series(list(self.series), dtype=pl.String).implode()))
        bounds = (
            (self.low, name.__ge__),
            (self.high, name.__le__),
            (self.start, ds.__ge__),
            (self.end, ds.__le__),
        )
        for bound, compare in bounds:
            rows = rows if bound is None else rows.filter(compare(pl.lit(bound)))
        return rows


ALL: Final = Window()


def columns_of(entries: Iterable[Entry]) -> tuple[str, ...]:
    """``y`` and every covariate that a part gives, in the order of their first coming."""
    return tuple(dict.fromkeys(["y", *(name for entry in entries for name in entry.columns)]))


def moment(at: datetime | None) -> datetime | None:
    """A time in UTC without its zone, as the parts hold it."""
    return at.astimezone(UTC).replace(tzinfo=None) if at is not None and at.tzinfo else at


def ds_type(entry: Entry) -> pl.DataType:
    """The type of a part's times: datetime or integer."""
    return pl.read_parquet_schema(entry.path)["ds"]


def has_vintages(entry: Entry) -> bool:
    """Whether the part can hold several states of one series and time."""
    return bool({KNOWN_AT, DELETED} & pl.read_parquet_schema(entry.path).keys())


def has_tombstones(entry: Entry) -> bool:
    """Whether the part takes something away."""
    return DELETED in pl.read_parquet_schema(entry.path)


def scan(entry: Entry, order: int, columns: Sequence[str], *, until: datetime | None = None) -> pl.LazyFrame:
    """The layer of an entry, not read yet; with ``until`` only what its rows say was known then."""
    schema = pl.read_parquet_schema(entry.path)
    file = pl.scan_parquet(entry.path)
    if until is not None and KNOWN_AT in schema:
        file = file.filter(pl.col(KNOWN_AT).is_null() | (pl.col(KNOWN_AT) <= pl.lit(until, MOMENT)))
    deleted = pl.col(DELETED).fill_null(value=False) if DELETED in schema else pl.lit(value=False)
    own = pl.col(KNOWN_AT) if KNOWN_AT in schema else pl.lit(None, MOMENT)
    row = pl.col(ROW) if ROW in schema else pl.lit(None, pl.Int64)
    has = {name: _gives(entry, schema, name) & ~deleted for name in columns}
    values = {name: _value(entry, schema, name) for name in columns}
    return file.select(
        *KEY,
        **values,
        **{
            ROW: row,
            DELETED: deleted,
            ORDER: pl.lit(order, pl.Int32),
            AT: _effective(entry, schema),
            OWN: own,
        },
        **{HAS + name: given for name, given in has.items()},
    )


def empty(entries: Sequence[Entry], columns: Sequence[str]) -> pl.LazyFrame:
    """A layer without rows, of the manifest's kind of time."""
    return scan(entries[0], 0, columns).limit(0)


def among(rows: pl.LazyFrame, keys: pl.DataFrame) -> pl.LazyFrame:
    """The rows of these series and times; the bounds in front let whole row groups be skipped."""
    if keys.is_empty():
        return rows.limit(0)
    return around(keys).of(rows).join(keys.lazy(), on=KEY, how="semi", maintain_order="left")


def around(keys: pl.DataFrame) -> Window:
    """The least window that holds all keys."""
    first, last = keys["ds"].min(), keys["ds"].max()
    return Window(keys["unique_id"].unique().to_list(), first, last)  # type: ignore[arg-type]


def write(part: pl.DataFrame, path: Path) -> None:
    """Write a part the same way every time, so that equal data has an equal hash."""
    part.write_parquet(path, compression="zstd", statistics=True, row_group_size=GROUP_ROWS)


def _gives(entry: Entry, schema: pl.Schema | dict[str, pl.DataType], name: str) -> pl.Expr:
    if name not in entry.columns:
        return pl.lit(value=False)
    return ~pl.col(KEEPS + name) if KEEPS + name in schema else pl.lit(value=True)


def _value(entry: Entry, schema: pl.Schema | dict[str, pl.DataType], name: str) -> pl.Expr:
    if name not in entry.columns:
        return pl.lit(None, pl.Float64)
    value = pl.col(name).cast(pl.Float64)
    return pl.when(~pl.col(KEEPS + name)).then(value) if KEEPS + name in schema else value


def _effective(entry: Entry, schema: pl.Schema | dict[str, pl.DataType]) -> pl.Expr:
    """``max_horizontal`` leaves out nulls: a row that says nothing counts from ``not_before`` on."""
    floor = pl.lit(moment(entry.not_before), MOMENT)
    return pl.max_horizontal(pl.col(KNOWN_AT), floor) if KNOWN_AT in schema else floor
