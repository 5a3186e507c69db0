"""The classical Theta method with two lines (Assimakopoulos and Nikolopoulos 2000), estimated by statsforecast."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.engine.forecasters.local import Grid
from apps.engine.forecasters.paths import Ahead, PathForecaster, last, spread
from apps.engine.forecasters.theta import BURN_IN, REACH, residuals_of, season_of
from apps.engine.panel import Floats
from apps.engine.seasonality import found_season
from apps.engine.serving.predictors import MULTIPLICATIVE, NONE, cycle


class StandardTheta(PathForecaster):
    """Half the trend of a straight line on top of simple exponential smoothing, on a seasonally adjusted series."""

    name = "standard_theta"
    label = "Standard Theta"
    min_points = 6
    reach = REACH

    def prepare(self) -> None:
        """See `LocalForecaster`."""
        import statsforecast.theta  # noqa: F401 - it takes seconds

    def ahead(self, y: Floats, grid: Grid, hint: str) -> Ahead:  # noqa: ARG002 - there is nothing to reuse
        """See `PathForecaster`."""
        from statsforecast.theta import auto_theta, forecast_theta

        m = found_season(y, grid.season)
        model: dict[str, Any] = auto_theta(y.copy(), m=m, model="STM")  # type: ignore[no-untyped-call]
        mean = np.asarray(forecast_theta(model, grid.horizon)["mean"], np.float64)  # type: ignore[no-untyped-call]
        sigma = spread(residuals_of(model)[BURN_IN:], grid.horizon, float(model["par"]["alpha"]))
        level = float(last(model["states"])[0])
        index, kind = season_of(model)
        term = cycle(index[None, :], grid.horizon)[0]
        if kind == NONE:
            return Ahead(level, mean, sigma)
        if kind == MULTIPLICATIVE:
            return Ahead(level, mean / term, sigma * term, mean - mean / term)
        return Ahead(level, mean - term, sigma, term)
