"""The last value, carried forward (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2)."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.local import Grid
from apps.engine.forecasters.paths import Ahead, PathForecaster
from apps.engine.panel import Floats


class Naive(PathForecaster):
    """The last value; its spread is a random walk's."""

    name = "naive"
    label = "Naive"

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        steps = np.arange(1, grid.horizon + 1)
        sd = float(np.sqrt(np.mean(np.diff(y) ** 2)))
        level = float(y[-1])
        return Ahead(level, np.full(grid.horizon, level), sd * np.sqrt(steps))
