"""What a manifest's parts say together: as they are, as they were known at a time, and all that was ever known.

Every row has an order: since when it is known (``_known``, None first), then its part (``_entry``). For each series and time
the rows of the last order win; a column that they do not give keeps what earlier rows gave, back to the last tombstone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from apps.datasets.points.manifest import Entry
from apps.datasets.reading.build import ROW

KEY: Final = ("unique_id", "ds")
DELETED: Final = "__deleted"
ORDER: Final = "__order"
ORDERS: Final = 100_000  # more than one part can hold
KNOWN_AT: Final = "known_at"
_KNOWN: Final = "_known"
_ENTRY: Final = "_entry"


def current(
    entries: Sequence[Entry],
    *,
    covariates: Sequence[str] = (),
    series: Sequence[str] | None = None,
    start: object = None,
    end: object = None,
) -> pl.DataFrame:
    """The long table as it stands: unique_id, ds, y, ``covariates``, ``__row``, sorted; of some series or times only."""
    columns = ("y", *covariates)
    last = max((number for number, entry in enumerate(entries) if entry.reset), default=0)
    chosen = _Choice(columns, series, start, end)
    base, *overlays = [_rows(number, entry, chosen) for number, entry in enumerate(entries) if number >= last]
    return _finished(_laid_over(base, overlays, columns), columns)


def as_of(
    entries: Sequence[Entry],
    at: datetime,
    *,
    covariates: Sequence[str] = (),
    past: Sequence[str] = (),
    series: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The long table as it was known at ``at`` (aware); ``covariates`` are all columns beside y, ``past`` those of them
    that nobody knows ahead.

    Of a row that nobody knows the arrival of, y and the past columns are seen from its own time on.
    """
    moment, columns = _naive(at), ("y", *covariates)
    resets = (number for number, entry in enumerate(entries) if entry.reset and _not_before(entry) <= moment)
    last = max(resets, default=0)
    chosen = _Choice(columns, series, None, None)
    frames = [
        _seen(_rows(number, entry, chosen), moment, columns, past)
        for number, entry in enumerate(entries)
        if number >= last and (entry.not_before is None or _not_before(entry) <= moment)
    ]
    if not frames:
        return _finished(_rows(0, entries[0], chosen).clear(), columns)
    return _finished(_laid_over(frames[0], frames[1:], columns), columns)


