"""The average of the last values: a season of them, so that the season cancels out."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.local import Grid
from apps.engine.forecasters.paths import Ahead, PathForecaster, spread
from apps.engine.panel import Floats

WINDOW = 6  # where there is no season


class WindowAverage(PathForecaster):
    """The average of the last season, or of the last six values."""

    name = "window_average"
    label = "Window average"
    min_points = 2

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        window = min(grid.season if grid.season > 1 else WINDOW, len(y) - 1)
        averages = np.convolve(y, np.ones(window) / window, mode="valid")
        level = float(y[-window:].mean())
        sigma = spread(y[window:] - averages[:-1], grid.horizon, 1.0 / window)
        return Ahead(level, np.full(grid.horizon, level), sigma)
