"""Applying a recipe to a long table: a pure function of its rows, the same on appended data and at prediction time.

Each step detects its findings anew, by the same rules. Steps are taken in four rounds, whatever their order in the recipe:
times, doubles, values, whole rows and series; so that none is undone by another. Filling gaps is the panel's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from apps.datasets.doctor import telling
from apps.datasets.doctor.checks import extremes
from apps.datasets.doctor.checks.times import swap
from apps.datasets.doctor.contracts import Step
from apps.datasets.doctor.detect import OFF, About, Place, detect
from apps.datasets.doctor.sheet import Bools, Ints, Sheet, sheet_of
from apps.engine.frequency import Frequency

ROUNDS: Final = (
    ("far_dates", "swapped_dates", "dst_doubling", "irregular"),
    ("conflicting_rows", "duplicate_rows"),
    ("non_finite", "sentinel", "unit_change", "negative", "repeated_stretch", "outliers", "missing_covariate", "covariate_missing_future"),
    (
        "level_shift", "future_dates", "mixed_frequency", "no_values", "constant", "all_zero", "too_short", "stopped_early",
        "covariate_leak",
    ),
)  # fmt: skip
BEFORE: Final = 7  # values whose median stands for an outlier
SNAP_SHARE: Final = 0.5  # of a step that a time may be off its grid
CHANGES: Final = {
    "unique_id": pl.String,
    "ds": pl.String,
    "column": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "code": pl.String,
}


@dataclass(frozen=True, slots=True)
class Applied:
    """The table as the recipe makes it; what it changed (``after`` None: missing, or the row is gone); columns not to use."""

    table: pl.DataFrame
    changes: pl.DataFrame
    dropped: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Work:
    table: pl.DataFrame
    sheet: Sheet
    about: About
    changes: list[pl.DataFrame] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)

    def note(self, rows: Ints, after: Any, code: str, column: str = "y") -> None:
        ids, ds = _names(rows, self.sheet)
        before = self.table[column].gather(rows)
        columns = {
            "unique_id": ids,
            "ds": ds,
            "column": column,
            "before": before,
            "after": after,
            "code": code,
        }
        self.changes.append(pl.DataFrame(columns).cast(CHANGES))  # type: ignore[arg-type]


def apply(
    table: pl.DataFrame,
    steps: Sequence[Step],
    *,
    frequency: Frequency | None,
    covariates: Sequence[str],
    past: Sequence[str] = (),
    now: datetime | None = None,
) -> Applied:
    """The long table (sorted by unique_id, ds, row) after the steps; the one that was given is left as it is."""
    about = About(
        tuple(covariates),
        tuple(past),
        frequency,
        {},
        None,
        None,
        now or datetime.now(UTC).replace(tzinfo=None),
    )
    work = _Work(table, sheet_of(table, frequency, about.columns), about)
    for codes in ROUNDS:
        chosen = [step for step in steps if step.code in codes]
        if chosen and work.table.height:
            _round(work, chosen)
    changes = pl.concat(work.changes) if work.changes else pl.DataFrame(schema=CHANGES)
    return Applied(work.table, changes, frozenset(work.dropped))


def _round(work: _Work, steps: Sequence[Step]) -> None:
    found = detect(work.sheet, work.about)
    kept: Bools = np.ones(work.table.height, bool)
    for step in steps:
        for place in found:
            wanted = step.params.get("column")
            if place.code != step.code or (wanted and place.column != wanted):
                continue
            rows = _chosen(place, step, work.sheet)
            if len(rows):
                _FIXES[step.fix](work, place, step, rows, kept)
    if not kept.all():
        work.table = work.table.filter(pl.Series(kept))
    work.table = (
        work.table.sort("unique_id", "ds", "__row")
        if "__row" in work.table.columns
        else work.table.sort("unique_id", "ds")
    )
    work.sheet = (
        sheet_of(work.table, work.about.frequency, work.about.columns) if work.table.height else work.sheet
    )


def _chosen(place: Place, step: Step, sheet: Sheet) -> Ints:
    rows = place.places
    if step.series is not None:
        wanted = set(step.series)
        codes = np.searchsorted(sheet.indptr, rows, side="right") - 1
        rows = rows[[sheet.ids[code] in wanted for code in codes.tolist()]]
    if step.at is not None:
        moments = {str(each) for each in step.at}
        rows = rows[[str(telling.moment(each, sheet)) in moments for each in sheet.ds[rows].tolist()]]
    return rows


def _set(work: _Work, rows: Ints, after: Any, code: str, column: str = "y") -> None:
    """Put ``after`` (numbers, NaN for missing) into rows of a column, and note it."""
    new = pl.Series(np.broadcast_to(np.asarray(after, float), len(rows)).copy()).fill_nan(None)
    work.note(rows, new, code, column)
    changed = work.table[column].to_frame().with_row_index("__at").with_columns(pl.col("__at").cast(pl.Int64))
    update = pl.DataFrame({"__at": rows, "__new": new, "__hit": True})
    joined = changed.join(update, on="__at", how="left", maintain_order="left")
    value = (
        pl.when(pl.col("__hit").is_not_null()).then(pl.col("__new")).otherwise(pl.col(column)).alias(column)
    )
    work.table = work.table.with_columns(joined.select(value).to_series())


def _as_missing(work: _Work, place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    _set(work, rows, np.nan, step.code, place.column or "y")


def _zero(work: _Work, _place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    _set(work, rows, 0.0, step.code)


def _absolute(work: _Work, _place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    _set(work, rows, np.abs(work.sheet.y[rows]), step.code)


def _rescale(work: _Work, place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    codes = np.searchsorted(work.sheet.indptr, rows, side="right") - 1
    given = step.params.get("factor")
    factors = [given or place.params[work.sheet.ids[code]]["factor"] for code in codes.tolist()]
    _set(work, rows, work.sheet.y[rows] * np.asarray(factors, float), step.code)


def _median(work: _Work, _place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    """Only values before it stand for one, as nothing later was known then."""
    y = work.sheet.y.copy()
    y[rows] = np.nan
    lags = np.stack([_before(y, work.sheet, lag)[rows] for lag in range(1, BEFORE + 1)])
    _set(work, rows, extremes.nanmedian(lags), step.code)


def _clip(work: _Work, _place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    y = work.sheet.y.copy()
    y[rows] = np.nan
    known = pl.DataFrame({"id": work.table["unique_id"], "y": y}).with_columns(pl.col("y").fill_nan(None))
    edges = known.select(
        low=pl.col("y").cum_min().forward_fill().over("id"),
        high=pl.col("y").cum_max().forward_fill().over("id"),
    )
    low, high = (edges[name].gather(rows).fill_null(float("nan")).to_numpy() for name in ("low", "high"))
    _set(work, rows, np.clip(work.sheet.y[rows], low, high), step.code)


def _carry_last(work: _Work, place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    assert place.column is not None
    filled = work.table.select(pl.col(place.column).forward_fill().over("unique_id")).to_series()
    _set(work, rows, filled.gather(rows).fill_null(float("nan")).to_numpy(), step.code, place.column)


def _drop_column(work: _Work, place: Place, _step: Step, _rows: Ints, _kept: Bools) -> None:
    if place.column is not None:
        work.dropped.add(place.column)


def _drop(work: _Work, _place: Place, step: Step, rows: Ints, kept: Bools) -> None:
    work.note(rows, None, step.code)
    kept[rows] = False


def _exclude(work: _Work, _place: Place, step: Step, rows: Ints, kept: Bools) -> None:
    for code in np.unique(np.searchsorted(work.sheet.indptr, rows, side="right") - 1).tolist():
        whole = np.arange(work.sheet.indptr[code], work.sheet.indptr[code + 1])
        work.note(whole, None, step.code)
        kept[whole] = False


def _cut_before(work: _Work, _place: Place, step: Step, rows: Ints, kept: Bools) -> None:
    for row in rows.tolist():
        code = int(np.searchsorted(work.sheet.indptr, row, side="right")) - 1
        before = np.arange(work.sheet.indptr[code], row)
        work.note(before, None, step.code)
        kept[before] = False


def _swap(work: _Work, _place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    work.note(rows, work.table["y"].gather(rows), step.code)
    moved = work.sheet.ds.copy()
    for row in rows.tolist():
        moved[row] = swap(int(moved[row])) or moved[row]
    _move(work, moved)


def _localize(work: _Work, _place: Place, step: Step, rows: Ints, kept: Bools) -> None:
    """Every time of the table, not only the doubled ones: all were written by the same clock."""
    work.note(rows, work.table["y"].gather(rows), step.code)
    again = np.zeros(len(work.sheet), bool)
    again[1:] = work.sheet.same()[1:] & (work.sheet.ds[1:] == work.sheet.ds[:-1])
    fold = pl.Series("fold", np.where(again, "latest", "earliest"))
    frame = work.table.select("ds").with_columns(fold)
    utc = frame.select(
        pl.col("ds")
        .dt.replace_time_zone(step.params["zone"], ambiguous=pl.col("fold"), non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None)
    ).to_series()
    never = np.flatnonzero(utc.is_null().to_numpy())
    if len(never):
        work.note(never, None, step.code)
        kept[never] = False
    work.table = work.table.with_columns(utc.fill_null(work.table["ds"]).alias("ds"))


def _onto_grid(work: _Work, step: Step, rows: Ints, *, nearest: bool) -> None:
    """Times off the grid to a step of their series: the nearest, or the one that they fall into."""
    sheet, frequency = work.sheet, work.about.frequency
    assert frequency is not None
    moved = sheet.ds.copy()
    codes = np.searchsorted(sheet.indptr, rows, side="right") - 1
    for code in np.unique(codes).tolist():
        begin, end = int(sheet.indptr[code]), int(sheet.indptr[code + 1])
        grid = _grid(sheet.ds[begin:end], sheet.step[begin:end], frequency, sheet)
        own = rows[codes == code]
        place = np.searchsorted(grid, sheet.ds[own], side="right") - 1
        low, high = grid[np.maximum(place, 0)], grid[np.minimum(place + 1, len(grid) - 1)]
        closer = (high - sheet.ds[own]) < (sheet.ds[own] - low)
        moved[own] = np.where(closer & nearest, high, low)
    work.note(rows, work.table["y"].gather(rows), step.code)
    _move(work, moved)


def _snap(work: _Work, _place: Place, step: Step, rows: Ints, _kept: Bools) -> None:
    _onto_grid(work, step, rows, nearest=True)
    _merge_same_places(work, "last")


def _period(how: str) -> Callable[..., None]:
    def summed(work: _Work, _place: Place, step: Step, rows: Ints, kept: Bools) -> None:
        if step.code == "irregular":
            _onto_grid(work, step, rows, nearest=False)
            _merge_same_places(work, how)
        else:
            _merge(work, step, rows, kept, how)

    return summed


def _merge(work: _Work, step: Step, rows: Ints, kept: Bools, how: str) -> None:
    """One row for each double: the last of its rows gets the value, the others go."""
    sheet = work.sheet
    places = np.cumsum(
        ~(sheet.same() & np.concatenate([[False], np.diff(sheet.ds) == 0]))
    )  # one number a place
    group = np.flatnonzero(np.isin(places, np.unique(places[rows])))
    frame = pl.DataFrame({"place": places[group], "row": group, "y": sheet.y[group]})
    known = pl.col("y").fill_nan(None).drop_nulls()
    merged = frame.group_by("place", maintain_order=True).agg(pl.col("row").last(), _one_of(known, how))
    last = merged["row"].to_numpy()
    gone = np.setdiff1d(group, last)
    _set(work, last, merged["y"].fill_null(float("nan")).to_numpy(), step.code)
    work.note(gone, None, step.code)
    kept[gone] = False


def _one_of(known: pl.Expr, how: str) -> pl.Expr:
    """None where no row of the place has a value."""
    picks = {"last": known.last(), "first": known.first(), "mean": known.mean(), "max": known.max()}
    return pl.when(known.len() > 0).then(known.sum()) if how == "sum" else picks[how]


def _merge_same_places(work: _Work, how: str) -> None:
    """One row for each series and time, after times were moved."""
    value = {"last": pl.col("y").last(), "sum": pl.col("y").sum(), "mean": pl.col("y").mean()}[how]
    double = work.table.filter(pl.struct("unique_id", "ds").is_duplicated())
    if not double.height:
        return
    others = [pl.col(name).last() for name in work.table.columns if name not in ("unique_id", "ds", "y")]
    merged = (
        double.group_by("unique_id", "ds", maintain_order=True).agg(value, *others).select(work.table.columns)
    )
    single = work.table.filter(~pl.struct("unique_id", "ds").is_duplicated())
    work.table = pl.concat([single, merged.cast(dict(single.schema))])  # type: ignore[arg-type]


def _move(work: _Work, moved: Ints) -> None:
    kind = work.table.schema["ds"]
    new = pl.Series("ds", moved) if kind == pl.Int64 else pl.Series("ds", moved.view("datetime64[us]"))
    work.table = work.table.with_columns(new.cast(kind))


def _grid(ds: Ints, step: Ints, frequency: Frequency, sheet: Sheet) -> Ints:
    """The times of a series' grid from its first row's step to behind its last."""
    on = np.flatnonzero(step != OFF)
    anchor, first = (ds[on[0]], int(step[on[0]])) if len(on) else (ds[0], 0)
    if sheet.is_integer:
        return np.asarray(
            frequency.shift(anchor, np.arange(-first - 1, (ds[-1] - ds[0]) // frequency.multiple + 3))
        )
    span = int((ds[-1] - ds[0]) // 1_000_000)
    smallest = {"s": 1, "min": 60, "h": 3600}.get(frequency.unit, 86_400)
    count = span // (smallest * frequency.multiple) + 3
    start = np.datetime64(int(anchor), "us").astype("datetime64[s]")
    grid = frequency.shift(start, np.arange(-first - 1, count))
    return np.asarray(grid.astype("datetime64[us]").astype(np.int64))


def _before(y: Any, sheet: Sheet, lag: int) -> Any:
    out = np.full(len(y), np.nan)
    if lag < len(y):
        out[lag:] = np.where(sheet.same(lag)[lag:], y[:-lag], np.nan)
    return out


def _names(rows: Ints, sheet: Sheet) -> tuple[list[str], list[str]]:
    codes = np.searchsorted(sheet.indptr, rows, side="right") - 1
    ids = [sheet.ids[code] for code in codes.tolist()]
    return ids, [str(telling.moment(each, sheet)) for each in sheet.ds[rows].tolist()]


def _double(how: str) -> Callable[..., None]:
    def merged(work: _Work, _place: Place, step: Step, rows: Ints, kept: Bools) -> None:
        _merge(work, step, rows, kept, how)

    return merged


_FIXES: Final[dict[str, Callable[..., None]]] = {
    "as_missing": _as_missing,
    "zero": _zero,
    "absolute": _absolute,
    "rescale": _rescale,
    "median": _median,
    "clip": _clip,
    "carry_last": _carry_last,
    "drop_column": _drop_column,
    "drop": _drop,
    "exclude": _exclude,
    "cut_before": _cut_before,
    "swap": _swap,
    "localize": _localize,
    "snap": _snap,
    "sum": _period("sum"),
    "mean": _period("mean"),
    "max": _double("max"),
    "keep_last": _double("last"),
    "keep_first": _double("first"),
}
