"""Local forecasters whose state is the forecast itself, kept as level, trend and season of each step.

A model reads the end of a series in a unit, a power of two, in which its range is of a fixed size: libraries stop their
searches at tolerances of their own, and so give the same forecast whatever the unit of the data.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from apps.engine.forecasters.local import Grid, LocalForecaster, One, path, unit_of
from apps.engine.metrics import naive_scale
from apps.engine.panel import Floats
from apps.engine.seasonality import Adjusted, adjust, found_season
from apps.engine.serving.predictors import MULTIPLICATIVE, combine, cycle

SEASONS_KEPT = 10
FLAT = 1e-9  # what varies less than this share of the series is rounding


@dataclass(frozen=True)
class Ahead:
    """A forecast of one series: `level`, `base` f8[H] (level and trend), `sigma` f8[H], `season` f8[H] that is added
    (None: none), and what a later cutoff can reuse."""

    level: float
    base: Floats
    sigma: Floats
    season: Floats | None = None
    hint: str = ""


class PathForecaster(LocalForecaster):
    """Reads the last `points_kept` points or ten seasons, whichever is more, in a unit in which they range over one or
    two times `reach`.
    """

    points_kept: ClassVar[int] = 400
    reach: ClassVar[float] = 1.0

    @abstractmethod
    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:
        """The forecast of a series that varies; raises Unfit with the reason when there is none."""

    def kept(self, grid: Grid) -> int:
        """How many points at the end of a series are read."""
        return max(self.points_kept, SEASONS_KEPT * grid.season)

    def estimate(self, y: Floats, grid: Grid, hint: str) -> One:
        """See `LocalForecaster`."""
        walk = naive_scale(y, grid.season) * np.sqrt(np.arange(1, grid.horizon + 1))
        late = y[-self.kept(grid) :]
        if np.ptp(late) == 0:
            return path(grid, level=float(late[-1]), sigma=walk, history=y)
        unit = unit_of(late, self.reach)
        found = self.ahead(late / unit, grid, hint)
        sigma = np.where(np.isfinite(found.sigma), found.sigma * unit, walk)
        season = None if found.season is None else found.season * unit
        trend = (found.base - found.level) * unit
        return path(
            grid, level=found.level * unit, trend=trend, season=season, sigma=sigma, history=late, hint=found.hint
        )  # fmt: skip


class AdjustingForecaster(PathForecaster):
    """Models seasons up to `longest_season` itself; a longer one is taken out beforehand and put back."""

    longest_season: ClassVar[int] = 1

    @abstractmethod
    def model(self, y: Floats, m: int, horizon: int, hint: str) -> Ahead:
        """The forecast of a series with a season of `m` steps (1: none)."""

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:
        """See `PathForecaster`."""
        if grid.season <= self.longest_season:
            return self.model(y, found_season(y, grid.season), grid.horizon, hint)
        adjusted = adjust(y, grid.season)
        if np.ptp(adjusted.values) <= FLAT * np.ptp(y):
            return seasoned(flat(float(adjusted.values[-1]), grid.horizon), adjusted)
        return seasoned(self.model(adjusted.values, 1, grid.horizon, hint), adjusted)


def flat(level: float, horizon: int) -> Ahead:
    """A forecast that stays at `level`, without a spread of its own."""
    return Ahead(level, np.full(horizon, level), np.zeros(horizon))


def seasoned(ahead: Ahead, adjusted: Adjusted) -> Ahead:
    """The forecast of an adjusted series with its season put back."""
    index = cycle(adjusted.ahead[None, :], len(ahead.base))
    season = combine(ahead.base[None, :], index, np.asarray([adjusted.kind]))[0] - ahead.base
    sigma = ahead.sigma * index[0] if adjusted.kind == MULTIPLICATIVE else ahead.sigma
    return replace(ahead, season=season, sigma=sigma)


def split(mean: Floats, m: int, horizon: int) -> tuple[float, Floats, Floats]:
    """Level, base f8[H] and season f8[H] of a seasonal forecast `mean` f8[N] of whole seasons of `m` steps.

    The base of a season's steps is their average.
    """
    averages = mean.reshape(-1, m).mean(axis=1)
    base = np.repeat(averages, m)[:horizon]
    return float(averages[0]), base, mean[:horizon] - base


def spread(residuals: Floats, horizon: int, weight: float) -> Floats:
    """Standard deviations f8[H] of exponential smoothing whose newest value counts `weight`, from its one-step errors
    (NaN: none)."""
    sd = float(np.sqrt(np.nanmean(residuals**2)))
    return np.asarray(sd * np.sqrt(1 + weight**2 * np.arange(horizon)), np.float64)


def spread_of_weights(sd: float, psi: Floats) -> Floats:
    """Standard deviations f8[H] of a linear model with one-step errors of `sd` and impulse response `psi` f8[H-1]."""
    return np.asarray(sd * np.sqrt(1 + np.concatenate([[0.0], np.cumsum(psi**2)])), np.float64)


def whole_seasons(horizon: int, m: int) -> int:
    """Steps of as many whole seasons as the horizon touches."""
    return -(-horizon // m) * m


def last(states: Any) -> Floats:
    """The newest row of a library's states."""
    newest: Floats = np.asarray(states, np.float64)[-1]
    return newest
