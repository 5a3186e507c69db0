"""Rows that are new or say something new -> the part to be laid on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from apps.datasets.points import layers, state
from apps.datasets.points.changes.floors import not_before
from apps.datasets.points.manifest import Entry
from apps.datasets.points.parts import (
    AT,
    DELETED,
    HAS,
    KEEPS,
    KEY,
    KNOWN_AT,
    MOMENT,
    ORDER,
    OWN,
    ROW,
    Time,
    Window,
    ds_type,
    has_tombstones,
    moment,
)

ADDED: Final = "added"
CHANGED: Final = "changed"
UNCHANGED: Final = "unchanged"


class Unfit(ValueError):
    """The rows do not fit the data set: ``code``, and a sentence that says what and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Upsert:
    """``part`` holds only rows that change something (no rows: nothing is to be written).

    Its entry is ``Entry(path, columns, not_before=known_at)``. ``superseded`` counts rows that a later one of the same
    request went over; ``series_touched`` and the times are those of the part; ``series_added`` had no rows before.
    """

    part: pl.DataFrame
    columns: tuple[str, ...]
    known_at: datetime
    added: int
    changed: int
    unchanged: int
    superseded: int
    series_touched: int
    series_added: int
    first_ds: Time | None
    last_ds: Time | None


def upsert(
    entries: Sequence[Entry], rows: pl.DataFrame, *, known_at: datetime, columns: Sequence[str]
) -> Upsert:
    """The part that lays ``rows`` over the entries, as from ``known_at``.

    ``rows`` has unique_id, ds, the ``columns`` that it gives (Boolean ``__keeps_<column>`` marks rows that do not give one)
    and, if it likes, ``__row``, a number of its own, and known_at, by which rows of one key are put in order; else they count
    as they stand, the last one wins, column by column. A row is written when it changes what is known. What comes out holds
    for these entries: if another part landed in between, ask again. ``known_at`` is moved up to that of the newest entry,
    should the clock have gone back. Raises ``Unfit``.
    """
    floor = not_before(entries, known_at)
    fit_or_raise(entries, rows, columns, floor)
    given = _as_layer(rows, columns, order=len(entries), floor=floor)
    judged = _judged(entries, given, columns)
    part = judged.filter(pl.col("__verdict") != UNCHANGED)
    counts = dict(judged["__verdict"].value_counts().rows())
    return Upsert(
        part=_as_part(part, columns),
        columns=tuple(columns),
        known_at=floor,
        added=counts.get(ADDED, 0),
        changed=counts.get(CHANGED, 0),
        unchanged=counts.get(UNCHANGED, 0),
        superseded=rows.height - judged.height,
        series_touched=part["unique_id"].n_unique(),
        series_added=_series_added(entries, judged),
        first_ds=part["ds"].min(),  # type: ignore[arg-type]
        last_ds=part["ds"].max(),  # type: ignore[arg-type]
    )


def fit_or_raise(entries: Sequence[Entry], rows: pl.DataFrame, columns: Sequence[str], now: datetime) -> None:
    """Raise ``Unfit`` unless the rows have the types of a part and the entries' kind of time, and are known by ``now``."""
    wanted = {"unique_id": pl.String(), "ds": ds_type(entries[0]) if entries else rows.schema.get("ds")}
    wanted |= {name: pl.Float64() for name in columns}
    for name, kind in wanted.items():
        if rows.schema.get(name) != kind:
            found = rows.schema.get(name, "missing")
            raise Unfit("wrong_type", f"Column “{name}” must be {kind}, as in the data set; it is {found}.")
    for name in KEY:
        if missing := rows[name].null_count():
            raise Unfit("missing_key", f"Column “{name}” is empty in {missing:,} rows; every row needs one.")
    for name in columns:
        if wrong := int((~rows[name].is_finite()).sum()):
            raise Unfit("not_finite", f"Column “{name}” has {wrong:,} values that are not finite numbers.")
    if KNOWN_AT in rows.columns and (early := int((rows[KNOWN_AT] > now).sum())):
        raise Unfit(
            "known_in_future",
            f"Column “{KNOWN_AT}” of {early:,} rows lies in the future; a row is known at the latest when it is sent.",
        )


