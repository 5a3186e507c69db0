"""The average of the last seasons, position by position; without a season, of the last values."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.local import Grid, Unfit
from apps.engine.forecasters.paths import Ahead, PathForecaster, spread
from apps.engine.panel import Floats
from apps.engine.serving.predictors import cycle

SEASONS = 3


class SeasonalWindowAverage(PathForecaster):
    """The average of the same position in the last three seasons, or two where there are no more."""

    name = "seasonal_window_average"
    label = "Seasonal window average"
    min_points = 2

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        m = grid.season
        seasons = min(SEASONS, len(y) // m)
        if seasons < 2:
            raise Unfit(f"it has {len(y)} points, two seasons of {m} are needed")
        last = y[-seasons * m :].reshape(seasons, m)
        profile = last.mean(axis=0)
        level = float(profile.mean())
        season = cycle(profile[None, :], grid.horizon)[0] - level
        # an average of k seasons that left out the value itself would miss it by k / (k - 1) times as much
        missed = (last - profile) * (seasons / (seasons - 1))
        rounds = np.arange(grid.horizon) // m
        sigma = spread(missed.ravel(), int(rounds[-1]) + 1, 1.0 / seasons)[rounds]
        return Ahead(level, np.full(grid.horizon, level), sigma, season)
