"""Forecasters of intermittent demand: series of whole or broken amounts with many zeros between them."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from apps.engine.forecasters.local import Grid, Unfit
from apps.engine.forecasters.paths import Ahead, PathForecaster, spread
from apps.engine.panel import Floats

ZEROS_NEEDED = 0.2
WEIGHT = 0.1  # of the newest demand in Croston's smoothing, as in its paper


class Intermittent(PathForecaster):
    """Takes series that are never negative and 0 at least a fifth of the time; forecasts their demand a step."""

    min_points = 8

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.models  # noqa: F401 - it takes seconds

    @abstractmethod
    def demand(self, y: Floats) -> tuple[float, Floats]:
        """The demand a step from now on, and what each point of the history was expected to be (NaN: nothing)."""

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        if y.min() < 0:
            raise Unfit("it has negative values, which demand cannot have")
        zeros = float(np.mean(y == 0))
        if zeros < ZEROS_NEEDED:
            raise Unfit(f"{zeros:.0%} of its values are zero, {ZEROS_NEEDED:.0%} are needed")
        level, expected = self.demand(y)
        usable = y - expected if np.isfinite(expected).any() else y - y.mean()
        return Ahead(level, np.full(grid.horizon, level), spread(usable, grid.horizon, WEIGHT))