def _as_layer(rows: pl.DataFrame, columns: Sequence[str], *, order: int, floor: datetime) -> pl.DataFrame:
    """One row for each key: of each column the last value that is given."""
    own = pl.col(KNOWN_AT).cast(MOMENT) if KNOWN_AT in rows.columns else pl.lit(None, MOMENT)
    row = pl.col(ROW).cast(pl.Int64) if ROW in rows.columns else pl.int_range(1, pl.len() + 1)
    has = {name: _gives(rows, name).alias(HAS + name) for name in columns}
    layer = rows.select(*KEY, *columns, row.alias(ROW), own.alias(OWN), *has.values())
    one = (
        layer.sort(OWN, nulls_last=False, maintain_order=True)
        .group_by(KEY, maintain_order=True)
        .agg(
            *(pl.col(name).filter(pl.col(HAS + name)).last() for name in columns),
            *(pl.col(HAS + name).any() for name in columns),
            pl.col(ROW).last(),
        )
    )
    moment_of = pl.lit(moment(floor), MOMENT)
    return one.with_columns(
        moment_of.alias(AT),
        moment_of.alias(OWN),
        pl.lit(value=False).alias(DELETED),
        pl.lit(order, pl.Int32).alias(ORDER),
    )


def _gives(rows: pl.DataFrame, name: str) -> pl.Expr:
    return ~pl.col(KEEPS + name) if KEEPS + name in rows.columns else pl.lit(value=True)


def _judged(entries: Sequence[Entry], given: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The given rows, sorted, each with its ``__verdict`` on what was there at its time before it came."""
    below = layers.rows_of(entries, columns, given.select(KEY).unique()) if entries else given.clear()
    stack = pl.concat([below.select(given.columns), given])
    before = layers.filled(layers.ordered(stack), columns, "key").with_columns(
        *(pl.col(name).shift().alias(f"__before_{name}") for name in columns),
        __lives=~pl.col("__new_key") & ~pl.col(DELETED).shift(),
        __single=pl.col("__new_group").shift(),
    )
    same = pl.all_horizontal(
        pl.col("__single"), *(pl.col(name).eq_missing(pl.col(f"__before_{name}")) for name in columns)
    )
    verdict = (
        pl.when(~pl.col("__lives"))
        .then(pl.lit(ADDED))
        .when(same)
        .then(pl.lit(UNCHANGED))
        .otherwise(pl.lit(CHANGED))
    )
    verdicts = before.filter(pl.col(ORDER) == len(entries)).select(*KEY, AT, verdict.alias("__verdict"))
    return given.join(verdicts, on=KEY, how="left", maintain_order="left").sort(KEY)


def _as_part(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    partly = [name for name in columns if not rows[HAS + name].all()]
    y = [] if "y" in columns else [pl.lit(None, pl.Float64).alias("y")]
    keeps = [(~pl.col(HAS + name)).alias(KEEPS + name) for name in partly]
    return rows.select(*KEY, *y, *columns, ROW, *keeps)


def _series_added(entries: Sequence[Entry], judged: pl.DataFrame) -> int:
    """How many series have rows now and had none; whoever had one of the rows before needs no look."""
    new = (pl.col("__verdict") == ADDED).all()
    names = judged.group_by("unique_id").agg(new.alias("new")).filter("new")["unique_id"]
    if not entries or names.is_empty():
        return names.len()
    window = Window(series=names.to_list())
    if any(has_tombstones(entry) for entry in entries):
        known = state.lazy(entries, window=window, columns=())
    else:
        known = pl.concat(
            window.of(layer) for layer in layers.scans(entries, (), start=layers.start_of(entries))
        )
    return names.len() - known.select(pl.col("unique_id").n_unique()).collect(engine="streaming").item()
