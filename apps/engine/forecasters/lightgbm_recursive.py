"""One LightGBM for the whole panel that looks one step ahead; its forecasts are fed back for the steps after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.engine.forecasters.base import Estimate, FitContext
from apps.engine.forecasters.lightgbm_global import LightGBMGlobal
from apps.engine.panel import Panel


class LightGBMRecursive(LightGBMGlobal):
    """Gradient-boosted trees over all series, one step at a time."""

    name = "lightgbm_recursive"
    label = "LightGBM, one step at a time"

    def _fit(self, panel: Panel, context: FitContext) -> Estimate:
        found = super()._fit(panel, replace(context, horizon=1))
        if not found.state.fitted.any():
            return found
        grown = found.state.arrays["residual_sd"][0] * np.sqrt(np.arange(1, context.horizon + 1))
        state = replace(found.state, kind=self.name, arrays={**found.state.arrays, "residual_sd": grown})
        return replace(found, state=state)
