"""Stored points -> the engine's regular panel: the recipe applied, missing steps filled by its rule.

Runs on workers: polars and numpy. Rows without a value before a series' first value are left out, those
after its last value give what is known of the future.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from apps.datasets.doctor import fixes
from apps.datasets.doctor.contracts import Step
from apps.datasets.doctor.sheet import OFF, steps
from apps.datasets.errors import NotTrainable
from apps.datasets.points.state import DELETED, KNOWN_AT
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel
from apps.engine.vintages import Vintages

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_STEPS_A_ROW = 100
ANYWAY_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make the panel: ``frequency`` as the engine spells it ("" = unknown), what is done about findings, gap rule,
    columns that are known ahead (``covariates``) and those that are not (``past``)."""

    frequency: str
    season_length: int | None
    gap_rule: str
    covariates: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the rows of ``frame`` go: series code, step on its grid; each series' last step with a value."""

    frame: pl.DataFrame
    codes: Ints
    steps: Ints
    last: Ints

    @property
    def indptr(self) -> Ints:
        return np.concatenate([[0], np.cumsum(self.last + 1)]).astype(np.int64)

    @property
    def past(self) -> NDArray[np.bool_]:
        return np.asarray(self.steps <= self.last[self.codes], np.bool_)


def make_panel(
    table: pl.DataFrame | bytes,
    recipe: Recipe,
    *,
    history: pl.DataFrame | None = None,
    statics: bytes | None = None,
) -> Panel:
    """The panel of a long table (or its Parquet); series without any value are left out (a finding said so).

    ``history`` (``points.state.history``) says which points arrived late or were corrected, and when; ``statics`` is the
    Parquet with the attributes of the series. Raises ``NotTrainable`` when the
    times have no frequency or do not lie on its grid.
    """
    if not recipe.frequency:
        raise NotTrainable(
            reason="The frequency cannot be told: no series has three values at regular times."
        )
    frequency = Frequency.parse(_alias(recipe.frequency), season_length=recipe.season_length)
    given = pl.read_parquet(io.BytesIO(table)) if isinstance(table, bytes) else table
    done = fixes.apply(
        _named(given), recipe.steps, frequency=frequency, covariates=recipe.covariates, past=recipe.past
    )
    covariates = tuple(name for name in recipe.covariates if name not in done.dropped)
    layout = _lay_out(done.table, frequency)
    past = tuple(name for name in recipe.past if name not in done.dropped)
    panel = _panel(layout, frequency, recipe.gap_rule, covariates, past)
    if statics is not None:
        panel = replace(panel, static=_attributes(statics, panel.series_ids))
    vintages = _vintages(history, layout, done.changes) if history is not None else None
    return replace(panel, vintages=vintages) if vintages is not None and len(vintages) else panel


def chosen(recipe: Recipe, covariates: Collection[str] | None) -> Recipe:
    """The recipe with only these columns beside the target; None: with all."""
    if covariates is None:
        return recipe
    known, past = (
        tuple(name for name in names if name in covariates) for names in (recipe.covariates, recipe.past)
    )
    return replace(recipe, covariates=known, past=past)


def recipe_of(
    frequency: str, season_length: int | None, columns: Mapping[str, object], given: Sequence[Step] = ()
) -> Recipe:
    """The recipe of a version: its steps, and what its columns say. Versions of an older program name the gap rule there."""
    filling = [step.fix for step in given if step.code in ("gaps", "missing_values") and step.series is None]
    rule = filling[-1] if filling else str(columns.get("gap_rule") or "season")
    return Recipe(
        frequency, season_length, rule, _names(columns, "covariates"), _names(columns, "past"), tuple(given)
    )


