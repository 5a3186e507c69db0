"""Seasonal naive of the longest season that the history holds: last week's hours rather than yesterday's."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.local import Grid, Unfit
from apps.engine.forecasters.paths import Ahead, PathForecaster
from apps.engine.metrics import squared_scale
from apps.engine.panel import Floats
from apps.engine.serving.predictors import cycle


class SeasonalNaiveLong(PathForecaster):
    """The value one long season earlier; only for grids with a season above the main one."""

    name = "seasonal_naive_long"
    label = "Seasonal naive, longest season"
    min_points = 2

    def kept(self, grid: Grid) -> int:
        """See `PathForecaster`."""
        return max(self.points_kept, 3 * max(grid.seasons))

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        fitting = [m for m in grid.seasons[1:] if m <= len(y)]
        if not fitting:
            raise Unfit("its history holds no season above the main one")
        m = fitting[-1]
        level = float(y[-m:].mean())
        season = cycle(y[None, -m:], grid.horizon)[0] - level
        sigma = squared_scale(y, m) * np.sqrt(np.arange(grid.horizon) // m + 1)
        return Ahead(level, np.full(grid.horizon, level), sigma, season)
