"""Seasonal naive: the value one season earlier. Always a candidate; serves what nothing beats."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.base import Estimate, FitContext, Forecaster
from apps.engine.metrics import naive_scale, squared_scale
from apps.engine.panel import Floats, Panel
from apps.engine.serving.state import State

MEAN_TO_SD = 1.2533  # standard deviation over mean absolute error of a normal distribution


class SeasonalNaive(Forecaster):
    """The value one season earlier; the last value where the history is shorter than a season."""

    name = "seasonal_naive"
    label = "Seasonal naive"

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:  # noqa: ARG002
        season = panel.frequency.season_length
        sigma = np.asarray([_sigma(panel.series(s), season) for s in range(len(panel))])
        return Estimate(State("seasonal_naive", np.ones(len(panel), bool), arrays={"sigma": sigma}))


def _sigma(y: Floats, season: int) -> float:
    if len(y) > season + 1:
        return squared_scale(y, season)
    return MEAN_TO_SD * naive_scale(y, 1)
