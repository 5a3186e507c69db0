"""One LightGBM for the whole panel that looks one step ahead; its forecasts are fed back for the steps after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.engine.forecasters.base import Estimate, FitContext, make_tails
from apps.engine.forecasters.lightgbm_global import LightGBMGlobal
from apps.engine.panel import Panel
from apps.engine.serving.components import LEVEL, SEASON
from apps.engine.serving.pooled import recursive_trees
from apps.engine.serving.state import State


class LightGBMRecursive(LightGBMGlobal):
    """Gradient-boosted trees over all series, one step at a time.

    Without covariates its forecasts depend on nothing that a request could bring. Then they are kept instead of the trees,
    which would be asked once for each step.
    """

    name = "lightgbm_recursive"
    label = "LightGBM, one step at a time"

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        found = super()._fit(panel, replace(context, horizon=1))
        if not found.state.fitted.any():
            return found
        grown = found.state.arrays["residual_sd"][0] * np.sqrt(np.arange(1, context.horizon + 1))
        state = replace(found.state, kind=self.name, arrays={**found.state.arrays, "residual_sd": grown})
        return replace(found, state=state if panel.known_future else _as_paths(state, panel, context.horizon))


def _as_paths(state: State, panel: Panel, horizon: int) -> State:
    """The state of kind "paths" with what the trees of `state` forecast."""
    trees, rows = recursive_trees(state, make_tails(panel, horizon)), np.flatnonzero(state.fitted)
    points, parts = trees.predict(rows, horizon, {}), trees.parts(rows, horizon, {})
    level, season = parts[LEVEL][:, 0], parts.get(SEASON, np.zeros_like(points.mean))
    kept = {
        "level": level,
        "trend": points.mean - level[:, None] - season,
        "season": season,
        "sigma": points.sigma,
    }
    arrays = {name: np.zeros((len(panel), *values.shape[1:])) for name, values in kept.items()}
    for name, values in kept.items():
        arrays[name][rows] = values
    return State("paths", state.fitted, arrays=arrays)
