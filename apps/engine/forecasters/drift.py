"""The line through the first and the last value (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2)."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.local import Grid
from apps.engine.forecasters.paths import Ahead, PathForecaster
from apps.engine.panel import Floats


class Drift(PathForecaster):
    """A random walk with drift; its spread counts that the drift is estimated."""

    name = "drift"
    label = "Drift"
    min_points = 3

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        steps = np.arange(1.0, grid.horizon + 1.0)
        changes = len(y) - 1
        slope = float(y[-1] - y[0]) / changes
        sd = float(np.std(np.diff(y), ddof=1))
        level = float(y[-1])
        return Ahead(
            level, np.asarray(level + slope * steps, np.float64), sd * np.sqrt(steps * (1 + steps / changes))
        )
