"""Stored points -> the engine's regular panel, missing steps filled by the rule accepted with the data.

Runs on workers: polars and numpy. Rows without a value before a series' first value are left out, those
after its last value give what is known of the future.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from apps.datasets.errors import NotTrainable
from apps.datasets.reading.grid import with_steps
from apps.engine.frequency import Frequency
from apps.engine.panel import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make the panel: ``frequency`` as the engine spells it ("" = unknown), gap rule, covariates."""

    frequency: str
    season_length: int | None
    gap_rule: str
    covariates: tuple[str, ...] = ()


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


def make_panel(parquet: bytes, recipe: Recipe) -> Panel:
    """The panel of a version's Parquet file; series without any value are left out (a finding said so).

    Raises ``NotTrainable`` when the times have no frequency or do not lie on its grid.
    """
    if not recipe.frequency:
        raise NotTrainable(
            reason="The frequency cannot be told: no series has three values at regular times."
        )
    frequency = Frequency.parse(_alias(recipe.frequency), season_length=recipe.season_length)
    layout = _lay_out(pl.read_parquet(io.BytesIO(parquet)), frequency)
    values = _fill(_spread(layout, "y"), layout.indptr, recipe.gap_rule, frequency.season_length)
    covariates = {name: _fill_known(_spread(layout, name), layout.indptr) for name in recipe.covariates}
    first = layout.frame.filter(pl.Series(layout.steps == 0))
    return Panel(
        tuple(first["unique_id"].to_list()),
        values,
        layout.indptr,
        _times(first["ds"], layout.last, frequency),
        frequency,
        covariates,
        {},
        {name: _future(layout, name) for name in recipe.covariates} if not layout.past.all() else {},
    )


def _alias(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _lay_out(table: pl.DataFrame, frequency: Frequency) -> _Layout:
    first = pl.col("ds").filter(pl.col("y").is_not_null()).min().over("unique_id")
    kept = with_steps(table.filter(pl.col("ds") >= first), frequency)
    off = kept.filter(pl.col("step").is_null())
    if off.height:
        series, ds = off["unique_id"][0], off["ds"][0]
        reason = f"Series {series!r} has {ds}, which is off the grid of frequency {frequency.alias}."
        raise NotTrainable(reason=f"{reason} Correct the times and upload again.")

    codes = kept["unique_id"].rle_id().cast(pl.Int64).to_numpy()
    steps = kept["step"].to_numpy()
    last = np.zeros(int(codes[-1]) + 1, np.int64)
    present = kept["y"].is_not_null().to_numpy()
    np.maximum.at(last, codes[present], steps[present])
    return _Layout(kept, codes, steps, last)


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
        [frequency.range(start, int(steps) + 1) for start, steps in zip(starts, last, strict=True)]
    )


def recipe_of(frequency: str, season_length: int | None, columns: Mapping[str, object]) -> Recipe:
    """The recipe stored with a version."""
    covariates = columns.get("covariates")
    names = tuple(str(name) for name in covariates) if isinstance(covariates, list) else ()
    return Recipe(frequency, season_length, str(columns.get("gap_rule") or "season"), names)
