"""Forecasts at several levels of aggregation, averaged (Petropoulos and Kourentzes 2015)."""

from __future__ import annotations

import numpy as np

from apps.engine.forecasters.intermittent import Intermittent
from apps.engine.panel import Floats


class IMAPA(Intermittent):
    """The average of smoothed sums over one step up to the average interval between demands."""

    name = "imapa"
    label = "IMAPA"

    def demand(self, y: Floats) -> tuple[float, Floats]:
        """See `Intermittent`."""
        from statsforecast import models

        found = models.IMAPA().forecast(y, 1, fitted=True)
        return float(found["mean"][0]), np.asarray(found["fitted"], np.float64)