def history(
    entries: Sequence[Entry],
    *,
    covariates: Sequence[str] = (),
    series: Sequence[str] | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """Every row that ever counted, in the order in which they count: unique_id, ds, the columns, ``__row``,
    ``known_at`` (None: unknown), ``__deleted``, ``__order`` and ``__gives <column>``; ``until`` (aware): what was known then.

    As a part of its own it answers every question as the parts do. A reset is told as a deletion of what stood before.
    """
    columns = ("y", *covariates)
    chosen = _Choice(columns, series, None, None)
    whole = _rows(0, entries[0], chosen)
    for number, entry in enumerate(entries[1:], start=1):
        if entry.reset:
            whole = _ended(whole, entry, number)
        whole = pl.concat([whole, _rows(number, entry, chosen)], how="diagonal_relaxed")
    if until is not None:
        whole = whole.filter(pl.col(_KNOWN).is_null() | (pl.col(_KNOWN) <= _naive(until)))
    flags = [pl.col(_given(name)).fill_null(value=False) for name in columns]
    return whole.sort(*KEY, _KNOWN, _ENTRY, ROW, nulls_last=False).select(
        *KEY,
        *columns,
        ROW,
        pl.col(_KNOWN).alias(KNOWN_AT),
        DELETED,
        (pl.col(_ENTRY).rank("dense") - 1).cast(pl.Int64).alias(ORDER),
        *flags,
    )


class _Choice:
    """Which rows are looked at."""

    def __init__(self, columns: Sequence[str], series: Sequence[str] | None, start: Any, end: Any) -> None:
        self.columns, self.series, self.start, self.end = columns, series, start, end

    def narrow(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        if self.series is not None:
            frame = frame.filter(pl.col("unique_id").is_in(list(self.series)))
        if self.start is not None:
            frame = frame.filter(pl.col("ds") >= self.start)
        return frame if self.end is None else frame.filter(pl.col("ds") <= self.end)


def _rows(number: int, entry: Entry, chosen: _Choice) -> pl.DataFrame:
    """A part's rows with ``_known``, ``_entry``, ``__deleted`` and, for each column, whether the part gives it."""
    scanned = pl.scan_parquet(entry.path)
    held = scanned.collect_schema()
    known = pl.col(KNOWN_AT) if KNOWN_AT in held else pl.lit(None, pl.Datetime("us"))
    if entry.not_before is not None:
        known = pl.max_horizontal(known, pl.lit(_not_before(entry), pl.Datetime("us")))
    values = [
        pl.col(name) if name in held and name in entry.columns else pl.lit(None, pl.Float64).alias(name)
        for name in chosen.columns
    ]
    order = pl.col(ORDER) if ORDER in held else pl.lit(0, pl.Int64)
    deleted = pl.col(DELETED).fill_null(value=False) if DELETED in held else pl.lit(value=False)
    row = pl.col(ROW) if ROW in held else pl.lit(0, pl.Int64)
    frame = chosen.narrow(scanned).select(
        pl.col("unique_id").cast(pl.String),
        "ds",
        *values,
        row.alias(ROW),
        known.alias(_KNOWN),
        (order + number * ORDERS).alias(_ENTRY),
        deleted.alias(DELETED),
        *[
            pl.col(_given(name))
            if _given(name) in held
            else pl.lit(name in entry.columns).alias(_given(name))
            for name in chosen.columns
        ],
    )
    return frame.collect()


def _laid_over(base: pl.DataFrame, overlays: Sequence[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    """The winning rows. Of a large base only the places that have more than one row are looked at twice."""
    alike = (pl.col("unique_id") == pl.col("unique_id").shift()) & (pl.col("ds") == pl.col("ds").shift())
    marked = base.with_columns(_again=alike.fill_null(value=False))
    several = pl.col("_again") | pl.col("_again").shift(-1, fill_value=False) | pl.col(DELETED)
    contested = marked.select(several.alias("_again")).to_series()
    touching = [frame for frame in overlays if frame.height]
    if touching:
        keys = pl.concat([frame.select(*KEY) for frame in touching]).unique()
        hit = base.select(*KEY).with_row_index("_place").join(keys, on=list(KEY), how="semi")["_place"]
        contested = contested.scatter(hit, values=True) if hit.len() else contested
    elif not contested.any():
        return base
    won = _winners(pl.concat([base.filter(contested), *touching], how="diagonal_relaxed"), columns)
    return pl.concat([base.filter(~contested), won], how="diagonal_relaxed")


def _winners(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    ordered = rows.sort(*KEY, _KNOWN, _ENTRY, ROW, nulls_last=False)
    # What stood before the last tombstone of its place is gone for good.
    after = pl.col(DELETED).reverse().cum_sum().reverse().over(*KEY) - pl.col(DELETED).cast(pl.UInt32)
    ordered = ordered.filter(after == 0)
    kept = [
        pl.when(pl.col(_given(name)))
        .then(pl.col(name))
        .otherwise(pl.col(name).filter(pl.col(_given(name))).last().over(*KEY))
        .alias(name)
        for name in columns
    ]
    last = (pl.col(_ENTRY) == pl.col(_ENTRY).last().over(*KEY)) & pl.col(_KNOWN).eq_missing(
        pl.col(_KNOWN).last().over(*KEY)
    )
    return ordered.with_columns(kept).filter(last & ~pl.col(DELETED))


def _seen(rows: pl.DataFrame, moment: datetime, columns: Sequence[str], past: Sequence[str]) -> pl.DataFrame:
    """The rows that were known at ``moment``; of those without a known arrival, what their own time lets see."""
    visible = rows.filter(pl.col(_KNOWN).is_null() | (pl.col(_KNOWN) <= moment))
    if visible.schema["ds"] == pl.Int64:
        return visible
    early = pl.col(_KNOWN).is_null() & (pl.col("ds") > moment)
    hidden = [name for name in columns if name == "y" or name in past]
    ahead = [name for name in columns if name not in hidden]
    visible = visible.with_columns([pl.when(~early).then(pl.col(name)).alias(name) for name in hidden])
    nothing = pl.all_horizontal([pl.col(name).is_null() for name in ahead]) if ahead else pl.lit(value=True)
    return visible.filter(~(early & nothing))


def _ended(whole: pl.DataFrame, entry: Entry, number: int) -> pl.DataFrame:
    """What stood before a reset, with tombstones as from then on; what would have become known later never does."""
    moment = _not_before(entry)
    stood = whole.filter(pl.col(_KNOWN).is_null() | (pl.col(_KNOWN) < moment))
    gone = (
        stood.select(*KEY)
        .unique()
        .with_columns(
            pl.lit(0, pl.Int64).alias(ROW),
            pl.lit(moment, pl.Datetime("us")).alias(_KNOWN),
            pl.lit(number * ORDERS - 1, pl.Int64).alias(_ENTRY),
            pl.lit(value=True).alias(DELETED),
        )
    )
    return pl.concat([stood, gone], how="diagonal_relaxed")


def _finished(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return rows.select(*KEY, *columns, ROW).sort(*KEY, ROW)


def _given(name: str) -> str:
    return f"__gives {name}"


def _not_before(entry: Entry) -> datetime:
    return _naive(entry.not_before) if entry.not_before else datetime.min  # noqa: DTZ901 - compared with naive UTC


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