def _names(columns: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = columns.get(name)
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def _named(table: pl.DataFrame) -> pl.DataFrame:
    return (
        table
        if table.schema["unique_id"] == pl.String
        else table.with_columns(pl.col("unique_id").cast(pl.String))
    )


def _attributes(statics: bytes, series_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Each attribute's value for each series; None where the file has none."""
    given = pl.read_parquet(io.BytesIO(statics)).with_columns(pl.col("unique_id").cast(pl.String))
    wanted = pl.DataFrame({"unique_id": list(series_ids)}, schema={"unique_id": pl.String})
    found = wanted.join(
        given.unique("unique_id", keep="first"), on="unique_id", how="left", maintain_order="left"
    )
    return {name: found[name].to_list() for name in found.columns if name != "unique_id"}


def _panel(
    layout: _Layout, frequency: Frequency, rule: str, covariates: tuple[str, ...], unknown: tuple[str, ...]
) -> Panel:
    values = _fill(_spread(layout, "y"), layout.indptr, rule, frequency.season_length)
    known, past = (
        {name: _fill_known(_spread(layout, name), layout.indptr) for name in names}
        for names in (covariates, unknown)
    )
    first = layout.frame.filter(pl.Series(_firsts(layout.codes)))
    return Panel(
        tuple(first["unique_id"].to_list()),
        values,
        layout.indptr,
        _times(first["ds"], layout.last, frequency),
        frequency,
        known,
        {},
        {name: _future(layout, name) for name in covariates} if not layout.past.all() else {},
        past=past,
    )


def _alias(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _lay_out(table: pl.DataFrame, frequency: Frequency) -> _Layout:
    first = pl.col("ds").filter(pl.col("y").is_not_null()).min().over("unique_id")
    kept = table.filter(pl.col("ds") >= first)
    if not kept.height:
        raise NotTrainable(reason="No series has a value, once the recipe is applied.")
    codes = kept["unique_id"].rle_id().cast(pl.Int64).to_numpy()
    indptr = np.concatenate([[0], np.cumsum(np.bincount(codes))]).astype(np.int64)
    ds = kept["ds"] if kept.schema["ds"] == pl.Int64 else kept["ds"].cast(pl.Datetime("us")).cast(pl.Int64)
    places = steps(ds.to_numpy(), indptr, frequency)
    _refuse_off_grid(kept, places, codes, frequency)
    last = np.zeros(int(codes[-1]) + 1, np.int64)
    present = kept["y"].is_not_null().to_numpy()
    np.maximum.at(last, codes[present], places[present])
    _refuse_endless(kept, last, int((places - last[codes]).max()), codes, frequency)
    return _Layout(kept, codes, places, last)


def _refuse_off_grid(kept: pl.DataFrame, places: Ints, codes: Ints, frequency: Frequency) -> None:
    off = np.flatnonzero(places == OFF)
    if len(off):
        series, ds = kept["unique_id"][int(off[0])], kept["ds"][int(off[0])]
        reason = f"Series {series!r} has {ds}, which is off the grid of frequency {frequency.alias}."
        raise NotTrainable(reason=f"{reason} Accept a fix for it, or correct the times and upload again.")
    double = np.flatnonzero((np.diff(places) == 0) & (np.diff(codes) == 0))
    if len(double):
        series, ds = kept["unique_id"][int(double[0])], kept["ds"][int(double[0])]
        reason = f"Series {series!r} has two values for {ds}."
        raise NotTrainable(reason=f"{reason} Accept a fix that says which one counts.")


def _refuse_endless(kept: pl.DataFrame, last: Ints, ahead: int, codes: Ints, frequency: Frequency) -> None:
    """One date such as 1970-01-01 among minutes would fill decades, and the memory; so would one far ahead."""
    # Sums of Python's: numbers of int64 may not hold them.
    steps_in_all = sum((last + 1).tolist()) + len(last) * max(ahead, 0)
    if steps_in_all <= max(ANYWAY_STEPS, MOST_STEPS_A_ROW * kept.height):
        return
    longest = (
        int(codes[np.argmax(kept["ds"].to_physical().to_numpy())])
        if ahead > last.max()
        else int(np.argmax(last))
    )
    rows = kept.filter(pl.Series(codes == longest))
    reason = (
        f"The series span {steps_in_all:,} steps of frequency {frequency.alias} with {kept.height:,} rows. The longest is "
        f"{rows['unique_id'][0]!r}, from {rows['ds'][0]} to {rows['ds'][-1]} with {rows.height:,} rows. Leave rows with dates "
        "far away from the others out, or choose a coarser frequency."
    )
    raise NotTrainable(reason=reason)


def _firsts(codes: Ints) -> NDArray[np.bool_]:
    return np.concatenate([[True], np.diff(codes) != 0])


def _spread(layout: _Layout, name: str) -> Floats:
    """A column on the full grid of all series' past; NaN where there is no value."""
    out = np.full(int(layout.indptr[-1]), np.nan)
    past = layout.past
    out[layout.indptr[layout.codes[past]] + layout.steps[past]] = layout.frame[name].to_numpy()[past]
    return out


def _fill(values: Floats, indptr: Ints, rule: str, season_length: int) -> Floats:
    """``values`` without NaN. The first value of each series is always present; no rule looks ahead."""
    missing = np.flatnonzero(np.isnan(values))
    if rule == "zero":
        values[missing] = 0.0
        return values
    period = season_length if rule == "season" else 1
    starts = indptr[np.searchsorted(indptr, missing, side="right") - 1]
    for position, start in zip(missing, starts, strict=True):
        values[position] = values[position - period] if position - start >= period else values[position - 1]
    return values


def _fill_known(values: Floats, indptr: Ints) -> Floats:
    """A covariate without NaN: the last known value, at the start the first one, 0 where there is none."""
    codes = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    frame = pl.DataFrame({"code": codes, "value": values}).with_columns(pl.col("value").fill_nan(None))
    filled = frame.select(pl.col("value").forward_fill().backward_fill().over("code").fill_null(0.0))
    return filled.to_series().to_numpy()


def _future(layout: _Layout, name: str) -> Floats:
    """f8[S, F]: the covariate in the steps after each series' last value; NaN where unknown."""
    later = ~layout.past
    ahead = layout.steps[later] - layout.last[layout.codes[later]] - 1
    block = np.full((len(layout.last), int(ahead.max()) + 1), np.nan)
    block[layout.codes[later], ahead] = layout.frame[name].to_numpy()[later]
    return block


def _times(first: pl.Series, last: Ints, frequency: Frequency) -> NDArray[np.generic]:
    starts = first.to_numpy()
    return np.concatenate(
        [frequency.range(start, int(count) + 1) for start, count in zip(starts, last, strict=True)]
    )


def _vintages(history: pl.DataFrame, layout: _Layout, changes: pl.DataFrame) -> Vintages:
    """Lines for points that became known after their own time, or more than once; not for those that the recipe decides."""
    places = pl.DataFrame(
        {
            "unique_id": layout.frame["unique_id"],
            "ds": layout.frame["ds"],
            "series": layout.codes,
            "position": layout.steps,
            "past": layout.past,
        }
    ).filter(pl.col("past"))
    told = history.filter(pl.col("__gives y") | pl.col(DELETED)).join(places, on=["unique_id", "ds"])
    decided = changes.filter(pl.col("column") == "y").select("unique_id", moment="ds").unique()
    told = told.with_columns(moment=_spoken(told["ds"])).join(decided, on=["unique_id", "moment"], how="anti")
    own = pl.col("ds") if history.schema["ds"] != pl.Int64 else pl.lit(None, pl.Datetime("us"))
    told = told.with_columns(at=pl.coalesce(KNOWN_AT, own)).filter(pl.col("at").is_not_null())
    late = (pl.col("at") > own).any().over("series", "position") | (pl.len().over("series", "position") > 1)
    told = told.filter(late)
    value = told.select(pl.when(~pl.col(DELETED)).then(pl.col("y"))).to_series()
    return Vintages(
        told["series"].to_numpy(),
        told["position"].to_numpy(),
        told["at"].dt.cast_time_unit("us").to_numpy().astype("datetime64[s]"),
        value.fill_null(float("nan")).to_numpy(),
    )


def _spoken(ds: pl.Series) -> pl.Series:
    """Times as a recipe's changes name them."""
    if ds.dtype == pl.Int64:
        return ds.cast(pl.String)
    frame = ds.to_frame("t")
    midnight = pl.col("t").dt.time() == pl.time(0, 0)
    shown = pl.when(midnight).then(pl.col("t").dt.to_string("%Y-%m-%d"))
    return frame.select(shown.otherwise(pl.col("t").dt.to_string("%Y-%m-%dT%H:%M:%S"))).to_series()
