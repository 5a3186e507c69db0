"""MSTL: several seasons taken out by repeated STL and carried forward, the rest forecast without a season
(Bandara, Hyndman and Bergmeir 2021).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from apps.engine.forecasters.local import Grid, Unfit
from apps.engine.forecasters.paths import FLAT, Ahead, PathForecaster, flat
from apps.engine.panel import Floats
from apps.engine.serving.predictors import cycle

ROUNDS = 2
POINTS_OF_TREND = 400
LONG = 200
JUMPS_A_SEASON = 50


class MSTL(PathForecaster):
    """All seasons of the grid that fit twice into the history; the rest is forecast from its last points."""

    min_points = 12
    points_kept = 1000

    @abstractmethod
    def trend(self, y: Floats, horizon: int, hint: str) -> Ahead:
        """The forecast of a series without a season."""

    def kept(self, grid: Grid) -> int:
        """See `PathForecaster`."""
        return max(self.points_kept, 2 * max(grid.seasons))

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:
        """See `PathForecaster`."""
        fitting = [m for m in grid.seasons if 1 < m <= len(y) // 2]
        if not fitting:
            raise Unfit("no season fits twice into its history")
        seasons = seasons_of(y, fitting)
        terms = [cycle(s[None, -m:], grid.horizon)[0] for m, s in zip(fitting, seasons, strict=True)]
        rest = (y - seasons.sum(axis=0))[-POINTS_OF_TREND:]
        if np.ptp(rest) <= FLAT * np.ptp(y):
            return replace(flat(float(rest[-1]), grid.horizon), season=np.sum(terms, axis=0))
        return replace(self.trend(rest, grid.horizon, hint), season=np.sum(terms, axis=0))


def seasons_of(y: Floats, periods: Sequence[int]) -> Floats:
    """The seasonal part of each of the ascending `periods`; f8[len(periods), n].

    Each is estimated on what the others leave, with windows of 11, 15, 19, ... seasons. The trend beside a LONG season
    is smoothed at JUMPS_A_SEASON points of each and interpolated between them, as STL's authors do, because its window
    is longer than the season.
    """
    from statsmodels.tsa.seasonal import STL

    seasons = np.zeros((len(periods), len(y)))
    rest = y.copy()
    for _ in range(ROUNDS if len(periods) > 1 else 1):
        for i, period in enumerate(periods):
            rest = rest + seasons[i]
            jump = period // JUMPS_A_SEASON if period > LONG else 1
            jumps = {"trend_jump": jump, "low_pass_jump": jump}
            seasons[i] = STL(rest, period=period, seasonal=11 + 4 * i, seasonal_deg=0, **jumps).fit().seasonal
            rest = rest - seasons[i]
    return seasons
